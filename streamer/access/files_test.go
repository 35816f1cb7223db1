package access

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs something until the test ends, and waits for it.
func run(t *testing.T, what func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); what(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
}

// eventually waits for a condition, for as long as the slowest machine needs.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to pass that %s", what)
		}
	}
}

func TestTokensAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "..v1", map[string]string{"alice": "old", "bob": "t0ken"})
	g := newGate(t, Options{Auth: Auth{Enabled: true, Paths: []string{dir}}})
	run(t, g.Run)
	alice := admit(t, g, Request{Tokens: []string{"old"}})

	// The swap is repeated until it is seen: the first may come before the directory is watched.
	version := "..v"
	eventually(t, "the new token is accepted", func() bool {
		version += "x"
		mount(t, dir, version, map[string]string{"alice": "new", "bob": "t0ken"})
		time.Sleep(settle)
		_, ok := g.state.Load().tokens.find([]string{"new"})
		return ok
	})
	<-g.Revoked()
	if !alice.Revoked() {
		t.Error("the old token's client is still welcome")
	}
	admit(t, g, Request{Tokens: []string{"t0ken"}})
}

func TestWatchFollowsNewPaths(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	write(t, filepath.Join(first, "a"), "one")
	write(t, filepath.Join(second, "b"), "two")
	g := newGate(t, Options{Auth: Auth{Enabled: true, Paths: []string{first}}})
	run(t, g.Run)
	if err := g.Update(Options{Auth: Auth{Enabled: true, Paths: []string{second}}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a change of the second directory is seen", func() bool {
		write(t, filepath.Join(second, "b"), "three")
		time.Sleep(settle)
		_, ok := g.state.Load().tokens.find([]string{"three"})
		return ok
	})
}

// keyPair makes a certificate of the name given.
func keyPair(t *testing.T, name string, notAfter time.Time) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// served is the name of the certificate that a handshake shows, and what was agreed on.
func served(t *testing.T, config *tls.Config, client *tls.Config) (string, tls.ConnectionState, error) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	done := make(chan error, 1)
	go func() {
		defer far.Close()
		done <- tls.Server(far, config).Handshake()
	}()
	client.InsecureSkipVerify = true // the certificate is its own
	conn := tls.Client(near, client)
	err := conn.Handshake()
	near.Close()
	<-done
	if err != nil {
		return "", tls.ConnectionState{}, err
	}
	state := conn.ConnectionState()
	return state.PeerCertificates[0].Subject.CommonName, state, nil
}

func TestTLSServesWhatTheFilesHold(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	certificate, key := keyPair(t, "one.example", time.Now().Add(time.Hour))
	mount(t, dir, "..v1", map[string]string{"tls.crt": certificate, "tls.key": key})
	pair, err := NewTLS(certFile, keyFile, slog.New(slog.DiscardHandler), metrics())
	if err != nil {
		t.Fatal(err)
	}
	config := pair.Config()
	name, state, err := served(t, config, &tls.Config{NextProtos: []string{"h2", "http/1.1"}})
	if err != nil || name != "one.example" || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("serves %q over %q, %v", name, state.NegotiatedProtocol, err)
	}
	if _, _, err := served(t, config, &tls.Config{MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}

	other, _ := keyPair(t, "two.example", time.Now().Add(time.Hour))
	mount(t, dir, "..v2", map[string]string{"tls.crt": other, "tls.key": key})
	if err := pair.Reload(); err == nil || !strings.Contains(err.Error(), certFile) {
		t.Errorf("a key that does not fit: %v", err)
	}
	if name, _, _ := served(t, config, &tls.Config{}); name != "one.example" {
		t.Errorf("serves %q, want the last good one", name)
	}

	run(t, pair.Run)
	version := "..v2"
	certificate, key = keyPair(t, "three.example", time.Now().Add(-time.Minute))
	eventually(t, "the new certificate is served", func() bool {
		version += "x"
		mount(t, dir, version, map[string]string{"tls.crt": certificate, "tls.key": key})
		time.Sleep(settle)
		name, _, _ := served(t, config, &tls.Config{})
		return name == "three.example"
	})
}

func TestNewTLSSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "empty"), "")
	write(t, filepath.Join(dir, "huge"), strings.Repeat("x", maxPEM+1))
	for _, name := range []string{"none", "empty", "huge"} {
		file := filepath.Join(dir, name)
		if _, err := NewTLS(file, file, slog.New(slog.DiscardHandler), metrics()); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: error %v, want one that names the file", name, err)
		}
	}
}

func TestErrorsAreLoggedOnce(t *testing.T) {
	var text bytes.Buffer
	path := filepath.Join(t.TempDir(), "tokens")
	write(t, path, "good\n")
	g := newGate(t, Options{Auth: Auth{Enabled: true, Paths: []string{path}}})
	w := watcher{log: slog.New(slog.NewTextHandler(&text, nil)), what: "tokens", reload: g.Reload}
	write(t, path, "not good\n")
	last := ""
	for range 3 {
		last = w.try(last)
	}
	write(t, path, "good\n")
	if last = w.try(last); last != "" {
		t.Errorf("after the repair: %s", last)
	}
	if n := strings.Count(text.String(), "level=ERROR"); n != 1 || strings.Contains(text.String(), "not good") {
		t.Errorf("logged %d times, want once and without the token:\n%s", n, text.String())
	}
}
