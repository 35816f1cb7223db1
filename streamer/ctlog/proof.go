package ctlog

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"slices"
)

// Inclusion is a Merkle audit path (RFC 6962 §2.1.1): the leaf at Index is in a tree of Size entries.
type Inclusion struct {
	Leaf  Hash
	Index uint64
	Size  uint64
	Path  []Hash
}

// Verify checks the path against a tree's root.
func (i Inclusion) Verify(root Hash) error {
	return VerifyInclusion(i.Leaf, i.Index, i.Size, i.Path, root)
}

// Frontier verifies the path and gives the frontier of the first Index+1 entries of the tree.
func (i Inclusion) Frontier(root Hash) (*Frontier, error) {
	return frontierFromPath(i.Leaf, i.Index, i.Size, i.Path, root)
}

// Inclusion makes the audit path of a leaf out of hash tiles of the head's tree.
func (l *static) Inclusion(ctx context.Context, head TreeHead, index uint64) (Inclusion, error) {
	if index >= head.Size {
		return Inclusion{}, badRange(index, index+1, head.Size)
	}
	tiles := hashTiles{ctx: ctx, log: l, size: head.Size, tiles: map[string][]byte{}}
	leaf, err := tiles.node(0, index)
	if err != nil {
		return Inclusion{}, err
	}
	path, err := auditPath(index, head.Size, tiles.node)
	if err != nil {
		return Inclusion{}, err
	}
	i := Inclusion{Leaf: leaf, Index: index, Size: head.Size, Path: path}
	if err := i.Verify(head.Root); err != nil {
		return i, &Error{Kind: BadProof, Op: fmt.Sprintf("hash tiles of %d in %d", index, head.Size), Err: err}
	}
	return i, nil
}

// Consistency makes a consistency proof out of hash tiles of the newer head's tree.
func (l *static) Consistency(ctx context.Context, older, newer TreeHead) ([]Hash, error) {
	if older.Size > newer.Size {
		return nil, badRange(older.Size, older.Size, newer.Size)
	}
	tiles := hashTiles{ctx: ctx, log: l, size: newer.Size, tiles: map[string][]byte{}}
	proof, err := consistencyProof(older.Size, newer.Size, tiles.node)
	if err != nil {
		return nil, err
	}
	return proof, checkConsistency(older, newer, proof)
}

// checkConsistency verifies a proof; its error is of kind BadProof.
func checkConsistency(older, newer TreeHead, proof []Hash) error {
	if err := VerifyConsistency(older.Size, newer.Size, older.Root, newer.Root, proof); err != nil {
		return &Error{Kind: BadProof, Op: fmt.Sprintf("consistency of %d and %d", older.Size, newer.Size), Err: err}
	}
	return nil
}

// consistencyProof is PROOF(older, D[0:newer]) of RFC 6962 §2.1.2.
func consistencyProof(older, newer uint64, node nodeFunc) ([]Hash, error) {
	if older == 0 || older == newer {
		return nil, nil
	}
	var proof []Hash
	lo, m, n, whole := uint64(0), older, newer, true
	for m != n {
		k := uint64(1) << (bits.Len64(n-1) - 1)
		sibling, width := lo+k, n-k
		if m <= k {
			n = k
		} else {
			sibling, width = lo, k
			lo, m, n, whole = lo+k, m-k, n-k, false
		}
		h, err := subtreeRoot(sibling, width, node)
		if err != nil {
			return nil, err
		}
		proof = append(proof, h)
	}
	if !whole {
		h, err := subtreeRoot(lo, n, node)
		if err != nil {
			return nil, err
		}
		proof = append(proof, h)
	}
	slices.Reverse(proof)
	return proof, nil
}

// Inclusion fetches the audit path of a leaf. Where the entry that the log serves there is not the one in the tree, the path of
// the leaf beside it tells which is.
func (l *rfc6962) Inclusion(ctx context.Context, head TreeHead, index uint64) (Inclusion, error) {
	if index >= head.Size {
		return Inclusion{}, badRange(index, index+1, head.Size)
	}
	i, err := l.inclusion(ctx, head, index)
	beside := index ^ 1
	if kindOf(err) != BadProof || beside >= head.Size {
		return i, err
	}
	other, besideErr := l.inclusion(ctx, head, beside)
	if besideErr != nil {
		return i, err
	}
	return Inclusion{
		Leaf: other.Path[0], Index: index, Size: head.Size, Path: append([]Hash{other.Leaf}, other.Path[1:]...),
	}, nil
}

func (l *rfc6962) inclusion(ctx context.Context, head TreeHead, index uint64) (Inclusion, error) {
	op := fmt.Sprintf("get-entry-and-proof %d in %d", index, head.Size)
	leaf, path, err := l.entryAndProof(ctx, op, index, head.Size)
	if kind := kindOf(err); kind == NoProof || kind == NotYet {
		leaf, path, err = l.proofByHash(ctx, head, index)
	}
	i := Inclusion{Leaf: leaf, Index: index, Size: head.Size, Path: path}
	if err != nil {
		return i, err
	}
	if err := i.Verify(head.Root); err != nil {
		return i, &Error{Kind: BadProof, Op: op, Err: err}
	}
	return i, nil
}

