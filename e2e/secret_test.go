//go:build e2e

package e2e

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
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// TestSecrets begins without the Secrets of tokens and certificate, makes them, reads with them, and rotates both.
func TestSecrets(t *testing.T) {
	bed.operator(t)
	s := bed.newStream(t, func(spec *v1alpha1.CertStreamSpec) {
		spec.Auth = &v1alpha1.AuthSpec{Tokens: []v1alpha1.TokenSource{{SecretName: "tokens"}}}
		spec.TLS = &v1alpha1.TLSSpec{SecretName: "certificate"}
	})
	waiting := s.condition(t, v1alpha1.ConditionReady, metav1.ConditionFalse)
	eventually(t, time.Minute, "a condition that names the Secret", func() error {
		for _, c := range s.get(t).Status.Conditions {
			if strings.Contains(c.Message, "tokens") || strings.Contains(c.Message, "certificate") {
				waiting = &c
				return nil
			}
		}
		return errors.New("there is none")
	})
	t.Logf("without its Secrets: %s %s: %s", waiting.Type, waiting.Reason, waiting.Message)

	first := s.certificate(t)
	s.secret(t, "certificate", first)
	s.secret(t, "tokens", map[string]string{"alice": "alice-token-0123456789"})
	s.ready(t)
	eventually(t, time.Minute, "the first token", func() error { return s.knock(t, "alice-token-0123456789", trusting(t, first)) })
	if err := s.knock(t, "bob-token-0123456789", trusting(t, first)); err == nil {
		t.Error("a token that is in no Secret is accepted")
	}

	began := time.Now()
	s.secret(t, "tokens", map[string]string{"bob": "bob-token-0123456789"})
	eventually(t, 2*time.Minute, "the new token", func() error {
		return s.knock(t, "bob-token-0123456789", trusting(t, first))
	})
	figure(t, "a new token was accepted %.1f s after its Secret changed", time.Since(began).Seconds())
	if err := s.knock(t, "alice-token-0123456789", trusting(t, first)); err == nil {
		t.Error("the old token is still accepted")
	}

	second := s.certificate(t)
	began = time.Now()
	s.secret(t, "certificate", second)
	eventually(t, 2*time.Minute, "the new certificate", func() error {
		return s.knock(t, "bob-token-0123456789", trusting(t, second))
	})
	figure(t, "a new certificate was served %.1f s after its Secret changed", time.Since(began).Seconds())
	if pod, err := s.pod(t.Context()); err != nil || pod.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("rotation restarted the pod: %v", err)
	}
}

// secret makes or replaces a Secret.
func (s *stream) secret(t *testing.T, name string, data map[string]string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, StringData: data}
	err := s.Create(t.Context(), secret)
	if err != nil {
		if err = s.Delete(t.Context(), &corev1.Secret{ObjectMeta: secret.ObjectMeta}); err == nil {
			secret.ResourceVersion = ""
			err = s.Create(t.Context(), secret)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// certificate is a new self-signed certificate for the stream, as a Secret's content.
func (s *stream) certificate(t *testing.T) map[string]string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: s.host()}, DNSNames: []string{s.host()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"tls.crt": string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		"tls.key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}
}

// trusting trusts one certificate only.
func trusting(t *testing.T, certificate map[string]string) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(certificate["tls.crt"])) {
		t.Fatal("no certificate")
	}
	return &tls.Config{RootCAs: pool}
}

// knock tries a token with one connection.
func (s *stream) knock(t *testing.T, token string, trust *tls.Config) error {
	t.Helper()
	dialer := websocket.Dialer{TLSClientConfig: trust, HandshakeTimeout: 5 * time.Second}
	conn, resp, err := dialer.DialContext(t.Context(), "wss://"+s.host()+":8080/", http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		if resp != nil {
			return fmt.Errorf("%w: %s", err, resp.Status)
		}
		return err
	}
	return conn.Close()
}
