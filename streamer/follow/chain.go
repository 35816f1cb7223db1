package follow

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

const (
	maxOpenHeads = 16 // heads kept that are still to be compared, and of those compared last
	maxDisputed  = 12 // of them those that did not match: others must have a turn for them to be proved
	maxBadProofs = 5  // wrong proofs of one head, after which it is put on record
	linkBurst    = 5  // comparisons by proofs that may follow one another fast; then there is one in PollMax
)

// chain knows which of a log's signed tree heads are proved to be of one tree. With full verification the frontier proves it as
// entries are read; the log is asked for proofs where it cannot: over restarts without a frontier, over skipped entries, for heads
// smaller than the position, and for heads that did not match. Only the follower uses it.
type chain struct {
	// anchor is the newest head that agrees with all before it; its size is 0 as long as there is none.
	anchor ctlog.TreeHead
	// joined says that the follower's frontier is of the anchor's tree. While it is not, basis is the head that the frontier
	// belongs to.
	joined bool
	basis  ctlog.TreeHead
	open   []openHead
	closed []ctlog.TreeHead // compared lately
	full   bool             // heads are being forgotten, and it has been said

	links   chan linkResult
	pending bool
	again   time.Time
	paid    time.Time       // up to when the comparisons made use up their share
	turn    bool            // the newest head's
	refused int             // comparisons in a row that came to nothing
	shown   int             // heads added since the last comparison
	chance  func(n int) int // a number below n
	warned  time.Time       // of entries that do not match
}

// openHead is a signed head that has not been compared with the anchor.
type openHead struct {
	head ctlog.TreeHead
	// disputed heads are not superseded by larger ones, nor are those whose proof has failed.
	disputed bool
	// tries counts proofs that could not be had or were wrong, bad the wrong ones; not before again is another one asked for,
	// unless the anchor, which was of the size against the last time, has passed the head.
	tries, bad int
	again      time.Time
	against    uint64
}

// passed says that the anchor is larger, which nobody has compared it with: then the log must have both, and can prove a fork.
func (o *openHead) passed(anchor uint64) bool {
	return o.head.Size <= anchor && (o.tries == 0 || o.against < o.head.Size)
}

// claim says how much there is to be said for keeping a head.
func (o *openHead) claim() int {
	switch {
	case o.disputed:
		return 2
	case o.tries > 0:
		return 1
	}
	return 0
}

// linkResult is what came of comparing a head with the anchor of then.
type linkResult struct {
	head, anchor ctlog.TreeHead
	err          error
}

func newChain() *chain { return &chain{links: make(chan linkResult, 1), chance: rand.IntN} }

func same(a, b ctlog.TreeHead) bool { return a.Size == b.Size && a.Root == b.Root }

// add opens a head. Of those that grow and only wait for their turn one is kept, each with the same chance: a log that grows
// by the second is asked for few proofs, and does not know for which head. All are kept while there is a head that could not
// be proved, since any of the others may be what proves or refutes it.
func (c *chain) add(h ctlog.TreeHead, disputed bool) (dropped bool) {
	for i := range c.open {
		if same(c.open[i].head, h) {
			c.open[i].disputed = c.open[i].disputed || disputed
			return false
		}
	}
	if !disputed && !c.suspicious() && c.superseded(h) {
		return false
	}
	c.open = append(c.open, openHead{head: h, disputed: disputed})
	if len(c.open) <= maxOpenHeads {
		return false
	}
	c.open = slices.Delete(c.open, c.spare(), c.spare()+1)
	return true
}

// superseded chooses between a head and smaller ones that wait for their turn, and drops those or says that it is dropped.
func (c *chain) superseded(h ctlog.TreeHead) bool {
	waits := func(o openHead) bool { return o.claim() == 0 && o.head.Size > c.anchor.Size && o.head.Size < h.Size }
	c.shown++
	if !slices.ContainsFunc(c.open, waits) {
		return false
	}
	if c.chance(c.shown) != 0 {
		return true
	}
	c.open = slices.DeleteFunc(c.open, waits)
	return false
}

