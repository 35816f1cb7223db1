package follow

import (
	"context"
	"fmt"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// observe takes a fetched tree head. A smaller one than before is no fault of the log, only of a cache or a frontend that lags:
// the larger one stays in force.
func (f *follower) observe(head ctlog.TreeHead) {
	latest, have := f.latest(), f.hasHead()
	switch {
	case !have || head.Size > latest.Size:
		f.idle = 0
		f.setHead(head)
	case head.Size < latest.Size:
		f.idle++
		f.checkRollback(latest, head)
	case head.Root != latest.Root:
		f.caughtLying(evidence.TwoRoots, fmt.Sprintf("two roots for the same size %d", head.Size), latest, head)
	default:
		f.idle++
		if head.Timestamp > latest.Timestamp {
			f.setHead(head)
		}
	}
	f.noteAnswer(head.Size < max(latest.Size, f.position())) // the position may be that of an earlier run
	f.checkFinal(head)
	f.compare(head)
}

// checkFinal compares the head of a read-only log with the one that the log list states.
func (f *follower) checkFinal(head ctlog.TreeHead) {
	final := f.spec.Load().ReadOnly
	if final == nil || final.Size == 0 || head.Size != final.Size || final.Root == (ctlog.Hash{}) || final.Root == head.Root {
		return
	}
	stated := ctlog.TreeHead{Size: final.Size, Root: final.Root}
	f.caughtLying(evidence.FinalHead, fmt.Sprintf("the root of the final size %d is not the one in the log list", head.Size), stated, head)
}

// drained says whether nothing more is to come: the log is read-only and its last entry has been read.
func (f *follower) drained() bool {
	final := f.spec.Load().ReadOnly
	return final != nil && f.position() >= f.latest().Size && f.latest().Size >= final.Size
}

// checkRoot compares our tree with a head of exactly the position's size.
func (f *follower) checkRoot(head ctlog.TreeHead) {
	if !f.verify.known || f.verify.verified.Size == head.Size {
		return
	}
	if f.forked(head) {
		return
	}
	if f.verify.check(head) {
		f.agreed(head)
		f.verifiedMoved()
		return
	}
	f.mismatch(fmt.Sprintf(rootMismatch, head.Size), head)
}

// forked says whether a head proves that another one was of another tree.
func (f *follower) forked(head ctlog.TreeHead) bool {
	fork := f.verify.fork(head)
	if fork != nil {
		f.caughtForking(fork)
	}
	return fork != nil
}

const rootMismatch = "the root at size %d does not match the entries read"

// takeCrossed compares the tree with heads of sizes that have been passed.
func (f *follower) takeCrossed() {
	crossed := f.verify.crossed
	f.verify.crossed = nil
	for _, x := range crossed {
		switch {
		case !f.verify.known:
			f.openHead(x.head, false)
		case x.matches && f.forked(x.head):
		case x.matches:
			f.verify.confirm(x.tree)
			f.agreed(x.head)
			f.verifiedMoved()
		default:
			f.mismatch(fmt.Sprintf(rootMismatch, x.head.Size), x.head)
		}
	}
}

// maxRewinds is how often entries that do not match the tree are read again before they are taken for the log's own.
const maxRewinds = 3

// mismatch plans to read again what is not verified; when that has not helped, it says so, and gives up in the end: the stream
// goes on unverified until the log proves a later position.
func (f *follower) mismatch(why string, head ctlog.TreeHead) {
	if !f.rewind.due.IsZero() {
		f.openHead(head, false) // after one wrong entry no root is right: that says nothing of this head
		return
	}
	f.dispute(head)
	f.countMismatch()
	s := f.shared.settings()
	if f.rewind.tries > 0 {
		f.logger.Error("entries that were read again do not match the log's tree either", "why", why, "times", f.rewind.tries,
			"verified", f.verify.verified.Size, "position", f.position())
	}
	if f.rewind.tries == maxRewinds {
		f.investigate(f.fetching, why, head)
		f.distrust(fmt.Sprintf("%s, though they were read again %d times", why, maxRewinds))
		f.verify.again = time.Now().Add(s.ProofRetry)
		return
	}
	f.rewind.due = time.Now().Add(s.RewindPause)
	level := f.logger.Warn
	if time.Since(f.chain.warned) < s.RewindPause {
		level = f.logger.Debug
	} else {
		f.chain.warned = time.Now()
	}
	level("entries do not match the log's tree; they will be read again unless a later tree head matches", "why", why,
		"verified", f.verify.verified.Size, "position", f.position(), "in", s.RewindPause)
	f.setDoubt(why)
}

// rewindIfDue goes back to the verified size once the pause is over, or before hashes of what was emitted would be lost.
func (f *follower) rewindIfDue() {
	if f.rewind.due.IsZero() || (time.Now().Before(f.rewind.due) && !f.verify.full()) {
		return
	}
	f.reads.reset()
	emitted := max(f.position(), f.rewind.to)
	first, hashes := f.verify.rewind()
	f.rewind = rewind{tries: f.rewind.tries + 1, base: first, hashes: hashes, to: emitted}
	f.jump(f.verify.verified.Size)
	f.target = f.latest()
	f.countRewind()
}

// prove asks for a frontier where one is needed: to begin verification, or in between when the head is far.
func (f *follower) prove(ctx context.Context) {
	if !f.full() {
		return
	}
	v := f.verify
	far := v.known && len(v.hashes) >= maxUnverified/2 && f.rewind.due.IsZero()
	if v.pending || f.condemned != "" || time.Now().Before(v.again) || (v.known && !far) || f.position() > f.target.Size {
		return
	}
	if f.position() == 0 {
		f.trust(ctlog.Frontier{})
		return
	}
	head, size, log := f.target, f.position(), f.log
	if f.proofTry > 0 {
		ctx = ctlog.Fresh(ctx)
	}
	v.ask(f.helpers.Go, head, func() (*ctlog.Frontier, error) { return frontierAt(ctx, log, head, size) })
}

// ask asks for the proofs that are needed.
func (f *follower) ask(ctx context.Context) {
	f.prove(ctx)
	f.link(ctx)
}

// takeAnswers takes what has arrived.
func (f *follower) takeAnswers() {
	select {
	case p := <-f.verify.proofs:
		f.proved(p)
	case l := <-f.chain.links:
		f.linked(l)
	case found := <-f.findings:
		f.accuse(found.evidence)
	default:
	}
}
