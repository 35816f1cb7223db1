package controllers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/controllers/build"
)

func TestWrongContent(t *testing.T) {
	cert, key := pair(t)
	_, otherKey := pair(t)
	one := []string{"team-a"}
	for name, test := range map[string]struct {
		role build.Role
		keys []string
		data map[string]string
		want string // part of the message; empty: all is well
	}{
		"tokens":                {build.RoleToken, nil, map[string]string{"team-a": "s3cret", "team-b": "other\n"}, ""},
		"one token":             {build.RoleToken, one, map[string]string{"team-a": "s3cret", "team-b": "with\nline"}, ""},
		"no token":              {build.RoleToken, nil, nil, "no key"},
		"empty token":           {build.RoleToken, one, map[string]string{"team-a": "\n"}, `"team-a" is empty`},
		"two lines":             {build.RoleToken, one, map[string]string{"team-a": "s3cret\nother"}, "one key is one token"},
		"not a character":       {build.RoleToken, one, map[string]string{"team-a": "s3cret\x00"}, "one key is one token"},
		"certificate":           {build.RoleTLS, nil, map[string]string{"tls.crt": cert, "tls.key": key}, ""},
		"another's private key": {build.RoleTLS, nil, map[string]string{"tls.crt": cert, "tls.key": otherKey}, "tls.key"},
		"proxy":                 {build.RoleProxy, one, map[string]string{"team-a": "http://u:s3cret@proxy:3128\n"}, ""},
		"no proxy":              {build.RoleProxy, one, map[string]string{"team-a": "s3cret"}, "URL of a proxy"},
		"authorities":           {build.RoleCABundle, one, map[string]string{"team-a": "anything"}, ""},
	} {
		data := make(map[string][]byte)
		for k, v := range test.data {
			data[k] = []byte(v)
		}
		got := wrongContent(build.Reference{Role: test.role, Keys: test.keys}, data)
		if (test.want == "") != (got == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if strings.Contains(got, "s3cret") {
			t.Errorf("%s: the message tells the secret: %s", name, got)
		}
	}
}

// pair is a certificate and its key in PEM.
func pair(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

func TestTokenOrigins(t *testing.T) {
	origins := make(tokenOrigins)
	secret := func(keys ...string) *corev1.Secret {
		s := &corev1.Secret{Data: map[string][]byte{}}
		for _, k := range keys {
			s.Data[k] = []byte("s3cret")
		}
		return s
	}
	first, second := build.Reference{Field: "spec.auth.tokens[0].secretName"}, build.Reference{Field: "spec.auth.tokens[1].secretName"}
	if err := origins.add(first, secret("a", "b")); err != nil {
		t.Error(err)
	}
	if err := origins.add(second, secret("c")); err != nil {
		t.Error(err)
	}
	err := origins.add(second, secret("b", "d"))
	if problems, _ := problemsIn(err); len(problems) != 1 || !strings.Contains(problems[0].Message, `"b" is in the Secrets of both spec.auth.tokens[0]`) {
		t.Errorf("two tokens of one name: %v", err)
	}
}