// suspicious says that there is a head that could not be proved.
func (c *chain) suspicious() bool {
	return slices.ContainsFunc(c.open, func(o openHead) bool { return o.tries > 0 })
}

// spare is the head to forget when there are too many: the one before the last that has the least claim, the youngest of those;
// or the last one, when enough are disputed.
func (c *chain) spare() (at int) {
	disputed, last := 0, len(c.open)-1
	for i := range c.open {
		if c.open[i].disputed {
			disputed++
		}
		if i < last && c.open[i].claim() <= c.open[at].claim() {
			at = i
		}
	}
	if disputed > maxDisputed && c.open[last].disputed {
		return last
	}
	return at
}

// next is the open head to be compared now: first those that the anchor has passed, then of those that may be the one least often
// tried, so that one which cannot be proved holds up no other; or, every other time, the newest.
func (c *chain) next(now time.Time, newest bool) (next *openHead) {
	for i := range c.open {
		o := &c.open[i]
		switch {
		case o.passed(c.anchor.Size):
			return o
		case now.Before(o.again):
		case next == nil || newest || o.tries < next.tries:
			next = o
		}
	}
	return next
}

// spend says whether another comparison may be made, and counts it: linkBurst at once, and one in every so long.
func (c *chain) spend(now time.Time, every time.Duration) bool {
	if c.paid.Sub(now) > (linkBurst-1)*every {
		return false
	}
	if c.paid.Before(now) {
		c.paid = now
	}
	c.paid = c.paid.Add(every)
	return true
}

// close takes a head off the list.
func (c *chain) close(h ctlog.TreeHead) {
	c.open = slices.DeleteFunc(c.open, func(o openHead) bool { return same(o.head, h) })
	c.full = c.full && len(c.open) > maxOpenHeads/2
	if len(c.closed) == maxOpenHeads {
		c.closed = slices.Delete(c.closed, 0, 1)
	}
	c.closed = append(c.closed, h)
}

// twin finds a head of the same size among all that are remembered.
func (c *chain) twin(h ctlog.TreeHead, waiting []ctlog.TreeHead) (ctlog.TreeHead, bool) {
	all := append([]ctlog.TreeHead{c.anchor}, waiting...)
	all = append(all, c.closed...)
	for _, o := range c.open {
		all = append(all, o.head)
	}
	for _, other := range all {
		if other.Size == h.Size && other.Size > 0 {
			return other, true
		}
	}
	return ctlog.TreeHead{}, false
}

// compare takes a signed head that the log has sent: against what is known at once, by the frontier when its entries are there,
// or by a proof.
func (f *follower) compare(h ctlog.TreeHead) {
	c := f.chain
	if f.verification() == VerifyOff || f.condemned != "" || h.Size == 0 {
		return
	}
	if other, ok := c.twin(h, f.verify.waiting); ok {
		if other.Root != h.Root {
			f.caughtLying(evidence.TwoRoots, fmt.Sprintf("two roots for the same size %d", h.Size), other, h)
		}
		return
	}
	switch {
	case c.anchor.Size == 0:
		c.anchor = h
		if f.verify.known && f.verify.position < h.Size {
			f.verify.expect(h)
		}
	case f.full() && f.verify.known && h.Size > f.verify.position:
		f.verify.expect(h)
	default:
		f.openHead(h, false)
	}
	f.showChain()
}

func (f *follower) openHead(h ctlog.TreeHead, disputed bool) {
	if same(h, f.chain.anchor) || h.Size == 0 || f.condemned != "" {
		return
	}
	if dropped := f.chain.add(h, disputed); dropped && !f.chain.full {
		f.chain.full = true
		f.logger.Warn("too many tree heads that the log has not proved to be of one tree; the first ones are kept")
	}
}

