package evidence

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// ErrNoProof says that a file does not prove what it says.
var ErrNoProof = errors.New("the evidence does not prove it")

func notProved(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrNoProof, fmt.Errorf(format, a...))
}

// Prove checks the file by itself: nil says that the owner of the key has done what Kind says. Nothing in the file is believed but
// the key, and for a rollback the merge delay; compare them with those in a log list that you trust. What a wrong entry cannot prove
// is who served it.
func (e *Evidence) Prove() error {
	if e.Kind == Unexplained {
		return notProved("what is wrong could not be found out")
	}
	if len(e.Log.Key) == 0 {
		return notProved("the log is followed without a key, so its tree heads are not signed")
	}
	if id := sha256.Sum256(e.Log.Key); !bytes.Equal(id[:], e.Log.LogID) {
		return notProved("the log id is not that of the key")
	}
	heads := make([]ctlog.TreeHead, len(e.Heads))
	for i := range e.Heads {
		var err error
		if heads[i], err = e.open(i); err != nil {
			return notProved("tree head %d: %w", i+1, err)
		}
	}
	check := map[Kind]struct {
		heads int
		prove func([]ctlog.TreeHead) error
	}{
		TwoRoots: {2, twoRoots}, FinalHead: {2, twoRoots}, Fork: {2, e.fork}, Rollback: {2, e.rollback}, WrongEntry: {1, e.wrongEntry},
	}[e.Kind]
	if check.prove == nil || check.heads != len(heads) {
		return notProved("%d tree heads are no case of %q", len(heads), e.Kind)
	}
	return check.prove(heads)
}

// open verifies a head's signature. The final head of a log list is the only one that has none.
func (e *Evidence) open(i int) (ctlog.TreeHead, error) {
	h := e.Heads[i]
	if len(h.Root) != len(ctlog.Hash{}) {
		return ctlog.TreeHead{}, errors.New("the root is not a hash")
	}
	stated := ctlog.TreeHead{Size: h.Size, Timestamp: h.Timestamp, Root: ctlog.Hash(h.Root), Raw: h.Raw}
	if e.Kind == FinalHead && i == 0 && len(h.Raw) == 0 {
		return stated, nil
	}
	signed, err := ctlog.OpenHead(h.Raw, e.Log.Key)
	if err != nil {
		return signed, err
	}
	if signed.Size != stated.Size || signed.Timestamp != stated.Timestamp || signed.Root != stated.Root {
		return signed, errors.New("what is signed is not what is stated")
	}
	return signed, nil
}

func twoRoots(heads []ctlog.TreeHead) error {
	if heads[0].Size != heads[1].Size || heads[0].Root == heads[1].Root {
		return notProved("these are not two roots of one size")
	}
	return nil
}

func (e *Evidence) fork(heads []ctlog.TreeHead) error {
	older, newer := heads[0], heads[1]
	path, err := e.path()
	if err != nil {
		return err
	}
	if older.Size == 0 || path.Index != older.Size-1 || path.Size != newer.Size {
		return notProved("the audit path is not that of the older tree's last leaf")
	}
	f, err := path.Frontier(newer.Root)
	if err != nil {
		return notProved("%w", err)
	}
	if f.Root() == older.Root {
		return notProved("the older tree is the beginning of the newer one")
	}
	return nil
}

func (e *Evidence) rollback(heads []ctlog.TreeHead) error {
	larger, smaller := heads[1], heads[0]
	delay := e.Log.mergeDelay()
	if smaller.Size >= larger.Size || smaller.Timestamp <= larger.Timestamp || smaller.Timestamp-larger.Timestamp <= delay {
		return notProved("the smaller tree was not signed later by more than the merge delay")
	}
	return nil
}

// mergeDelay is the log's maximum merge delay in ms; the usual one where the file states none.
func (l Log) mergeDelay() uint64 {
	const day, century = 86_400, 100 * 365 * 86_400
	if l.MMDSeconds <= 0 {
		return day * 1000
	}
	return uint64(min(l.MMDSeconds, century) * 1000)
}

func (e *Evidence) wrongEntry(heads []ctlog.TreeHead) error {
	path, err := e.path()
	if err != nil {
		return err
	}
	if e.Entry == nil || path.Index != e.Entry.Index || path.Size != heads[0].Size {
		return notProved("the audit path is not that of the entry")
	}
	if err := path.Verify(heads[0].Root); err != nil {
		return notProved("%w", err)
	}
	if ctlog.LeafHash(e.Entry.LeafInput) == path.Leaf {
		return notProved("the entry is the one in the tree")
	}
	return nil
}

// path is the proof as ctlog has it.
func (e *Evidence) path() (ctlog.Inclusion, error) {
	p := e.Proof
	if p == nil || len(p.LeafHash) != len(ctlog.Hash{}) {
		return ctlog.Inclusion{}, notProved("there is no audit path")
	}
	i := ctlog.Inclusion{Leaf: ctlog.Hash(p.LeafHash), Index: p.Index, Size: p.Size, Path: make([]ctlog.Hash, len(p.Path))}
	for n, node := range p.Path {
		if len(node) != len(ctlog.Hash{}) {
			return i, notProved("a node of the audit path is not a hash")
		}
		i.Path[n] = ctlog.Hash(node)
	}
	return i, nil
}