// Consistency fetches a consistency proof by get-sth-consistency.
func (l *rfc6962) Consistency(ctx context.Context, older, newer TreeHead) ([]Hash, error) {
	if older.Size > newer.Size {
		return nil, badRange(older.Size, older.Size, newer.Size)
	}
	var proof []Hash
	if older.Size == 0 || older.Size == newer.Size {
		return nil, checkConsistency(older, newer, nil)
	}
	err := l.proof(ctx, fmt.Sprintf("get-sth-consistency %d %d", older.Size, newer.Size),
		fmt.Sprintf("ct/v1/get-sth-consistency?first=%d&second=%d", older.Size, newer.Size), func(body []byte) (err error) {
			proof, err = parseHashes(body, "consistency")
			return err
		})
	if err != nil {
		return nil, err
	}
	return proof, checkConsistency(older, newer, proof)
}

// ForkError proves that two signed tree heads exclude each other: the newer tree holds other entries below the older one's size.
type ForkError struct {
	Older, Newer TreeHead
	// Last is the audit path, in the newer tree, of the last leaf of the older one's size. The root of that size follows from
	// it, and is not the older one's. It is empty where both are of the same size.
	Last Inclusion
}

// Error says so.
func (e *ForkError) Error() string {
	if e.Older.Size == e.Newer.Size {
		return fmt.Sprintf("two roots for the same size %d", e.Older.Size)
	}
	return fmt.Sprintf("the tree of size %d is not a beginning of the tree of size %d", e.Older.Size, e.Newer.Size)
}

// CheckHeads asks a log to prove that one tree head's tree is the beginning of another's. A proof that leads nowhere is no proof
// of anything, be it a cache's fault or the log's; then the audit path of the older tree's last leaf in the newer tree decides.
// The error is a *ForkError when the heads are proved to exclude each other, and an *Error when there was no proof to be had.
func CheckHeads(ctx context.Context, log Log, older, newer TreeHead) error {
	if older.Size > newer.Size {
		older, newer = newer, older
	}
	if older.Size == newer.Size {
		if older.Root != newer.Root {
			return &ForkError{Older: older, Newer: newer}
		}
		return nil
	}
	_, err := log.Consistency(ctx, older, newer)
	if kind := kindOf(err); kind != BadProof && kind != NoProof || older.Size == 0 {
		return err
	}
	last, err := log.Inclusion(ctx, newer, older.Size-1)
	if err != nil {
		return err
	}
	f, err := last.Frontier(newer.Root)
	if err != nil {
		return &Error{Kind: BadProof, Op: "audit path", Status: http.StatusOK, Err: err}
	}
	if f.Root() != older.Root {
		return &ForkError{Older: older, Newer: newer, Last: last}
	}
	return nil
}

// TreeAt is FrontierAt for logs that are not trusted to serve the entries of their tree.
func TreeAt(ctx context.Context, log Log, head TreeHead, size uint64) (*Frontier, error) {
	f, err := log.FrontierAt(ctx, head, size)
	if kindOf(err) != BadProof || size == 0 {
		return f, err
	}
	last, err := log.Inclusion(ctx, head, size-1)
	if err != nil {
		return nil, err
	}
	return last.Frontier(head.Root)
}

// ErrAllRight is returned by FirstWrong where the log's tree holds what was given.
var ErrAllRight = errors.New("the tree holds these entries")

// FirstWrong finds the first of some consecutive leaf hashes, the first of which follows the base, that is not the one in the
// head's tree. It makes about log2 requests for proofs.
func FirstWrong(ctx context.Context, log Log, head TreeHead, base Frontier, hashes []Hash) (uint64, error) {
	right, wrong := 0, len(hashes)+1
	for wrong-right > 1 {
		middle := right + (wrong-right)/2
		ours := base.Clone()
		for _, h := range hashes[:middle] {
			ours.Append(h)
		}
		theirs, err := TreeAt(ctx, log, head, ours.Size)
		switch {
		case kindOf(err) == BadProof:
			wrong = middle // the log proves nothing about what it serves here
		case err != nil:
			return 0, err
		case slices.Equal(ours.Nodes, theirs.Nodes):
			right = middle
		default:
			wrong = middle
		}
	}
	if right == len(hashes) {
		return 0, ErrAllRight
	}
	return base.Size + uint64(right), nil
}

// OpenHead reads a tree head as a log sent it, a get-sth answer or a checkpoint, and verifies that the owner of the key (DER of
// a SubjectPublicKeyInfo) signed it.
func OpenHead(raw, key []byte) (TreeHead, error) {
	v, err := newVerifier(key)
	if err != nil {
		return TreeHead{}, err
	}
	var head TreeHead
	if len(raw) > 0 && raw[0] == '{' {
		var signature []byte
		if head, signature, err = parseSTH(raw); err == nil {
			err = v.verify(head, signature)
		}
	} else {
		var c checkpoint
		if c, err = parseCheckpoint(raw, keyHash(key)); err == nil {
			head, err = c.open(c.origin, v)
		}
	}
	if err != nil {
		return TreeHead{}, err
	}
	head.Raw = raw
	return head, nil
}
