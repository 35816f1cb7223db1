package engine

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

func upper(dst, der []byte) []byte { return append(dst, bytes.ToUpper(der)...) }

func TestIssuersAreKeptOnce(t *testing.T) {
	s := NewIssuers(1<<10, upper)
	der := []byte("an issuer")
	fp := s.Intern(der)
	if fp != Fingerprint(sha256.Sum256(der)) || s.Intern(bytes.Clone(der)) != fp {
		t.Error("the fingerprint is not the SHA-256 of the DER")
	}
	clear(der)
	if json, ok := s.Chain(fp); !ok || string(json) != "AN ISSUER" {
		t.Errorf("chain element %q, %v", json, ok)
	}
	if n, size := s.Len(); n != 1 || size != 2*len(der) {
		t.Errorf("%d issuers in %d bytes, want 1 in %d", n, size, 2*len(der))
	}
	if _, ok := s.Chain(Fingerprint{9}); ok || s.Has(Fingerprint{9}) {
		t.Error("an unknown issuer was found")
	}
}

func TestIssuersStayWithinTheirBound(t *testing.T) {
	s := NewIssuers(1000, upper)
	var first Fingerprint
	for i := range 100 {
		fp := s.Intern(bytes.Repeat([]byte{byte(i)}, 90))
		if i == 0 {
			first = fp
		}
		s.Chain(fp)
		if i < 5 {
			s.Chain(first) // in use: others go first
		}
		if i == 5 && !s.Has(first) {
			t.Error("an issuer in use was dropped before idle ones")
		}
	}
	if n, size := s.Len(); size > 1000 || n != 5 {
		t.Errorf("%d issuers in %d bytes, bound 1000", n, size)
	}
	big := s.Intern(bytes.Repeat([]byte("x"), 500))
	if s.Has(big) {
		t.Error("one certificate may not take half the store")
	}
	if len(s.byFP) != len(s.byHash) || len(s.byFP) != s.recent.Len() {
		t.Error("the indexes differ from the list")
	}
}
