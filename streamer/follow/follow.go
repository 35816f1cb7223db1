// Package follow follows Certificate Transparency logs: it paces requests, retries, verifies each log's Merkle tree, keeps
// positions over restarts, and hands every entry to the engine, per log in index order.
package follow

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// Appender is what followers need of an engine.
type Appender interface {
	// Append numbers and keeps a batch in order; on an error n says how many entries were taken.
	Append(ctx context.Context, batch []engine.Entry) (last uint64, n int, err error)
	// Head is the last offset used.
	Head() uint64
}

// Issuers keeps issuing certificates once for all logs. It must be safe for concurrent use.
type Issuers interface {
	// Intern keeps a copy of a certificate and returns its fingerprint.
	Intern(der []byte) engine.Fingerprint
	// Has says whether the certificate of this fingerprint is kept.
	Has(fp engine.Fingerprint) bool
}

// Options are what a Supervisor needs. Engine, Issuers and Logger are required.
type Options struct {
	Engine  Appender
	Issuers Issuers
	// Store keeps positions over restarts; nil: every start begins anew.
	Store    *Store
	Settings Settings
	// Sync, if set, is called before a checkpoint that covers the entries up to an offset, which need not be read again after it.
	Sync func(ctx context.Context, upTo uint64) error
	// Backlog, if set, is Append for entries of logs that are behind: it may wait longer.
	Backlog func(ctx context.Context, batch []engine.Entry) (last uint64, n int, err error)
	// Metrics may be nil.
	Metrics *telemetry.Follow
	Logger  *slog.Logger
	// OnGap is told of entries [from, to) of a log that were skipped because the user configured a maximum lag. It is called on
	// the follower's goroutine and must not block for long.
	OnGap func(source *engine.Source, from, to uint64)
}

// LogSpec says which log to follow and how. The log's identity is Source.LogID.
type LogSpec struct {
	Source *engine.Source
	// MMD is the log's maximum merge delay; 0 where it is not known.
	MMD time.Duration
	// ReadOnly is set when the log takes no more entries.
	ReadOnly *FinalHead
	// Key is the log's public key (DER), for evidence; nil where it is not known.
	Key []byte
	// Unsigned says that Open's client checks no signatures, for want of a key. What such a log sends counts as unverified, though
	// its trees are compared as those of any other.
	Unsigned bool
	// Verification is how much is checked; a change of it needs another Revision.
	Verification Verification
	// Start is where to begin when there is no saved position.
	Start Start
	// Open makes the client. It is called again after it has failed.
	Open func(hooks ctlog.Hooks) (ctlog.Log, error)
	// Revision names how Open's client is configured (key, proxy, HTTP version …): when it changes, the log is opened anew.
	Revision string
}

// FinalHead is the last tree head of a read-only log, as the log list states it.
type FinalHead struct {
	// Size is the number of entries; 0 where the list does not say.
	Size uint64
	Root ctlog.Hash
}

// StartKind says what a Start's value means.
type StartKind string

// The kinds of start position.
const (
	StartAtHead      StartKind = "head" // a log smaller than 10,000 entries from its beginning
	StartBeforeHead  StartKind = "before_head"
	StartAtIndex     StartKind = "index"
	StartAtTime      StartKind = "time"
	StartFromSaved   StartKind = "saved"    // only reported, never asked for
	StartFromImport  StartKind = "imported" // only reported, never asked for
	smallLog                   = 10_000
	timeStartSafety            = 4096 // entries are only roughly sorted by time
	maxUnverified              = 8192 // leaf hashes kept per log
	appendChunk                = 256  // entries handed to the engine at once
	maxErrorText               = 400  // of a log's last error in Status
	maxWantedIssuers           = 256
)

// Start is a start position. The zero value is the head.
type Start struct {
	Kind StartKind
	// N is the number of entries before the head, or the index.
	N uint64
	// Time is where StartAtTime begins.
	Time time.Time
}

// Pace bounds the requests to an operator's logs.
type Pace struct {
	// Rate is the number of requests per second to begin with, for all logs of the operator; Max is how far it may creep up.
	Rate, Max float64
	// PerLog is the shortest time between two requests to one log.
	PerLog time.Duration
}

