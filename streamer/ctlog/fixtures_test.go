package ctlog

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
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
