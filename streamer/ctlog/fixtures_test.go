package ctlog

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// poolOnce issues the certificates that most tests share.
func poolOnce() func() []*testlog.Entry {
	return sync.OnceValue(func() []*testlog.Entry { return testlog.NewCA("Test").Pool(1000) })
}

func rsaKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func p384Key(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// ed25519Key is the SPKI of a key that no log can have.
func ed25519Key(t testing.TB) []byte {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return spki
}

// leafIssuer is the fingerprint of an entry's issuer.
func leafIssuer(e *testlog.Entry) [32]byte { return sha256.Sum256(e.Chain[0]) }
