package streamer

import (
	"log/slog"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// reloadState is what /status shows of the configuration.
type reloadState struct {
	hash     string
	loaded   time.Time
	err      string
	erredAt  time.Time
	rejected string // hash of what err is about
	restart  []string
	warnings []string
}

// apply puts a changed configuration into force. What can fail comes first, so that it is all or nothing.
func (s *Streamer) apply(next *config.Loaded, _ []string) error {
	c := next.Config
	access, err := accessOptions(c)
	if err != nil {
		return err
	}
	logs, err := logListOptions(c)
	if err != nil {
		return err
	}
	if err := s.gate.Update(access); err != nil {
		return err
	}
	s.running.Store(c)
	s.setLevel(c.LogLevel.Slog())
	s.filters.Update(filterOptions(c))
	if s.segments != nil {
		s.segments.SetLimits(segmentLimits(c))
	}
	s.publisher.SetHeartbeat(c.HeartbeatInterval.Std())
	s.server.Update(serveSettings(c))
	s.supervisor.Update(s.followSettings(c))
	s.list.Update(logs)
	select {
	case s.relist <- struct{}{}:
	default:
	}
	return nil
}

// reloaded notes how a reload went.
func (s *Streamer) reloaded(r config.Reload) {
	s.metrics.Reloaded(r.Err, r.Hash, len(r.Restart))
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Err != nil {
		s.reload.err, s.reload.erredAt, s.reload.rejected = r.Err.Error(), time.Now(), r.Hash
		return
	}
	s.reload = reloadState{hash: r.Hash, loaded: time.Now(), restart: r.Restart, warnings: r.Warnings}
}

func (s *Streamer) setLevel(level slog.Level) {
	if s.options.Level != nil {
		s.options.Level.Set(level)
	}
}