// Settings are what may change while followers run. The zero value of each field means its default.
type Settings struct {
	// Parallel is the number of ranges in flight for a log that is behind (default 3, at most 16).
	Parallel int
	// PollMin and PollMax bound the time between two polls of a log's head: growing logs (2 s) and idle ones (30 s).
	// ReadOnlyPoll is for drained read-only logs (1 h).
	PollMin, PollMax, ReadOnlyPoll time.Duration
	// BackoffFloor, BackoffCap and BackoffLong bound the waits after failures: 1 s, 60 s, and 10 min after ten failures.
	BackoffFloor, BackoffCap, BackoffLong time.Duration
	// ForbiddenWait is the shortest wait after a 403 (1 min): a firewall's verdict does not change in seconds.
	ForbiddenWait time.Duration
	// BreakerAfter is the number of failures in a row that open a log's breaker (5).
	BreakerAfter int
	// RewindPause is the time between a root that does not match and reading the entries again (5 min).
	RewindPause time.Duration
	// ProofRetry is the time after which a log that is streamed unverified is asked for a proof again (10 min).
	ProofRetry time.Duration
	// CheckpointEvery is the time between two checkpoints (5 s).
	CheckpointEvery time.Duration
	// Stagger is the time between the starts of two followers (100 ms).
	Stagger time.Duration
	// LiveWithin is how long ago a follower may have been at its head for its entries to count as live (60 s).
	LiveWithin time.Duration
	// CatchUpRate bounds the entries per second of all backlogs together. 0: CatchUpFactor (4) times the live rate, at least
	// CatchUpMin (2,000).
	CatchUpRate, CatchUpFactor, CatchUpMin float64
	// MaxLagEntries and MaxLag skip entries of a log that is further behind, for whatever reason: a start position in the past
	// counts too. 0: never skip.
	MaxLagEntries uint64
	MaxLag        time.Duration
	// Pace is for all operators but those in Operators, which is keyed by the operator's name in any case.
	Pace      Pace
	Operators map[string]Pace
}

func or[T comparable](value, standard T) T {
	var zero T
	if value == zero {
		return standard
	}
	return value
}

func (s Settings) withDefaults() Settings {
	s.Parallel = min(max(or(s.Parallel, 3), 1), 16)
	s.PollMin = or(s.PollMin, 2*time.Second)
	s.PollMax = max(or(s.PollMax, 30*time.Second), s.PollMin)
	s.ReadOnlyPoll = or(s.ReadOnlyPoll, time.Hour)
	s.BackoffFloor = or(s.BackoffFloor, time.Second)
	s.BackoffCap = max(or(s.BackoffCap, time.Minute), s.BackoffFloor)
	s.BackoffLong = max(or(s.BackoffLong, 10*time.Minute), s.BackoffCap)
	s.ForbiddenWait = or(s.ForbiddenWait, time.Minute)
	s.BreakerAfter = or(s.BreakerAfter, 5)
	s.RewindPause = or(s.RewindPause, 5*time.Minute)
	s.ProofRetry = or(s.ProofRetry, 10*time.Minute)
	s.CheckpointEvery = or(s.CheckpointEvery, 5*time.Second)
	s.Stagger = or(s.Stagger, 100*time.Millisecond)
	s.LiveWithin = or(s.LiveWithin, time.Minute)
	s.CatchUpFactor = or(s.CatchUpFactor, 4)
	s.CatchUpMin = or(s.CatchUpMin, 2000)
	s.Pace = s.Pace.withDefaults()
	return s
}

// pace is what holds for an operator.
func (s *Settings) pace(operator string) Pace {
	for name, p := range s.Operators {
		if strings.EqualFold(name, operator) {
			return p.withDefaults()
		}
	}
	return s.Pace
}

func (p Pace) withDefaults() Pace {
	p.Rate = or(p.Rate, 10)
	p.Max = max(or(p.Max, 50), p.Rate)
	return p
}
