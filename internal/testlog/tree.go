package testlog

import (
	"crypto/sha256"
	"math/bits"
)

// Hash is a SHA-256 value.
type Hash = [32]byte

// tree is a whole Merkle tree (RFC 6962 §2.1): levels[k][i] is the root of the complete subtree over the leaves
// [i·2^k, (i+1)·2^k). It costs 64 bytes a leaf. It is written after the RFC's recursive definitions and shares no code with
// the log client, so that each checks the other.
type tree struct {
	levels [][]Hash
}

func leafHash(leaf []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(leaf)
	return Hash(h.Sum(nil))
}

func nodeHash(left, right Hash) Hash {
	var b [65]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[33:], right[:])
	return sha256.Sum256(b[:])
}

func (t *tree) size() uint64 {
	if len(t.levels) == 0 {
		return 0
	}
	return uint64(len(t.levels[0]))
}

// add appends a leaf hash and the complete subtrees that end with it.
func (t *tree) add(h Hash) {
	for k := 0; ; k++ {
		if k == len(t.levels) {
			t.levels = append(t.levels, nil)
		}
		t.levels[k] = append(t.levels[k], h)
		n := len(t.levels[k])
		if n%2 == 1 {
			return
		}
		h = nodeHash(t.levels[k][n-2], h)
	}
}

// snapshot is the tree as it is now: later leaves do not show in it.
func (t *tree) snapshot() *tree {
	return &tree{levels: append([][]Hash(nil), t.levels...)}
}

// root is MTH(D[0:n]).
func (t *tree) root(n uint64) Hash {
	if n == 0 {
		return sha256.Sum256(nil)
	}
	return t.subtree(0, n)
}

// subtree is MTH(D[lo:lo+n]) for n ≥ 1 and lo a multiple of the largest power of two in n.
func (t *tree) subtree(lo, n uint64) Hash {
	if n&(n-1) == 0 {
		k := bits.TrailingZeros64(n)
		return t.levels[k][lo>>k]
	}
	k := split(n)
	return nodeHash(t.subtree(lo, k), t.subtree(lo+k, n-k))
}

// split is the largest power of two smaller than n, for n ≥ 2.
func split(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }

// inclusion is PATH(m, D[0:n]) of RFC 6962 §2.1.1.
func (t *tree) inclusion(m, n uint64) []Hash { return t.path(m, 0, n) }

func (t *tree) path(m, lo, n uint64) []Hash {
	if n <= 1 {
		return nil
	}
	k := split(n)
	if m < k {
		return append(t.path(m, lo, k), t.subtree(lo+k, n-k))
	}
	return append(t.path(m-k, lo+k, n-k), t.subtree(lo, k))
}

// consistency is PROOF(m, D[0:n]) of RFC 6962 §2.1.2, for 0 < m ≤ n.
func (t *tree) consistency(m, n uint64) []Hash { return t.subproof(m, 0, n, true) }

func (t *tree) subproof(m, lo, n uint64, whole bool) []Hash {
	if m == n {
		if whole {
			return nil
		}
		return []Hash{t.subtree(lo, n)}
	}
	k := split(n)
	if m <= k {
		return append(t.subproof(m, lo, k, whole), t.subtree(lo+k, n-k))
	}
	return append(t.subproof(m-k, lo+k, n-k, false), t.subtree(lo, k))
}
