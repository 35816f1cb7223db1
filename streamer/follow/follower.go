package follow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// follower follows one log. Its goroutine owns everything but what mu guards and the atomics; fetches, proofs and issuers are
// read by goroutines that it waits for.
type follower struct {
	shared  *shared
	spec    atomic.Pointer[LogSpec]
	source  *engine.Source
	logger  *slog.Logger
	pacer   *pacer
	breaker breaker
	metrics *telemetry.FollowLog
	wake    chan struct{} // one token: look again now
	saved   *LogState     // what to begin with; nil: never followed
	// fetching ends when the log is gone from the list; the batch at hand is finished.
	fetching context.Context
	cancel   context.CancelFunc
	stopping atomic.Bool
	helpers  sync.WaitGroup

	log     ctlog.Log
	reads   sequencer
	verify  *verifier
	issuers issuerFetcher
	begun   bool
	search  timeSearch

	target   ctlog.TreeHead // read up to here, then compare roots
	polled   time.Time
	idle     int // polls in a row without growth
	atHead   time.Time
	slowness int  // how far parallelism is halved
	fresh    bool // ask past caches: the last answer did not fit
	ease     int  // successes since slowness changed
	failing  bool
	refresh  bool // take the newest head for the target
	rewind   rewind
	chain    *chain
	// condemned says why the log is never verified again: it has signed two trees. accused are the reasons it has been marked for.
	condemned string
	accused   map[string]bool
	findings  chan finding
	proofTry  int

	mu   sync.Mutex
	view view

	slotMu sync.Mutex
	slot   time.Time // of the next request, where the operator's pace has a time per log
}

// rewind is what is known of entries that are read a second time.
type rewind struct {
	due    time.Time // a rewind is to come; zero: none
	tries  int       // made since the verified size last moved
	base   uint64    // index of hashes[0]
	hashes []ctlog.Hash
	to     uint64 // entries below have been emitted before
}

// run follows the log until fetching ends, when the batch at hand is finished, or ctx does, when the engine takes no more.
func (f *follower) run(ctx context.Context, delay time.Duration) {
	defer f.end()
	fetching := f.fetching
	if !sleep(fetching, delay) {
		return
	}
	if f.saved != nil {
		f.restoreMark(f.saved.Misbehaviour)
	}
	for fetching.Err() == nil {
		wait, err := f.step(ctx, fetching)
		if fetching.Err() != nil {
			return
		}
		if err != nil {
			wait = f.failed(err)
		} else {
			f.recovered()
		}
		f.rest(fetching, wait)
	}
}

// end waits for everything the follower has started.
func (f *follower) end() {
	f.cancel()
	f.reads.reset()
	f.helpers.Wait()
	if f.log != nil {
		f.log.Close()
	}
}

// step is one round: tree head, entries up to it, root. It returns how long to rest.
func (f *follower) step(ctx, fetching context.Context) (time.Duration, error) {
	if err := f.open(); err != nil {
		return 0, err
	}
	if err := f.poll(fetching); err != nil {
		return 0, err
	}
	if err := f.begin(fetching); err != nil {
		return 0, err
	}
	f.skipLag()
	return f.read(ctx, fetching)
}

// open makes the log's client if there is none yet.
func (f *follower) open() error {
	if f.log != nil {
		return nil
	}
	log, err := f.spec.Load().Open(ctlog.Hooks{Before: f.beforeRequest, After: f.afterRequest})
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	f.log = log
	return nil
}

// beforeRequest paces.
func (f *follower) beforeRequest(ctx context.Context, r ctlog.Request) error {
	if every := f.pacer.perLog(); every > 0 && !sleep(ctx, f.nextSlot(every)) {
		return ctx.Err()
	}
	if err := f.pacer.wait(ctx); err != nil {
		return err
	}
	f.metrics.Begin(r.What)
	return nil
}

// nextSlot is how long the log's next request must wait, so that two have so much time between them.
func (f *follower) nextSlot(every time.Duration) time.Duration {
	f.slotMu.Lock()
	defer f.slotMu.Unlock()
	now := time.Now()
	at := f.slot
	if at.Before(now) {
		at = now
	}
	f.slot = at.Add(every)
	return at.Sub(now)
}

// afterRequest counts.
func (f *follower) afterRequest(o ctlog.Outcome) {
	f.pacer.learn(o)
	f.metrics.Request(string(or(o.Kind, "ok")), o.Bytes)
	f.mu.Lock()
	f.view.requests++
	f.mu.Unlock()
}

// poll fetches the tree head, unless that was done a moment ago in the middle of a backlog.
func (f *follower) poll(ctx context.Context) error {
	if f.target.Size > f.position() && time.Since(f.polled) < f.shared.settings().PollMin && !f.failing {
		return nil
	}
	f.breaker.probing()
	head, err := f.log.Head(ctx)
	if err != nil {
		return err
	}
	f.polled = time.Now()
	f.observe(head)
	return nil
}

// read emits entries up to the target and beyond, as long as there are any, and returns how long to rest.
func (f *follower) read(ctx, fetching context.Context) (time.Duration, error) {
	for {
		f.retarget()
		if f.position() >= f.target.Size {
			f.breaker.succeeded()
			return f.reached(fetching), nil
		}
		if err := f.readRange(ctx, fetching); err != nil {
			return 0, err
		}
		f.breaker.succeeded()
		f.ask(fetching)
		f.takeAnswers()
		f.rewindIfDue()
		if time.Since(f.polled) > f.shared.settings().PollMax {
			return 0, nil
		}
	}
}

