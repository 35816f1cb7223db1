package ctlog

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// The entry types of RFC 6962 §3.1.
const (
	typeX509    = 0
	typePrecert = 1
)

// leafPrefix is how many bytes in front of a MerkleTreeLeaf or TimestampedEntry the hashing functions borrow.
const leafPrefix = 3

// hashInPlace is SHA-256(prefix ‖ b[from:to]), without a copy: the prefix is written in front of it for the while.
func hashInPlace(b []byte, from, to int, prefix ...byte) Hash {
	var saved [leafPrefix]byte
	front := b[from-len(prefix) : from]
	copy(saved[:], front)
	copy(front, prefix)
	h := sha256.Sum256(b[from-len(prefix) : to])
	copy(front, saved[:])
	return h
}

// reader walks over bytes without allocating; once it runs short, it stays failed.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if n > len(r.b) || r.failed {
		r.failed = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) uint(n int) uint64 {
	var v uint64
	for _, b := range r.take(n) {
		v = v<<8 | uint64(b)
	}
	return v
}

// vector reads a length of n bytes and as many bytes as it says.
func (r *reader) vector(n int) []byte { return r.take(int(r.uint(n))) }

// decodeLeaf reads a MerkleTreeLeaf (RFC 6962 §3.4) and extra_data (§4.6) into an entry whose Index and LeafHash are set. What
// cannot be read is left out, and Malformed says so: a strange entry must not stop the log.
func (m *batchMemory) decodeLeaf(e *Entry, leaf, extra []byte) {
	r := reader{b: leaf}
	head := r.take(12)
	switch {
	case r.failed:
		e.Malformed = "leaf_input is truncated"
		return
	case head[0] != 0 || head[1] != 0:
		e.Malformed = fmt.Sprintf("unknown version %d or leaf type %d", head[0], head[1])
		return
	}
	e.Timestamp, e.Type = binary.BigEndian.Uint64(head[2:]), binary.BigEndian.Uint16(head[10:])
	x := reader{b: extra}
	switch e.Type {
	case typeX509:
		e.Certificate = r.vector(3)
	case typePrecert:
		r.take(32)
		r.vector(3)
		e.Certificate = x.vector(3)
	default:
		e.Malformed = fmt.Sprintf("unknown entry type %d", e.Type)
		return
	}
	if r.vector(2); r.failed || len(r.b) > 0 {
		e.Malformed = "leaf_input does not end where its lengths say"
	}
	m.decodeChain(e, &x)
}

// decodeChain reads the certificate_chain that ends extra_data.
func (m *batchMemory) decodeChain(e *Entry, x *reader) {
	list := reader{b: x.vector(3)}
	first := len(m.chains)
	for len(list.b) > 0 && !list.failed {
		if c := list.vector(3); !list.failed {
			m.chains = append(m.chains, c)
		}
	}
	if n := len(m.chains); n > first {
		e.Chain = m.chains[first:n:n]
	}
	if x.failed || list.failed || len(x.b) > 0 {
		e.Malformed = "extra_data does not end where its lengths say"
	}
}
