package follow

import (
	"fmt"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// LogStatus is what there is to know about a followed log.
type LogStatus struct {
	Source *engine.Source
	// State is "starting", "following" (at the head), "catching_up", "failing" (the last request failed), "drained" (read-only,
	// all read) or "stopping".
	State string
	// Position is the index of the next entry to emit; everything below VerifiedSize is proved to be in the tree that the
	// log has signed.
	Position, VerifiedSize uint64
	// TreeSize is the newest tree head's size, HeadTime its timestamp.
	TreeSize uint64
	HeadTime time.Time
	// LagEntries and Lag say how far emission is behind the tree head.
	LagEntries uint64
	Lag        time.Duration
	// LastSuccess is when the log last answered rightly. LastError stays until the next error.
	LastSuccess   time.Time
	LastError     string
	LastErrorKind string
	LastErrorTime time.Time
	// Breaker is the circuit breaker's state; NextTry is set while waiting after a failure.
	Breaker BreakerState
	NextTry time.Time
	// Rate is the operator's pace in requests per second, PausedUntil what its Retry-After asked for, Page the page size learned.
	Rate        float64
	PausedUntil time.Time
	Page        uint64
	// Unverified is since when entries are streamed without verification (zero: verified), and why. Doubt is a mismatch that is
	// being looked into.
	Unverified    time.Time
	UnverifiedWhy string
	Doubt         string
	// Verification is how much is checked. ConsistentSize is the size of the newest tree head that is proved to agree with all
	// before it.
	Verification   Verification
	ConsistentSize uint64
	// Misbehaviour is the log's mark: nil, unless it has been caught in this run or an earlier one.
	Misbehaviour *Misbehaviour
	// Stale says that the tree head is older than the log's maximum merge delay allows. Regressed: for longer than that, the log
	// has answered with smaller trees than before.
	Stale, Regressed bool
	ReadOnly         bool
	Start            StartInfo
	// Counters since the start of the process.
	Requests, Failures, Entries, Skipped, Repeats, Rewinds, Mismatches, Misbehaviours uint64
}

// StartInfo says where and when a log's following began.
type StartInfo struct {
	Kind  StartKind `json:"kind,omitempty"`
	Index uint64    `json:"index"`
	At    time.Time `json:"at"`
}

// minStale is the age up to which no tree head counts as stale, however short the merge delay.
const minStale = 5 * time.Minute

// maxTimestamp is the end of the year 9999 in ms: no later time can be written as text.
const maxTimestamp = 253_402_300_799_999

// status takes a snapshot.
func (f *follower) status(now time.Time) LogStatus {
	spec := f.spec.Load()
	rate, until := f.pacer.now()
	s := LogStatus{
		Source: f.source, Breaker: f.breaker.now(), Rate: rate, ReadOnly: spec.ReadOnly != nil, Verification: f.verification(),
	}
	if until.After(now) {
		s.PausedUntil = until
	}
	f.look(func(v *view) {
		s.fill(v, now)
		s.explain(f.unsigned(), f.shared.settings().ProofRetry)
		tolerated := max(spec.MMD, minStale)
		if v.hasHead && !s.ReadOnly {
			s.Stale = spec.MMD > 0 && now.Sub(s.HeadTime) > tolerated
			s.Regressed = !v.smaller.IsZero() && now.Sub(v.smaller) > spec.MMD
		}
		s.State = v.state(f.stopping.Load(), s.ReadOnly)
	})
	return s
}

func (s *LogStatus) fill(v *view, now time.Time) {
	s.Position, s.VerifiedSize, s.TreeSize = v.position, v.verified, v.head.Size
	if v.hasHead && v.head.Timestamp <= maxTimestamp {
		s.HeadTime = time.UnixMilli(int64(v.head.Timestamp))
	}
	if v.head.Size > v.position {
		s.LagEntries = v.head.Size - v.position
	}
	s.Lag, s.LastSuccess = v.lag(now), v.success
	s.LastError, s.LastErrorKind, s.LastErrorTime, s.NextTry = v.lastError, string(v.errorKind), v.errorAt, v.wait
	s.Page, s.Unverified, s.UnverifiedWhy, s.Doubt, s.Start = v.page, v.since, v.why, v.doubt, v.started
	s.Requests, s.Failures, s.Entries, s.Skipped, s.Repeats = v.requests, v.failures, v.entries, v.skipped, v.repeats
	s.Rewinds, s.Mismatches, s.Misbehaviours = v.rewinds, v.mismatches, v.lies
	s.Misbehaviour = v.saved.Misbehaviour // replaced as a whole, never changed
	if v.saved.Anchor != nil {
		s.ConsistentSize = v.saved.Anchor.Size
	}
}

// explain says what an unverified log needs. Of one without a key it takes back what only a signature can show.
func (s *LogStatus) explain(unsigned bool, retry time.Duration) {
	condemned := s.Misbehaviour != nil && s.Misbehaviour.Condemned
	switch {
	case unsigned:
		s.VerifiedSize = 0
		if s.Unverified.IsZero() {
			s.Unverified = s.Start.At
		}
		if !condemned && !s.Unverified.IsZero() {
			s.UnverifiedWhy = noKey
		}
	case s.UnverifiedWhy != "" && !condemned:
		s.UnverifiedWhy += fmt.Sprintf("; it is asked for a proof again, every %v at least", retry)
	}
}

func (v *view) state(stopping, readOnly bool) string {
	switch {
	case stopping:
		return "stopping"
	case !v.wait.IsZero():
		return "failing"
	case v.started.Kind == "":
		return "starting"
	case v.position < v.head.Size && !v.live:
		return "catching_up"
	case readOnly && v.position >= v.head.Size:
		return "drained"
	}
	return "following"
}

// gauges brings the metrics up to date.
func (f *follower) gauges() {
	if f.metrics == nil {
		return
	}
	s := f.status(time.Now())
	f.metrics.Set(s.TreeSize, s.Position, s.VerifiedSize, s.LagEntries, s.Lag.Seconds())
	f.metrics.SetConditions(string(s.Breaker), !s.Unverified.IsZero(), s.Stale, s.Misbehaviour != nil)
}