// retarget aims at the newest head once the last one is reached, so that each root that can be checked is.
func (f *follower) retarget() {
	latest := f.latest()
	if f.position() == f.target.Size && f.target.Size > 0 {
		f.checkRoot(f.target)
	}
	if f.position() >= f.target.Size || f.refresh {
		f.target, f.refresh = latest, false
	}
}

// reached is what happens at the head.
func (f *follower) reached(ctx context.Context) time.Duration {
	f.atHead = time.Now()
	f.ask(ctx)
	f.rewindIfDue()
	s := f.shared.settings()
	if f.drained() {
		return s.ReadOnlyPoll + jitter(s.ReadOnlyPoll/10)
	}
	if f.rewind.due.IsZero() {
		return f.pollWait(s)
	}
	return min(f.pollWait(s), max(time.Until(f.rewind.due), 0))
}

// pollWait is the time between two polls: the longer the log has not grown, the longer, and never as long as another log's, so
// that logs that were started together are not asked together for long.
func (f *follower) pollWait(s *Settings) time.Duration {
	wait, most := s.PollMin, s.PollMax/5*4
	for i := 0; i < f.idle && wait < most; i++ {
		wait += wait / 2
	}
	wait = min(wait, most)
	return wait + jitter(wait/4)
}

// rest waits for the time to pass, or for news.
func (f *follower) rest(ctx context.Context, wait time.Duration) {
	if wait <= 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			return
		case <-f.wake:
			if !f.failing { // the wait after a failure is not to be cut short
				return
			}
		case <-ctx.Done():
			return
		case p := <-f.verify.proofs:
			f.proved(p)
		case l := <-f.chain.links:
			f.linked(l)
		case found := <-f.findings:
			f.accuse(found.evidence)
		}
	}
}

// live says whether the follower was at its head lately: then what it reads is live, else a backlog.
func (f *follower) live() bool {
	return !f.atHead.IsZero() && time.Since(f.atHead) <= f.shared.settings().LiveWithin
}

// readRange starts fetching what may be fetched, waits for the first range, and emits it.
func (f *follower) readRange(ctx, fetching context.Context) error {
	if err := f.plan(fetching); err != nil {
		return err
	}
	r, err := f.reads.take(fetching)
	if err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	defer r.batch.Release()
	n := uint64(len(r.batch.Entries))
	if n == 0 || n > r.end-r.start || r.batch.Entries[0].Index != r.start {
		return &ctlog.Error{Kind: ctlog.Malformed, Op: "reading entries", Detail: "not the entries asked for"}
	}
	if !f.live() {
		f.shared.catchUp.giveBack(r.end - r.start - n)
	}
	if err := f.emit(ctx, r.batch.Entries); err != nil {
		return err
	}
	f.fresh = false
	f.speedUp()
	return nil
}

// plan starts fetches: one when tailing, some when behind, those of a backlog within the catch-up rate.
func (f *follower) plan(ctx context.Context) error {
	for {
		start, limit := f.reads.next(f.position())
		hole := limit > 0
		if !hole && (start >= f.target.Size || len(f.reads.ranges) >= f.parallel()) {
			return nil
		}
		end := min(f.rangeEnd(start), f.target.Size)
		if hole {
			end = min(end, limit)
		}
		if !f.live() {
			if d := f.shared.catchUp.take(f.shared.settings(), end-start); d > 0 {
				if len(f.reads.ranges) > 0 && !hole {
					return nil
				}
				if !sleep(ctx, d) {
					return ctx.Err()
				}
				continue
			}
		}
		f.fetch(ctx, start, end)
	}
}

// parallel is the number of ranges to have in flight.
func (f *follower) parallel() int {
	if f.target.Size-f.position() <= f.log.Page() {
		return 1
	}
	return max(f.shared.settings().Parallel>>f.slowness, 1)
}

// fetch starts fetching a range. What is read a second time is asked for past caches.
func (f *follower) fetch(ctx context.Context, start, end uint64) {
	log, head := f.log, f.target
	if f.fresh || start < f.rewind.to {
		ctx = ctlog.Fresh(ctx)
	}
	f.reads.start(ctx, start, end, func(ctx context.Context) (*ctlog.Batch, error) {
		b, err := log.Entries(ctx, head, start, end)
		if err == nil {
			f.metrics.Fetched(b.Fetched)
		}
		return b, err
	})
}

// rangeEnd is the next multiple of the page.
func (f *follower) rangeEnd(start uint64) uint64 {
	page := max(f.log.Page(), 1)
	return (start/page + 1) * page
}

// slowDown asks for fewer ranges at once (ctlog itself makes them smaller); speedUp takes it back after a while.
func (f *follower) slowDown() { f.slowness, f.ease = min(f.slowness+1, 4), 0 }

func (f *follower) speedUp() {
	const after = 16
	if f.ease++; f.ease >= after && f.slowness > 0 {
		f.slowness, f.ease = f.slowness-1, 0
	}
}

// failed notes a failure and returns how long to wait.
func (f *follower) failed(err error) time.Duration {
	s := f.shared.settings()
	f.refresh = true
	var e *ctlog.Error
	kind, asked := ctlog.Kind("internal"), time.Duration(0)
	if errors.As(err, &e) {
		kind, asked = e.Kind, e.RetryAfter
	}
	if kind == ctlog.NotYet && e.Status == 0 {
		return min(or(asked, s.PollMin), f.pollWait(s)) // a partial tile that is not due is no failure, and it may have filled soon
	}
	switch kind {
	case ctlog.Forbidden:
		asked = max(asked, s.ForbiddenWait)
	case ctlog.Timeout:
		f.slowDown()
	case ctlog.Malformed:
		f.fresh = true
	}
	wait := f.breaker.failed(s, asked)
	f.noteFailure(err, kind, wait)
	return wait
}
