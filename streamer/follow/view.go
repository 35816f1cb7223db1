package follow

import (
	"context"
	"errors"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// view is what others may see of a follower. The follower's mu guards it.
type view struct {
	position   uint64
	head       ctlog.TreeHead
	hasHead    bool
	started    StartInfo
	saved      LogState // what a checkpoint saves, without position and head
	verified   uint64
	since      time.Time // unverified since; zero: verified
	why        string
	doubt      string // a mismatch that is being looked into
	smaller    time.Time
	success    time.Time
	lastError  string
	errorAt    time.Time
	errorKind  ctlog.Kind
	wait       time.Time
	lastEntry  uint64    // timestamp
	resumed    time.Time // when the run before this one last heard of the log
	page       uint64
	heads      headHistory
	requests   uint64
	failures   uint64
	entries    uint64
	skipped    uint64
	repeats    uint64
	rewinds    uint64
	mismatches uint64
	lies       uint64
	live       bool
}

// look runs fn with the view.
func (f *follower) look(fn func(v *view)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn(&f.view)
}

// position is the index of the next entry to emit. Only the follower moves it.
func (f *follower) position() (p uint64) {
	f.look(func(v *view) { p = v.position })
	return p
}

func (f *follower) latest() (h ctlog.TreeHead) {
	f.look(func(v *view) { h = v.head })
	return h
}

func (f *follower) hasHead() (have bool) {
	f.look(func(v *view) { have = v.hasHead })
	return have
}

func (f *follower) setHead(h ctlog.TreeHead) {
	f.look(func(v *view) {
		v.head, v.hasHead = h, true
		v.heads.add(h.Size, time.Now())
	})
	f.gauges()
}

// noteAnswer notes that the log has answered, and since when with smaller trees than it had before.
func (f *follower) noteAnswer(smaller bool) {
	f.look(func(v *view) {
		v.success = time.Now()
		switch {
		case !smaller:
			v.smaller = time.Time{}
		case v.smaller.IsZero():
			v.smaller = v.success
		}
	})
}

// moved advances the position by entries that have been emitted, and what a checkpoint saves with it.
func (f *follower) moved(n int) {
	live := f.live()
	page := f.log.Page()
	f.look(func(v *view) {
		v.position += uint64(n)
		v.success, v.live, v.page = time.Now(), live, page
		f.publishTree(v)
	})
	if f.position() >= f.rewind.to {
		f.rewind.hashes, f.rewind.to = nil, 0
	}
	f.gauges()
}

// jump sets the position.
func (f *follower) jump(to uint64) {
	f.look(func(v *view) {
		v.position = to
		f.publishTree(v)
	})
	f.gauges()
}

// publishTree puts copies of the frontiers beside the position they belong to.
func (f *follower) publishTree(v *view) {
	if !f.verify.known || f.verify.position != v.position {
		v.saved.Verified, v.saved.Tip = nil, nil
		return
	}
	v.saved.Verified, v.saved.Tip = saveTree(f.verify.verified), saveTree(f.verify.tip)
	v.verified = f.verify.verified.Size
}

// showTree makes a change of the verifier visible.
func (f *follower) showTree() {
	f.look(func(v *view) {
		v.since, v.why = f.verify.since, f.verify.why
		f.publishTree(v)
	})
	f.gauges()
}

func (f *follower) trust(frontier ctlog.Frontier) {
	f.verify.trust(frontier)
	f.showTree()
}

// distrust says that the stream is unverified from here on. What was emitted before a rewind stays known.
func (f *follower) distrust(why string) {
	f.parted()
	if f.condemned != "" {
		why = "the log misbehaved: " + f.condemned
	}
	f.verify.distrust(f.position(), why)
	if !f.full() && f.condemned == "" {
		f.verify.since, f.verify.why = time.Time{}, "" // nobody has asked for more
	}
	f.rewind.due, f.rewind.tries = time.Time{}, 0
	f.look(func(v *view) { v.doubt = "" })
	f.showTree()
}

// verifiedMoved notes that a proof or a root has confirmed entries.
func (f *follower) verifiedMoved() {
	f.rewind.due, f.rewind.tries, f.proofTry = time.Time{}, 0, 0
	f.look(func(v *view) { v.doubt = "" })
	f.showTree()
}

func (f *follower) setDoubt(why string) { f.look(func(v *view) { v.doubt = why }) }

// proved takes a proof.
func (f *follower) proved(p proof) {
	known, before := f.verify.known, f.verify.verified.Size
	s := f.shared.settings()
	retry := s.ProofRetry
	if p.err != nil && kindOf(p.err) != ctlog.NoProof {
		f.proofTry++
		retry = min(s.backoff(f.proofTry), s.ProofRetry)
	}
	err := f.verify.proved(p, retry)
	switch {
	case errors.Is(err, errMismatch):
		f.mismatch("the log's own frontier is not the one of the entries read", p.head)
	case errors.Is(err, context.Canceled):
	case err != nil:
		f.noProof(err)
	case f.verify.known && (!known || f.verify.verified.Size > before):
		if !known {
			f.agreed(p.head)
			f.sayProved()
		}
		f.verifiedMoved()
	}
}

// sayProved says what follows from the first proof of the position.
func (f *follower) sayProved() {
	size := f.verify.verified.Size
	if f.unsigned() {
		f.logger.Info("the log's entries are compared with its unsigned tree heads from here on", "size", size)
		return
	}
	f.logger.Info("the log's tree is verified from here on", "size", size)
}

// noProof notes why there is no proof of where we stand.
func (f *follower) noProof(err error) {
	f.logger.Debug("no proof of the position", "error", err)
	if !f.verify.known {
		f.verify.why = clip(err.Error())
		f.showTree()
	}
}

// kindOf is the kind of a log's error, empty for others.
func kindOf(err error) ctlog.Kind {
	if e := (*ctlog.Error)(nil); errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func (f *follower) noteFailure(err error, kind ctlog.Kind, wait time.Duration) {
	text := clip(err.Error())
	f.look(func(v *view) {
		v.failures++
		v.lastError, v.errorAt, v.errorKind, v.wait = text, time.Now(), kind, time.Now().Add(wait)
	})
	level := f.logger.Debug
	if !f.failing {
		level = f.logger.Warn
	}
	level("reading the log failed; trying again", "error", text, "kind", kind, "wait", wait.Round(time.Millisecond))
	f.failing = true
	f.gauges()
}

// recovered notes the first success after failures.
func (f *follower) recovered() {
	if !f.failing {
		return
	}
	f.failing = false
	f.look(func(v *view) { v.wait = time.Time{} })
	f.logger.Info("reading the log works again", "position", f.position())
	f.gauges()
}

func clip(s string) string {
	if len(s) > maxErrorText {
		return s[:maxErrorText] + "…"
	}
	return s
}

// countEmitted counts n entries, the last of which has the timestamp given.
func (f *follower) countEmitted(n int, last uint64) {
	if f.live() {
		f.shared.catchUp.live(n)
	}
	f.look(func(v *view) {
		v.entries += uint64(n)
		v.lastEntry = last
	})
	f.metrics.Entries(n)
}

func (f *follower) countRepeat() {
	f.look(func(v *view) { v.repeats++ })
	f.metrics.Repeat()
}

func (f *follower) countSkipped(n uint64) {
	f.look(func(v *view) { v.skipped += n })
	f.metrics.Skipped(n)
}

func (f *follower) countRewind() {
	f.look(func(v *view) { v.rewinds++ })
	f.metrics.Rewind()
}

func (f *follower) countMismatch() {
	f.look(func(v *view) { v.mismatches++ })
	f.metrics.Mismatch()
}

func (f *follower) countMisbehaviour() {
	f.look(func(v *view) { v.lies++ })
	f.metrics.Misbehaviour()
}

// lag is how far the emitted entries are behind the log in time.
func (f *follower) lag(now time.Time) (d time.Duration) {
	f.look(func(v *view) { d = v.lag(now) })
	return d
}

// lag is 0 at the head, else how long ago the log is known to have had the next entry.
func (v *view) lag(now time.Time) time.Duration {
	if !v.hasHead || v.position >= v.head.Size {
		return 0
	}
	since, exact := v.heads.since(v.position)
	if !exact && v.lastEntry == 0 && !v.resumed.IsZero() {
		since = v.resumed
	}
	if stated := time.UnixMilli(int64(v.lastEntry)); !exact && v.lastEntry > 0 && stated.Before(since) && stated.Year() > 2010 {
		since = stated
	}
	return max(now.Sub(since), 0)
}

// headHistory remembers when a log had which size, ever coarser: when full, every other sample goes.
type headHistory struct {
	samples []headSample
}

type headSample struct {
	size uint64
	at   time.Time
}

const maxSamples = 64

func (h *headHistory) add(size uint64, at time.Time) {
	if n := len(h.samples); n > 0 && h.samples[n-1].size >= size {
		return
	}
	if len(h.samples) >= maxSamples {
		kept := h.samples[:0]
		for i := 0; i < maxSamples; i += 2 {
			kept = append(kept, h.samples[i])
		}
		h.samples = kept
	}
	h.samples = append(h.samples, headSample{size, at})
}

// since is when the log was first seen to have the entry of an index; exact is false when it already had it at the first look.
func (h *headHistory) since(index uint64) (at time.Time, exact bool) {
	for i, s := range h.samples {
		if s.size > index {
			return s.at, i > 0
		}
	}
	return time.Now(), false
}

// last is when the newest size was seen.
func (h *headHistory) last() time.Time {
	if len(h.samples) == 0 {
		return time.Time{}
	}
	return h.samples[len(h.samples)-1].at.UTC()
}