// agreed notes that the entries read lead to a head.
func (f *follower) agreed(h ctlog.TreeHead) {
	c := f.chain
	switch {
	case h.Size == 0 || f.condemned != "":
		return
	case c.anchor.Size == 0 || same(h, c.anchor):
		c.anchor, c.joined = h, true
	case c.joined && h.Size > c.anchor.Size:
		c.anchor = h
	case !c.joined:
		c.basis = h
		f.openHead(h, false)
	}
	f.showChain()
}

// parted notes that the frontier is lost. Heads that waited for it are compared by proofs.
func (f *follower) parted() {
	f.chain.joined, f.chain.basis = false, ctlog.TreeHead{}
	for _, h := range f.verify.waiting {
		f.openHead(h, false)
	}
	f.verify.waiting, f.verify.crossed = nil, nil
}

// dispute compares heads by proofs that the entries do not lead to.
func (f *follower) dispute(h ctlog.TreeHead) {
	c := f.chain
	c.joined = c.joined && !same(h, c.anchor)
	if !c.suspicious() {
		c.again = time.Time{}
	}
	f.openHead(h, true)
	f.showChain()
}

// link asks the log for a proof, one at a time.
func (f *follower) link(ctx context.Context) {
	c, now := f.chain, time.Now()
	if c.pending || f.condemned != "" || c.anchor.Size == 0 || now.Before(c.again) {
		return
	}
	next := c.next(now, c.turn)
	if next == nil || !c.spend(now, f.shared.settings().PollMax) {
		return
	}
	c.turn, c.shown = !c.turn, 0
	if next.bad > 0 {
		ctx = ctlog.Fresh(ctx)
	}
	c.pending = true
	head, anchor, log := next.head, c.anchor, f.log
	f.helpers.Go(func() { c.links <- linkResult{head, anchor, ctlog.CheckHeads(ctx, log, head, anchor)} })
}

// linked takes what came of it.
func (f *follower) linked(r linkResult) {
	c, s := f.chain, f.shared.settings()
	c.pending, c.again = false, time.Now().Add(s.PollMax)
	if f.condemned != "" || errors.Is(r.err, context.Canceled) {
		return
	}
	fork := (*ctlog.ForkError)(nil)
	switch {
	case r.err == nil && r.head.Size > r.anchor.Size && !same(r.anchor, c.anchor):
		c.again = time.Now().Add(s.PollMin) // the anchor has moved on meanwhile, and may have done so on another branch
	case r.err == nil:
		c.refused = 0
		f.joinHead(r.head)
	case errors.As(r.err, &fork):
		f.caughtForking(fork)
	default:
		f.notLinked(r)
	}
	f.showChain()
}

// joinHead notes that a head is of the anchor's tree.
func (f *follower) joinHead(h ctlog.TreeHead) {
	c := f.chain
	c.close(h)
	c.joined = c.joined || same(h, c.basis)
	if h.Size > c.anchor.Size {
		c.anchor = h
		if f.verify.known && h.Size > f.verify.position {
			f.verify.expect(h)
		} else {
			c.joined = same(h, c.basis) // the entries have passed it, and nobody has compared
		}
	}
	if len(c.open) > 0 {
		c.again = time.Now().Add(f.shared.settings().PollMin)
	}
}

// notLinked is a proof that could not be had, or leads nowhere. Nothing follows from it, except when it goes on and on.
func (f *follower) notLinked(r linkResult) {
	f.logger.Debug("no proof that two tree heads are of one tree", "size", r.head.Size, "and", r.anchor.Size, "error", r.err)
	c, s, kind := f.chain, f.shared.settings(), kindOf(r.err)
	at := slices.IndexFunc(c.open, func(o openHead) bool { return same(o.head, r.head) })
	c.again = time.Now().Add(c.pause(kind, s))
	switch {
	case at < 0:
	case c.open[at].failed(kind == ctlog.BadProof, r.anchor.Size, s) && c.open[at].bad == maxBadProofs:
		older, newer := ordered(r.head, r.anchor)
		f.accuse(f.indict(evidence.Unexplained, fmt.Sprintf("%d times no valid proof that the trees of sizes %d and %d are one",
			maxBadProofs, older.Size, newer.Size), older, newer))
	}
}

