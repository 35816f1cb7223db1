package follow

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// staleProofRetry is the time after which another proof is asked for when one came too late.
const staleProofRetry = 15 * time.Second

// verifier keeps a log's Merkle frontier: at the verified size, and at the position of the follower, which emits without
// waiting. Leaf hashes in between are kept, so that a rewind re-emits only what has changed. Only the follower uses it; proofs
// are fetched beside it and delivered through a channel.
type verifier struct {
	// verified is proved to be of the log's tree; tip is verified with all entries up to the position. Both are meaningless
	// while known is false: then no proof of where we stand could be had yet, and since and why say so.
	verified, tip ctlog.Frontier
	known         bool
	since         time.Time
	why           string

	// base is the verified size, or, while not known, the size at which a proof was asked for. hashes are leaf hashes from
	// first ≥ base on, without a hole.
	base     uint64
	first    uint64
	hashes   []ctlog.Hash
	position uint64

	// waiting are heads beyond the position, by size; crossed are those that have been passed since they were looked at last.
	waiting []ctlog.TreeHead
	newest  ctlog.TreeHead // the one of waiting that came last
	crossed []crossing
	// suspects are heads that the entries read did not lead to, the first ones since the verified size.
	suspects []suspect

	proofs  chan proof
	asked   *ctlog.Frontier // the tip when a proof in between was asked for
	pending bool
	again   time.Time // not before this time is another proof asked for
}

// suspect is a head that did not match, with the tree of the entries before its last one.
type suspect struct {
	head   ctlog.TreeHead
	before ctlog.Frontier
}

// maxSuspects bounds the suspects that are kept: one is enough to prove a fork, the next ones say nothing more.
const maxSuspects = 8

// crossing is a head whose size has been reached, and the tree of the entries read.
type crossing struct {
	head    ctlog.TreeHead
	tree    ctlog.Frontier
	matches bool
}

// proof is a frontier of a head's tree fetched from the log, or why there is none.
type proof struct {
	head     ctlog.TreeHead
	frontier *ctlog.Frontier
	err      error
}

func newVerifier() *verifier {
	return &verifier{proofs: make(chan proof, 1)}
}

// trust makes a proved frontier the base of what follows.
func (v *verifier) trust(f ctlog.Frontier) {
	v.verified, v.tip, v.known = cloneFrontier(f), cloneFrontier(f), true
	v.base, v.position, v.hashes = f.Size, f.Size, nil
	v.since, v.why, v.suspects = time.Time{}, "", nil
}

// distrust says that the stream is unverified from here on, and why.
func (v *verifier) distrust(position uint64, why string) {
	if v.known || v.since.IsZero() {
		v.since = time.Now()
	}
	v.known, v.why = false, why
	v.base, v.position, v.hashes, v.asked, v.suspects = position, position, nil, nil, nil
}

// add takes the leaf hash of the entry at the position.
func (v *verifier) add(leaf ctlog.Hash) {
	if len(v.hashes) == 0 {
		v.first = v.position
	}
	if (v.known || v.pending) && v.position == v.first+uint64(len(v.hashes)) && len(v.hashes) < maxUnverified {
		v.hashes = append(v.hashes, leaf)
	}
	var before ctlog.Frontier
	if v.known {
		if len(v.waiting) > 0 && v.waiting[0].Size == v.position+1 {
			before = cloneFrontier(v.tip)
		}
		v.tip.Append(leaf)
	}
	v.position++
	v.cross(before)
}

// maxWaiting bounds the heads beyond the position that are kept. Where there are more, a new one takes the place of the one that
// came last: who shows many trees cannot have the first ones forgotten.
const maxWaiting = 32

// expect compares the tree with a head once its entries are there.
func (v *verifier) expect(h ctlog.TreeHead) {
	if len(v.waiting) >= maxWaiting {
		v.waiting = slices.DeleteFunc(v.waiting, func(o ctlog.TreeHead) bool { return same(o, v.newest) })
	}
	v.newest = h
	at, _ := slices.BinarySearchFunc(v.waiting, h, func(a, b ctlog.TreeHead) int { return cmp.Compare(a.Size, b.Size) })
	v.waiting = slices.Insert(v.waiting, at, h)
}

// cross notes the heads that the position has reached. before is the tree without the last entry, where a head is of its size.
func (v *verifier) cross(before ctlog.Frontier) {
	for len(v.waiting) > 0 && v.waiting[0].Size <= v.position {
		h := v.waiting[0]
		v.waiting = v.waiting[1:]
		if !v.known || h.Size != v.position {
			continue
		}
		matches := v.tip.Root() == h.Root
		v.crossed = append(v.crossed, crossing{h, cloneFrontier(v.tip), matches})
		if !matches && len(v.suspects) < maxSuspects {
			v.suspects = append(v.suspects, suspect{h, before})
		}
	}
}

