package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// streamer is a pod's stream: each connection gets one message and is closed. It notes what was asked.
type streamer struct {
	mu    sync.Mutex
	asked []*http.Request
}

func (s *streamer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r)
	n := len(s.asked)
	s.mu.Unlock()
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"message_type":"dns_entries","data":["n%d.test"],"cursor":"e-%d"}`, n, n))
	goodbye := websocket.FormatCloseMessage(websocket.CloseServiceRestart, "restarting")
	_ = conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(time.Second))
}

// tailing is a cluster with a CertStream whose pod serves a stream.
func tailing(t *testing.T, cs *v1alpha1.CertStream, objects ...ctrlclient.Object) (*world, *streamer) {
	w := newWorld(t, append(objects, cs, podOf(cs.Name, "pod-1", true, time.Minute))...)
	s := &streamer{}
	w.ports[8080] = s
	return w, s
}

// When the pod is replaced, tail goes on at the next one with the cursor it had.
func TestTailGoesOnAtTheNextPod(t *testing.T) {
	w, s := tailing(t, stream("main"))
	replace := s
	w.ports[8080] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if len(w.dialled) == 1 {
			old := podOf("main", "pod-1", true, time.Minute)
			if err := errors.Join(w.Delete(r.Context(), old), w.Create(r.Context(), podOf("main", "pod-2", true, 0))); err != nil {
				t.Error(err)
			}
		}
		replace.ServeHTTP(rw, r)
	})
	if code := w.run(t, "tail", "--domains", "--count", "2", "--suffix", "test", "--since", "e-0"); code != 0 {
		t.Fatal(w.errs.String())
	}
	if got := w.out.String(); got != "n1.test\nn2.test\n" {
		t.Errorf("printed %q", got)
	}
	if diff := cmp.Diff([]string{"pod-1", "pod-2"}, w.dialled); diff != "" {
		t.Error(diff)
	}
	var asked []string
	for _, r := range s.asked {
		asked = append(asked, r.Host+r.URL.String())
	}
	want := []string{
		"certstream-main.ct.svc:8080/domains-only?since=e-0&suffix=test", "certstream-main.ct.svc:8080/domains-only?since=e-1&suffix=test",
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
	for _, want := range []string{"reading from pod pod-1\n", "reading from pod pod-2\n", "restarting; next try in"} {
		if !strings.Contains(w.errs.String(), want) {
			t.Errorf("said %q, not %q", &w.errs, want)
		}
	}
}

func TestTailIsDenied(t *testing.T) {
	w, _ := tailing(t, stream("main"))
	w.reach = func(int32) (net.Conn, error) { return nil, deniedError{errors.New("pods is forbidden")} }
	if code := w.run(t, "tail"); code != 1 || w.errs.String() != "error: pods is forbidden (needed: the right to create pods/portforward in the namespace)\n" {
		t.Errorf("exit code %d, %s", code, &w.errs)
	}
}

func TestTailTakesATokenFromASecret(t *testing.T) {
	secret := func(name string, data map[string]string) *corev1.Secret {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ct", Name: name}, Data: map[string][]byte{}}
		for key, value := range data {
			s.Data[key] = []byte(value)
		}
		return s
	}
	tokens := secret("tokens", map[string]string{"b": "second\n", "a": "first\n", "empty": " \n"})
	for name, c := range map[string]struct {
		tokens      []v1alpha1.TokenSource
		args        []string
		environment string
		sent, said  string
		code        int
	}{
		"the first key":       {tokens: []v1alpha1.TokenSource{{SecretName: "tokens"}}, sent: "Bearer first", said: "using the token a of Secret ct/tokens\n"},
		"the key named":       {tokens: []v1alpha1.TokenSource{{SecretName: "tokens", Key: "b", Name: "ci"}}, sent: "Bearer second", said: "using the token ci of"},
		"the next that is":    {tokens: []v1alpha1.TokenSource{{SecretName: "gone"}, {SecretName: "tokens"}}, sent: "Bearer first", said: "using the token a"},
		"given":               {tokens: []v1alpha1.TokenSource{{SecretName: "tokens"}}, args: []string{"--token", "mine"}, sent: "Bearer mine"},
		"of the environment":  {tokens: []v1alpha1.TokenSource{{SecretName: "gone"}}, environment: "ours", sent: "Bearer ours"},
		"none to be had":      {tokens: []v1alpha1.TokenSource{{SecretName: "gone"}}, code: 1, said: `give --token or CERTSTREAM_TOKEN (secrets "gone" not found)`},
		"a key without token": {tokens: []v1alpha1.TokenSource{{SecretName: "tokens", Key: "empty"}}, code: 1, said: "no token in Secret tokens"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CERTSTREAM_TOKEN", c.environment)
			cs := stream("main")
			cs.Spec.Auth = &v1alpha1.AuthSpec{Tokens: c.tokens, HeaderName: "X-Token"}
			w, s := tailing(t, cs, tokens)
			code := w.run(t, append([]string{"tail", "--count", "1"}, c.args...)...)
			if code != c.code || !strings.Contains(w.errs.String(), c.said) {
				t.Errorf("exit code %d, said %q, want %q", code, &w.errs, c.said)
			}
			for _, secret := range []string{"first", "second"} {
				if strings.Contains(w.errs.String()+w.out.String(), secret) {
					t.Errorf("a token is printed: %s%s", &w.out, &w.errs)
				}
			}
			if c.sent == "" {
				return
			}
			if got := s.asked[0].Header.Get("X-Token"); got != c.sent {
				t.Errorf("sent %q, want %q", got, c.sent)
			}
		})
	}
}

func TestStreamURL(t *testing.T) {
	off := false
	yes := true
	paths := stream("main")
	paths.Spec.Protocols.Port = 9000
	paths.Spec.Protocols.WebSocket = v1alpha1.WebSocketSpec{LitePath: "/l", FullPath: "/f", DomainsOnlyPath: "/d"}
	secure := stream("main")
	secure.Spec.TLS = &v1alpha1.TLSSpec{SecretName: "x"}
	secure.Spec.Protocols.TCP = v1alpha1.TCPSpec{Enabled: &yes, Port: 9001}
	sse := stream("main")
	sse.Spec.Protocols.WebSocket.Enabled = &off
	sse.Spec.Protocols.SSE.Path = "/events"
	tcp := stream("main")
	tcp.Spec.Protocols.WebSocket.Enabled, tcp.Spec.Protocols.SSE.Enabled, tcp.Spec.Protocols.TCP.Enabled = &off, &off, &yes
	for _, c := range []struct {
		cs               *v1alpha1.CertStream
		protocol, stream string
		want             string
	}{
		{stream("main"), "", "lite", "ws://certstream-main.ct.svc:8080"},
		{stream("main"), "sse", "lite", "http://certstream-main.ct.svc:8080"},
		{paths, "", "lite", "ws://certstream-main.ct.svc:9000/l"},
		{paths, "", "full", "ws://certstream-main.ct.svc:9000/f"},
		{paths, "", "domains", "ws://certstream-main.ct.svc:9000/d"},
		{secure, "", "lite", "wss://certstream-main.ct.svc:8080"},
		{secure, "sse", "lite", "https://certstream-main.ct.svc:8080"},
		{secure, "tcp", "lite", "tls://certstream-main.ct.svc:9001"},
		{sse, "", "lite", "http://certstream-main.ct.svc:8080/events"},
		{tcp, "", "lite", "tcp://certstream-main.ct.svc:8081"},
	} {
		if got, err := streamURL(c.cs, c.protocol, client.Stream(c.stream)); err != nil || got != c.want {
			t.Errorf("%s %s: %s, %v, want %s", c.protocol, c.stream, got, err, c.want)
		}
	}
}

func TestServedStream(t *testing.T) {
	off := false
	for want, s := range map[string]v1alpha1.StreamsSpec{
		"lite": {}, "domains": {Lite: &off}, "full": {Lite: &off, DomainsOnly: &off},
	} {
		cs := stream("main")
		cs.Spec.Protocols.Streams = s
		if got := servedStream(cs); string(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// issued is a certificate for names, signed by a parent or by itself.
func issued(t *testing.T, parent *tls.Certificate, names ...string) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: fmt.Sprint(names)}, DNSNames: names, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: len(names) == 0, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signer, signedBy := template, any(key)
	if parent != nil {
		signer, signedBy = parent.Leaf, parent.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer, key.Public(), signedBy)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func pemOf(c *tls.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
}

func TestTailVerifiesTheCertificate(t *testing.T) {
	ca := issued(t, nil)
	ours := issued(t, ca, "certstream-main.ct.svc")
	ingress := issued(t, ca, "ct.example.org")
	foreign := issued(t, ca, "other.ct.svc")
	self := issued(t, nil, "anything")
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pemOf(ca), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		served *tls.Certificate
		secret map[string][]byte
		args   []string
		code   int
		said   string
	}{
		"of the Secret's CA":        {served: ours, secret: map[string][]byte{"ca.crt": pemOf(ca)}},
		"for the Ingress' host":     {served: ingress, secret: map[string][]byte{"ca.crt": pemOf(ca)}},
		"the Secret's own":          {served: self, secret: map[string][]byte{"tls.crt": pemOf(self)}},
		"of the CA given":           {served: ours, args: []string{"--ca", file}},
		"any":                       {served: self, args: []string{"--insecure"}},
		"for another":               {served: foreign, secret: map[string][]byte{"ca.crt": pemOf(ca)}, code: 1, said: "it is valid for none of certstream-main.ct.svc"},
		"of another CA":             {served: self, secret: map[string][]byte{"ca.crt": pemOf(ca)}, code: 1, said: "signed by unknown authority (--ca FILE trusts"},
		"of nobody known":           {served: ours, code: 1, said: "must be one that this machine trusts"},
		"another than the Secret's": {served: foreign, secret: map[string][]byte{"tls.crt": pemOf(self)}, code: 1, said: "the stream's certificate: x509"},
	} {
		t.Run(name, func(t *testing.T) {
			cs := stream("main")
			cs.Spec.TLS = &v1alpha1.TLSSpec{SecretName: "cert"}
			cs.Spec.Ingress = &v1alpha1.IngressSpec{Hosts: []string{"ct.example.org"}}
			var objects []ctrlclient.Object
			if c.secret != nil {
				objects = append(objects, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ct", Name: "cert"}, Data: c.secret})
			}
			w, s := tailing(t, cs, objects...)
			server := httptest.NewUnstartedServer(s)
			server.TLS = &tls.Config{Certificates: []tls.Certificate{*c.served}}
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			defer server.Close()
			w.reach = func(int32) (net.Conn, error) { return net.Dial("tcp", server.Listener.Addr().String()) }
			code := w.run(t, append([]string{"tail", "--count", "1"}, c.args...)...)
			if code != c.code || !strings.Contains(w.errs.String(), c.said) {
				t.Errorf("exit code %d, said %q, want %q", code, &w.errs, c.said)
			}
		})
	}
}