// pause is the time until another head is compared: short after a wrong proof, for another head may show why it was wrong, and
// ever longer where there is none, for then there is hardly one for another head.
func (c *chain) pause(kind ctlog.Kind, s *Settings) time.Duration {
	if kind == ctlog.BadProof {
		c.refused = 0
		return s.PollMin
	}
	c.refused++
	return min(or(map[ctlog.Kind]time.Duration{ctlog.NoProof: s.PollMax}[kind], s.PollMin)<<min(c.refused-1, 10), s.ProofRetry)
}

// failed counts a proof that failed, and says whether it was wrong: then a few more in a short time show if it was a cache's fault.
func (o *openHead) failed(wrong bool, anchor uint64, s *Settings) bool {
	o.tries++
	o.against = anchor
	wait := min(s.PollMax<<min(o.tries-1, 10), s.ProofRetry)
	if wrong {
		if o.bad++; o.bad < maxBadProofs {
			wait = s.PollMax
		}
	}
	o.again = time.Now().Add(wait)
	return wrong
}

func ordered(a, b ctlog.TreeHead) (smaller, larger ctlog.TreeHead) {
	if a.Size > b.Size {
		return b, a
	}
	return a, b
}

// showChain makes a change visible, and saved.
func (f *follower) showChain() {
	anchor, open := saveHead(f.chain.anchor), f.unsettled()
	f.look(func(v *view) { v.saved.Anchor, v.saved.Joined, v.saved.Open = anchor, f.chain.joined, open })
}

// unsettled are the heads to be compared that a restart must not make forgotten: those that did not match, and of those that are
// waited for the first ones but the newest of all, which is saved anyway.
func (f *follower) unsettled() (open []SavedHead) {
	for _, o := range f.chain.open {
		if o.claim() > 0 {
			open = append(open, *saveHead(o.head))
		}
	}
	for _, h := range f.verify.waiting {
		if !same(h, f.latest()) && len(open) < maxOpenHeads {
			open = append(open, *saveHead(h))
		}
	}
	return open
}

func saveHead(h ctlog.TreeHead) *SavedHead {
	if h.Size == 0 {
		return nil
	}
	return &SavedHead{Size: h.Size, Timestamp: h.Timestamp, Root: bytes.Clone(h.Root[:]), Raw: h.Raw}
}

// head is a saved head as ctlog has it; its size is 0 where it cannot be one.
func (s *SavedHead) head() ctlog.TreeHead {
	if s == nil || len(s.Root) != len(ctlog.Hash{}) {
		return ctlog.TreeHead{}
	}
	h := ctlog.TreeHead{Size: s.Size, Timestamp: s.Timestamp, Root: ctlog.Hash(s.Root), Raw: s.Raw}
	if len(h.Raw) > ctlog.MaxRaw {
		h.Raw = nil // written before there was a bound
	}
	return h
}

// restoreChain goes on with the heads of an earlier run, the newest of which may not have been reached.
func (f *follower) restoreChain(s LogState) {
	c := f.chain
	first := f.latest()
	c.anchor, c.joined = s.Anchor.head(), s.Joined && f.verify.known
	if f.verify.known && c.anchor.Size > f.verify.position {
		f.verify.expect(c.anchor)
	}
	for _, h := range s.Open[:min(len(s.Open), maxOpenHeads)] {
		if head := h.head(); head.Size > f.position() {
			f.compare(head)
		} else {
			f.openHead(head, true)
		}
	}
	f.compare(s.Head.head())
	f.compare(first)
	f.checkRollback(s.Head.head(), first)
	f.showChain()
}
