package streamer

import (
	"cmp"
	"encoding/base64"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/follow"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// Status is a snapshot of everything.
func (s *Streamer) Status() serve.Status {
	kept, head := s.window.Stats(), s.window.Head()
	status := serve.Status{
		Version:       s.options.Build.Version,
		Revision:      s.options.Build.Revision,
		StartedAt:     s.started.UTC(),
		UptimeSeconds: time.Since(s.started).Seconds(),
		Draining:      s.draining.Load(),
		Config:        s.configStatus(),
		Epoch:         s.window.Epoch(),
		Head:          head,
		Oldest:        s.engine.Oldest(),
		Window: serve.WindowStatus{
			Entries: kept.Entries, Bytes: int64(kept.Bytes), CapacityBytes: int64(kept.MaxBytes), Seconds: kept.Held.Seconds(),
		},
		Retention:        s.retentionStatus(),
		LogList:          s.listStatus(),
		State:            s.stateStatus(),
		Auth:             s.authStatus(),
		Filters:          s.filters.Stats(),
		EntriesPerSecond: s.throughput.perSecond(head),
		CatchUpPerSecond: s.supervisor.CatchUpRate(),
		Clients:          s.clientCounts(),
		Totals:           s.totals(),
	}
	for _, l := range s.supervisor.Status() {
		log := logStatus(l)
		log.Misbehaviour = s.misbehaviour(l.Misbehaviour)
		status.Logs = append(status.Logs, log)
	}
	return status
}

// retentionStatus is nil while nothing is kept on disk.
func (s *Streamer) retentionStatus() *serve.RetentionStatus {
	if s.segments == nil {
		return nil
	}
	kept := s.segments.Stats()
	if kept.MaxBytes == 0 {
		return nil
	}
	return &serve.RetentionStatus{
		Segments: kept.Segments, Entries: kept.Entries, Bytes: kept.Bytes, CapacityBytes: kept.MaxBytes,
		MaxAgeSeconds: kept.MaxAge.Seconds(), Seconds: age(kept.Oldest).Seconds(), OldestAt: utc(kept.Oldest),
		CorruptSegments: kept.Totals.Corrupt, DamagedEntries: kept.Totals.Damaged, MissedEntries: kept.Totals.Missed,
		AsideSegments: kept.Aside, LastError: kept.Error, Full: kept.Full,
	}
}

// age is how long ago a time was; 0 for none.
func age(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Since(t))
}

func (s *Streamer) configStatus() serve.ConfigStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.reload
	return serve.ConfigStatus{
		Path: s.options.Config.Path, Hash: r.hash, LoadedAt: r.loaded.UTC(), LastError: r.err, LastErrorAt: r.erredAt,
		RejectedHash: r.rejected, RestartNeeded: r.restart, Warnings: r.warnings,
	}
}

func (s *Streamer) listStatus() serve.LogListStatus {
	status := serve.LogListStatus{Selected: len(s.list.Current().Followed()), Sources: []serve.LogSource{}}
	for _, l := range s.list.Status() {
		status.Sources = append(status.Sources, serve.LogSource{
			Name: l.Name, URL: l.URL, Version: l.Version, SignedBy: l.Signed, FromCache: l.FromDisk,
			FetchedAt: l.Fetched, Logs: l.Logs, LeftOut: l.LeftOut, Error: l.Error,
		})
		if l.Error != "" {
			status.Error = l.Error
		}
	}
	return status
}

// stateStatus says how this run began.
func (s *Streamer) stateStatus() serve.StateStatus {
	if s.store == nil {
		return serve.StateStatus{}
	}
	dir, _ := s.config().StateDir()
	status := serve.StateStatus{Dir: dir, LastCheckpoint: utc(s.store.SavedAt()), Recovery: s.recovery}
	if err := s.supervisor.CheckpointError(); err != nil {
		status.LastError = err.Error()
	}
	return status
}

func (s *Streamer) authStatus() serve.AuthStatus {
	return serve.AuthStatus{Enabled: s.gate.AuthEnabled(), Tokens: s.gate.TokenNames()}
}

func (s *Streamer) clientCounts() []serve.ClientsCount {
	counts := []serve.ClientsCount{} // not null
	for _, v := range telemetry.Values(s.fanout.Clients) {
		counts = append(counts, serve.ClientsCount{Protocol: v.Labels["protocol"], Stream: v.Labels["stream"], Count: int(v.Value)})
	}
	slices.SortFunc(counts, func(a, b serve.ClientsCount) int {
		return cmp.Or(strings.Compare(a.Protocol, b.Protocol), strings.Compare(a.Stream, b.Stream))
	})
	return counts
}

func (s *Streamer) totals() serve.Totals {
	return serve.Totals{
		Entries:      uint64(telemetry.Sum(s.fanout.Entries)),
		ParseErrors:  uint64(telemetry.Sum(s.fanout.ParseErrors)),
		MessagesSent: uint64(telemetry.Sum(s.fanout.Messages)),
		BytesSent:    uint64(telemetry.Sum(s.fanout.Bytes)),
		Gaps:         uint64(telemetry.Sum(s.fanout.Gaps)),
	}
}

// misbehaviour is a log's mark, with the whole path of its evidence.
func (s *Streamer) misbehaviour(m *follow.Misbehaviour) *serve.Misbehaviour {
	if m == nil {
		return nil
	}
	shown := &serve.Misbehaviour{Kind: string(m.Kind), Why: m.Why, Since: m.Since.UTC(), Count: m.Count}
	if m.Evidence != "" {
		shown.Evidence = filepath.Join(s.store.Dir(), m.Evidence)
	}
	return shown
}

// logStatus is a follower's status as /status shows it.
func logStatus(l follow.LogStatus) serve.LogStatus {
	return serve.LogStatus{
		Name: l.Source.Name, URL: l.Source.URL, Operator: l.Source.Operator, Protocol: string(l.Source.Protocol),
		LogID:            base64.StdEncoding.EncodeToString(l.Source.LogID[:]),
		State:            l.State,
		Position:         l.Position,
		VerifiedPosition: l.VerifiedSize,
		TreeSize:         l.TreeSize,
		TreeHeadTime:     utc(l.HeadTime),
		LagEntries:       l.LagEntries,
		LagSeconds:       l.Lag.Seconds(),
		ReadOnly:         l.ReadOnly,
		Stale:            l.Stale,
		Unverified:       l.UnverifiedWhy,
		UnverifiedSince:  utc(l.Unverified),
		Verification:     string(l.Verification),
		ConsistentSize:   l.ConsistentSize,
		Doubt:            l.Doubt,
		Breaker:          string(l.Breaker),
		NextTry:          utc(l.NextTry),
		RequestsPerSec:   l.Rate,
		PausedUntil:      utc(l.PausedUntil),
		PageSize:         l.Page,
		Start:            string(l.Start.Kind),
		StartIndex:       l.Start.Index,
		LastSuccess:      utc(l.LastSuccess),
		LastError:        l.LastError,
		LastErrorKind:    l.LastErrorKind,
		LastErrorAt:      utc(l.LastErrorTime),
		Entries:          l.Entries,
		Skipped:          l.Skipped,
		Repeats:          l.Repeats,
		Rewinds:          l.Rewinds,
		Mismatches:       l.Mismatches,
		Misbehaviours:    l.Misbehaviours,
		Errors:           l.Failures,
	}
}

func utc(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC()
}
