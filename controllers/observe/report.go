// Package observe reads what the pods say of themselves on their admin ports.
package observe

import (
	"errors"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Report is what a streamer's /status says, as far as the operator needs it. It carries no text that a log server chose.
type Report struct {
	// PodUID is the pod that was asked; At when it last answered, or when it was first given up.
	PodUID types.UID
	At     time.Time
	// Err is why it cannot be read now, a Failure; the rest is then what it last said, or empty.
	Err error

	Version string
	// ConfigHash is the SHA-256 of the configuration in force. ConfigError says why the file's present content is not, and
	// RejectedHash is that content's SHA-256, where the streamer tells.
	ConfigHash, ConfigError, RejectedHash string
	// RestartNeeded names changed settings that wait for a restart; Warnings are the configuration's.
	RestartNeeded, Warnings []string
	Draining                bool

	// Logs are those followed. ListFailing says that the list of logs cannot be renewed, and StateFailing that the last
	// checkpoint could not be written.
	Logs                      []Log
	ListFailing, StateFailing bool
	// ListPending says that no list has been read yet, so that there can be no logs.
	ListPending bool
	// Retention is what is kept on disk; nil where nothing is.
	Retention        *Retention
	EntriesPerSecond float64
	Clients          int64
	// Uptime is how long the streamer had run; 0 when it does not say.
	Uptime time.Duration
}

// settleFor is how long a streamer runs before its figures mean something.
const settleFor = 10 * time.Second

// Settling says that the streamer has just started: its rates and lags mean nothing yet.
func (r *Report) Settling() bool { return r.Uptime > 0 && r.Uptime < settleFor }

// Log is one CT log.
type Log struct {
	Name string
	// State is what its follower does, Status what to think of it: healthy, degraded or unhealthy.
	State, Status string
	// Failing says that it does not answer, or that its answers are refused; a single failed request does not count.
	Failing bool
	// ErrorKind is the class of its last error while it fails; empty otherwise.
	ErrorKind  string
	LagEntries uint64
	LagSeconds float64
	// Unverified says that its entries are sent without verification, though it is on.
	Unverified bool
	// Misbehaviour is its mark: nil, unless it has been caught lying.
	Misbehaviour *Misbehaviour
}

// Misbehaviour is what a log was caught at, since when, and where in the pod the evidence is, if any could be kept.
type Misbehaviour struct {
	Kind     string
	Since    time.Time
	Evidence string
}

// Retention is what is kept on disk for clients that come back.
type Retention struct {
	Bytes, MaxBytes int64
	// Seconds is the age of the oldest entry.
	Seconds float64
	// Aside is how many segments could not be read and were set aside.
	Aside int32
	// Failing says that nothing can be kept at present, Full that this is for want of room.
	Failing, Full bool
}

// Ingestion is what to think of all logs together.
type Ingestion string

// The judgements of ingestion.
const (
	IngestionNone     Ingestion = "None"     // no log is followed
	IngestionStarting Ingestion = "Starting" // no log has answered yet
	IngestionFailing  Ingestion = "Failing"  // no log answers
	IngestionFlowing  Ingestion = "Flowing"  // some or all answer
)

// Ingestion judges the logs.
func (r *Report) Ingestion() Ingestion {
	failing, starting := 0, 0
	for i := range r.Logs {
		switch {
		case r.Logs[i].Failing:
			failing++
		case r.Logs[i].State == stateStarting:
			starting++
		}
	}
	switch {
	case r.ListPending:
		return IngestionStarting
	case len(r.Logs) == 0:
		return IngestionNone
	case failing == len(r.Logs):
		return IngestionFailing
	case failing+starting == len(r.Logs):
		return IngestionStarting
	}
	return IngestionFlowing
}

// sameNews says whether two reports differ in nothing but their figures.
func (r *Report) sameNews(o *Report) bool {
	return errors.Is(r.Err, o.Err) && r.Version == o.Version && r.ConfigHash == o.ConfigHash && r.ConfigError == o.ConfigError &&
		r.RejectedHash == o.RejectedHash && slices.Equal(r.RestartNeeded, o.RestartNeeded) &&
		slices.Equal(r.Warnings, o.Warnings) && r.Draining == o.Draining && r.ListFailing == o.ListFailing &&
		r.StateFailing == o.StateFailing && r.Settling() == o.Settling() && r.Ingestion() == o.Ingestion() &&
		r.Retention.sameNews(o.Retention) && slices.EqualFunc(r.caught(), o.caught(), sameMark)
}

// sameNews says whether as much is amiss.
func (r *Retention) sameNews(o *Retention) bool {
	if r == nil || o == nil {
		return r == o
	}
	return r.Failing == o.Failing && r.Full == o.Full && r.Aside == o.Aside && r.MaxBytes == o.MaxBytes
}

// caught are the logs that have lied, by name.
func (r *Report) caught() (logs []Log) {
	for i := range r.Logs {
		if r.Logs[i].Misbehaviour != nil {
			logs = append(logs, r.Logs[i])
		}
	}
	slices.SortFunc(logs, func(a, b Log) int { return strings.Compare(a.Name, b.Name) })
	return logs
}

func sameMark(a, b Log) bool { return a.Name == b.Name && a.Misbehaviour.Kind == b.Misbehaviour.Kind }

// Failure is why a pod's status cannot be read. Its texts are fixed, so that a status made of them changes only with the cause.
type Failure string

// The failures.
const (
	TimedOut    Failure = "it does not answer in time"
	Refused     Failure = "nothing listens there"
	Unreachable Failure = "the connection fails"
	BadStatus   Failure = "it answers with an HTTP error"
	BadAnswer   Failure = "its answer is not a streamer's status"
	TooLarge    Failure = "its answer is too large"
)

// Error is the text.
func (f Failure) Error() string { return string(f) }
