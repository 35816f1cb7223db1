package engine

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"hash/maphash"
	"sync"
)

// Issuers keeps issuing certificates once for all logs, by fingerprint, within a byte bound: the least recently used goes
// first. A few thousand issuers sign the whole Web PKI. It is safe for concurrent use.
type Issuers struct {
	maxBytes int
	encode   func(dst, der []byte) []byte
	seed     maphash.Seed

	mu     sync.Mutex
	bytes  int
	recent *list.List // of *issuer, most recent first
	byFP   map[Fingerprint]*list.Element
	byHash map[uint64]*list.Element // of the DER, so that a known certificate costs no SHA-256
}

type issuer struct {
	fingerprint Fingerprint
	hash        uint64
	der         []byte
	chainJSON   []byte // made when first asked for
}

// NewIssuers makes an empty store. encode appends the chain element that messages show for a certificate.
func NewIssuers(maxBytes int, encode func(dst, der []byte) []byte) *Issuers {
	return &Issuers{
		maxBytes: maxBytes,
		encode:   encode,
		seed:     maphash.MakeSeed(),
		recent:   list.New(),
		byFP:     map[Fingerprint]*list.Element{},
		byHash:   map[uint64]*list.Element{},
	}
}

// Intern keeps a copy of the certificate, if it is not known yet, and returns its fingerprint.
func (s *Issuers) Intern(der []byte) Fingerprint {
	hash := maphash.Bytes(s.seed, der)
	s.mu.Lock()
	defer s.mu.Unlock()
	if el, ok := s.byHash[hash]; ok {
		if known := el.Value.(*issuer); bytes.Equal(known.der, der) {
			s.recent.MoveToFront(el)
			return known.fingerprint
		}
	}
	fp := Fingerprint(sha256.Sum256(der))
	if _, ok := s.byFP[fp]; !ok && len(der) <= s.maxBytes/8 {
		s.add(&issuer{fingerprint: fp, hash: hash, der: bytes.Clone(der)})
	}
	return fp
}

// add is called with mu held.
func (s *Issuers) add(i *issuer) {
	el := s.recent.PushFront(i)
	s.byFP[i.fingerprint] = el
	s.byHash[i.hash] = el
	s.grow(len(i.der))
}

// grow counts bytes and drops what no longer fits. Called with mu held.
func (s *Issuers) grow(n int) {
	s.bytes += n
	for s.bytes > s.maxBytes && s.recent.Len() > 1 {
		el := s.recent.Back()
		old := s.recent.Remove(el).(*issuer)
		delete(s.byFP, old.fingerprint)
		if s.byHash[old.hash] == el {
			delete(s.byHash, old.hash)
		}
		s.bytes -= len(old.der) + len(old.chainJSON)
	}
}

// Has says whether the certificate of this fingerprint is kept.
func (s *Issuers) Has(fp Fingerprint) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.byFP[fp]
	return ok
}

// Chain returns the certificate of this fingerprint as messages show it in a chain, or false when it is not known (yet). The
// bytes must not be modified.
func (s *Issuers) Chain(fp Fingerprint) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	el, ok := s.byFP[fp]
	if !ok {
		return nil, false
	}
	s.recent.MoveToFront(el)
	i := el.Value.(*issuer)
	if i.chainJSON == nil {
		i.chainJSON = s.encode(nil, i.der)
		s.grow(len(i.chainJSON))
	}
	return i.chainJSON, true
}

// Len is the number of certificates kept and the memory they take in bytes.
func (s *Issuers) Len() (n, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recent.Len(), s.bytes
}

// DER returns the certificate of this fingerprint, or false when it is not known (yet). The bytes must not be modified.
func (s *Issuers) DER(fp Fingerprint) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	el, ok := s.byFP[fp]
	if !ok {
		return nil, false
	}
	return el.Value.(*issuer).der, true
}