// fork is the proof that a suspect and a head that the same entries do lead to are of two trees; nil if there is none. It takes
// no answer of the log's: the path in the larger tree is made of the entries read.
func (v *verifier) fork(head ctlog.TreeHead) *ctlog.ForkError {
	for _, s := range v.suspects {
		from := s.before.Size
		if s.head.Size >= head.Size || from < v.first || head.Size > v.first+uint64(len(v.hashes)) {
			continue
		}
		last := ctlog.PathAfter(s.before, v.hashes[from-v.first:head.Size-v.first])
		if f, err := last.Frontier(head.Root); err == nil && f.Root() != s.head.Root {
			return &ctlog.ForkError{Older: s.head, Newer: head, Last: last}
		}
	}
	return nil
}

// check compares with a tree head of exactly the position's size.
func (v *verifier) check(head ctlog.TreeHead) (matches bool) {
	if v.tip.Root() != head.Root {
		return false
	}
	v.verified = cloneFrontier(v.tip)
	v.base, v.hashes, v.suspects = v.position, nil, nil
	return true
}

// full says whether leaf hashes begin to be lost.
func (v *verifier) full() bool { return len(v.hashes) >= maxUnverified }

// rewind goes back to the verified size and returns the leaf hashes known from an index on.
func (v *verifier) rewind() (first uint64, hashes []ctlog.Hash) {
	first, hashes = v.first, v.hashes
	v.tip = cloneFrontier(v.verified)
	v.base, v.position, v.hashes, v.asked = v.verified.Size, v.verified.Size, nil, nil
	v.suspects = nil
	return first, hashes
}

// ask fetches a frontier beside the stream. The caller owns the goroutine through run.
func (v *verifier) ask(run func(func()), head ctlog.TreeHead, fetch func() (*ctlog.Frontier, error)) {
	v.pending = true
	v.asked = nil
	if v.known {
		tip := cloneFrontier(v.tip)
		v.asked = &tip
	} else {
		v.base, v.hashes = v.position, nil
	}
	run(func() {
		f, err := fetch()
		v.proofs <- proof{head, f, err}
	})
}

// errMismatch says that entries and tree do not agree.
var errMismatch = errors.New("the entries read do not lead to the log's root")

// proved takes a proof that was asked for. It returns errMismatch when the log's frontier is not ours.
func (v *verifier) proved(p proof, retry time.Duration) error {
	v.pending = false
	if p.err != nil {
		v.again = time.Now().Add(retry)
		return p.err
	}
	if v.known {
		return v.advance(p.frontier)
	}
	return v.establish(p.frontier, retry)
}

// advance moves the verified size up to a proof in between.
func (v *verifier) advance(f *ctlog.Frontier) error {
	if v.asked == nil || v.asked.Size != f.Size {
		return nil // a rewind or a root came first
	}
	if !slices.Equal(v.asked.Nodes, f.Nodes) {
		return errMismatch
	}
	v.confirm(*f)
	return nil
}

// confirm moves the verified size up to a tree that the position has passed.
func (v *verifier) confirm(f ctlog.Frontier) {
	if f.Size <= v.base {
		return
	}
	if f.Size > v.first {
		known := min(f.Size-v.first, uint64(len(v.hashes)))
		v.first, v.hashes = v.first+known, slices.Clone(v.hashes[known:])
	}
	v.base, v.verified = f.Size, cloneFrontier(f)
	v.suspects = slices.DeleteFunc(v.suspects, func(s suspect) bool { return s.before.Size < f.Size })
}

// establish begins verification at a proved size, with the entries emitted since.
func (v *verifier) establish(f *ctlog.Frontier, retry time.Duration) error {
	emitted := v.position > v.base
	if f.Size != v.base || emitted && (v.first != v.base || v.position != v.base+uint64(len(v.hashes))) {
		v.again = time.Now().Add(min(retry, staleProofRetry))
		return nil // more has been emitted in the meantime than hashes are kept of
	}
	hashes := v.hashes
	v.trust(*f)
	for _, h := range hashes {
		v.add(h)
	}
	return nil
}

func cloneFrontier(f ctlog.Frontier) ctlog.Frontier {
	return ctlog.Frontier{Size: f.Size, Nodes: slices.Clone(f.Nodes)}
}

// frontierAt asks a log for the frontier of a size of the tree under head.
func frontierAt(ctx context.Context, log ctlog.Log, head ctlog.TreeHead, size uint64) (*ctlog.Frontier, error) {
	if size == head.Size {
		return log.Frontier(ctx, head)
	}
	return log.FrontierAt(ctx, head, size)
}

// restore goes on from a checkpoint. The hashes between the verified size and the position are not known any more.
func (v *verifier) restore(verified, tip ctlog.Frontier) {
	v.trust(verified)
	v.tip, v.position = cloneFrontier(tip), tip.Size
}
