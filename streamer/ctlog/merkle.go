package ctlog

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"slices"
)

// Frontier is the collapsed left side of a Merkle tree (RFC 6962 §2.1): the roots of its complete subtrees, largest first, one
// per 1-bit of Size. It is all that is needed to append leaves and to compute the root. The zero value is the empty tree.
// It is not safe for concurrent use.
type Frontier struct {
	Size  uint64 `json:"size"`
	Nodes []Hash `json:"nodes"`
}

// maxNodes is the number of nodes the largest tree can have.
const maxNodes = 64

// Append adds a leaf by its hash.
func (f *Frontier) Append(leaf Hash) {
	if cap(f.Nodes) < maxNodes {
		f.Nodes = append(make([]Hash, 0, maxNodes), f.Nodes...)
	}
	n := len(f.Nodes)
	for range bits.TrailingZeros64(^f.Size) { // every trailing 1-bit is a subtree as large as the one being completed
		n--
		leaf = NodeHash(f.Nodes[n], leaf)
	}
	f.Nodes = append(f.Nodes[:n], leaf)
	f.Size++
}

// Root is the tree's root.
func (f *Frontier) Root() Hash {
	n := len(f.Nodes)
	if n == 0 {
		return sha256.Sum256(nil)
	}
	root := f.Nodes[n-1]
	for i := n - 2; i >= 0; i-- {
		root = NodeHash(f.Nodes[i], root)
	}
	return root
}

// Clone is a copy that shares nothing.
func (f *Frontier) Clone() *Frontier {
	return &Frontier{Size: f.Size, Nodes: slices.Clone(f.Nodes)}
}

// Check tells whether a frontier that comes from outside, such as a state file, can be one: it has a node per 1-bit of Size.
func (f *Frontier) Check() error {
	if want := bits.OnesCount64(f.Size); len(f.Nodes) != want {
		return fmt.Errorf("a Merkle frontier of size %d has %d nodes, not %d", f.Size, want, len(f.Nodes))
	}
	return nil
}

// LeafHash is the hash of a MerkleTreeLeaf (RFC 6962 §2.1).
func LeafHash(leaf []byte) Hash {
	h := sha256.New()
	h.Write([]byte{0})
	h.Write(leaf)
	return Hash(h.Sum(nil))
}

// NodeHash is the hash of an inner node (RFC 6962 §2.1).
func NodeHash(left, right Hash) Hash {
	var b [1 + 2*len(left)]byte
	b[0] = 1
	copy(b[1:], left[:])
	copy(b[1+len(left):], right[:])
	return sha256.Sum256(b[:])
}

var (
	errProofLength = errors.New("the proof has the wrong length")
	errProofRoot   = errors.New("the proof does not lead to the root")
)

// VerifyInclusion checks a Merkle audit path (RFC 6962 §2.1.1): that the leaf at index is in the tree of that size and root.
func VerifyInclusion(leaf Hash, index, size uint64, path []Hash, root Hash) error {
	_, err := frontierFromPath(leaf, index, size, path, root)
	return err
}

// frontierFromPath verifies the audit path of a leaf and gives the frontier that ends with this leaf: it consists of the leaf
// and the left siblings on its way to the root.
func frontierFromPath(leaf Hash, index, size uint64, path []Hash, root Hash) (*Frontier, error) {
	if index >= size {
		return nil, errProofLength
	}
	f := &Frontier{Size: index}
	hash, node, last := leaf, index, size-1
	for ; last > 0; node, last = node>>1, last>>1 {
		if node == last && node&1 == 0 {
			continue // a right-most node without a sibling moves up as it is
		}
		if len(path) == 0 {
			return nil, errProofLength
		}
		if node&1 == 1 {
			f.Nodes = append(f.Nodes, path[0])
			hash = NodeHash(path[0], hash)
		} else {
			hash = NodeHash(hash, path[0])
		}
		path = path[1:]
	}
	switch {
	case len(path) > 0:
		return nil, errProofLength
	case hash != root:
		return nil, errProofRoot
	}
	slices.Reverse(f.Nodes)
	f.Append(leaf)
	return f, nil
}

// VerifyConsistency checks a consistency proof (RFC 6962 §2.1.2): that the tree of the old size and root is a prefix of the new.
func VerifyConsistency(oldSize, newSize uint64, oldRoot, newRoot Hash, proof []Hash) error {
	switch {
	case oldSize > newSize:
		return errProofLength
	case oldSize == 0:
		return checkProof(len(proof) == 0, true)
	case oldSize == newSize:
		return checkProof(len(proof) == 0, oldRoot == newRoot)
	}
	// The old tree's last complete subtree is where the proof starts (RFC 9162 §2.1.4.2); it is the whole old tree, and
	// then not in the proof, where the old size is a power of two.
	shift := bits.TrailingZeros64(oldSize)
	node, last := (oldSize-1)>>shift, (newSize-1)>>shift
	oldHash := oldRoot
	if oldSize&(oldSize-1) != 0 {
		if len(proof) == 0 {
			return errProofLength
		}
		oldHash, proof = proof[0], proof[1:]
	}
	newHash := oldHash
	for ; last > 0; node, last = node>>1, last>>1 {
		if node == last && node&1 == 0 {
			continue
		}
		if len(proof) == 0 {
			return errProofLength
		}
		if node&1 == 1 {
			oldHash, newHash = NodeHash(proof[0], oldHash), NodeHash(proof[0], newHash)
		} else {
			newHash = NodeHash(newHash, proof[0])
		}
		proof = proof[1:]
	}
	return checkProof(len(proof) == 0, oldHash == oldRoot && newHash == newRoot)
}

func checkProof(length, root bool) error {
	switch {
	case !length:
		return errProofLength
	case !root:
		return errProofRoot
	}
	return nil
}

// nodeFunc gives the root of the complete subtree over the leaves [index·2^level, (index+1)·2^level).
type nodeFunc func(level int, index uint64) (Hash, error)

// auditPath is PATH(leaf, D[0:size]) of RFC 6962 §2.1.1, made of complete subtrees.
func auditPath(leaf, size uint64, node nodeFunc) ([]Hash, error) {
	var path []Hash
	for lo := uint64(0); size > 1; {
		k := uint64(1) << (bits.Len64(size-1) - 1)
		sibling, width := lo+k, size-k
		if leaf < lo+k {
			size = k
		} else {
			sibling, width = lo, k
			lo, size = lo+k, size-k
		}
		h, err := subtreeRoot(sibling, width, node)
		if err != nil {
			return nil, err
		}
		path = append(path, h)
	}
	slices.Reverse(path)
	return path, nil
}

// subtreeRoot is MTH(D[lo:lo+size]).
func subtreeRoot(lo, size uint64, node nodeFunc) (Hash, error) {
	if size&(size-1) == 0 {
		level := bits.TrailingZeros64(size)
		return node(level, lo>>level)
	}
	k := uint64(1) << (bits.Len64(size) - 1)
	left, err := subtreeRoot(lo, k, node)
	if err != nil {
		return Hash{}, err
	}
	right, err := subtreeRoot(lo+k, size-k, node)
	if err != nil {
		return Hash{}, err
	}
	return NodeHash(left, right), nil
}
