// Package streamer puts the rooms together: log list, followers, engine, publisher, server. It is what the binary runs, alone
// or under the operator, and what the demo and the tests run.
package streamer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
	"github.com/certstream-operator/certstream-operator/streamer/loglist"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/publish"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// Options are what a Streamer needs. All but Level must be set.
type Options struct {
	// Config is the configuration to start with, Load how it was loaded and is loaded again.
	Config *config.Loaded
	Load   config.Options
	Build  telemetry.Build
	Logger *slog.Logger
	// Level, if set, follows log_level.
	Level *slog.LevelVar
	// Reread is the time between a root that does not match and reading the entries again; 0: five minutes, as a cache may need.
	Reread time.Duration
}

// Streamer follows logs and serves streams.
type Streamer struct {
	options  Options
	logger   *slog.Logger
	started  time.Time
	registry *prometheus.Registry

	store      *follow.Store
	recovery   string // how the run before ended
	window     *engine.Window
	segments   *engine.Segments // nil without a state directory
	engine     engine.Engine    // the window, with the segments behind it
	issuers    *engine.Issuers
	filters    *filter.Set
	gate       *access.Gate
	tls        *access.TLS
	publisher  *publish.Publisher
	fanout     *telemetry.Fanout
	metrics    *telemetry.Config
	server     *serve.Server
	endpoints  *serve.Endpoints
	network    *network
	list       *loglist.Manager
	supervisor *follow.Supervisor
	watcher    *config.Watcher
	listeners  listeners
	throughput throughput

	running  atomic.Pointer[config.Config]
	relist   chan struct{} // one token when the configuration's share in following has changed
	draining atomic.Bool

	mu     sync.Mutex
	reload reloadState
}

// New builds everything and binds the ports, so that what is wrong is known before anything runs. Run or Close must follow.
func New(o Options) (*Streamer, error) {
	s := &Streamer{
		options:  o,
		logger:   o.Logger,
		started:  time.Now(),
		registry: telemetry.NewRegistry(o.Build),
		relist:   make(chan struct{}, 1),
		reload:   reloadState{hash: o.Config.Hash, loaded: time.Now(), warnings: o.Config.Warnings},
	}
	s.running.Store(o.Config.Config)
	s.setLevel(o.Config.LogLevel.Slog())
	s.metrics = telemetry.NewConfig(s.registry)
	s.metrics.InForce(o.Config.Hash, 0)
	if err := s.build(o.Config.Config); err != nil {
		_ = s.Close() // what has been opened so far
		return nil, err
	}
	return s, nil
}

func (s *Streamer) build(c *config.Config) error {
	for _, step := range []func(*config.Config) error{s.buildEngine, s.buildAccess, s.buildStreams, s.buildFollowing, s.listen} {
		if err := step(c); err != nil {
			return err
		}
	}
	s.watcher = config.NewWatcher(config.WatchOptions{
		Running: s.options.Config, Load: s.options.Load, Apply: s.apply, Report: s.reloaded, Logger: s.logger,
	})
	return nil
}

// buildEngine opens the state and makes the window go on where it says.
func (s *Streamer) buildEngine(c *config.Config) error {
	numbering := engine.Numbering{}
	var reserve func(uint64) error
	if dir, peer := c.StateDir(); dir != "" {
		store, err := follow.OpenStore(dir, follow.StoreOptions{
			Recovery: follow.Recovery(c.State.Recovery), ImportFrom: peer, Logger: s.logger,
		})
		if err != nil {
			return fmt.Errorf("opening the state: %w", err)
		}
		s.store, reserve = store, store.Reserve
		var clean, fresh bool
		numbering.Epoch, numbering.Checkpoint, numbering.Next, clean, fresh = store.Numbering()
		numbering.Holes = store.Holes()
		s.recovery = recovery(clean, fresh)
	} else {
		s.logger.Info("no state.dir is set: nothing is kept over a restart, and logs are begun at ct_log.start", "start", c.CTLog.Start)
		numbering.Epoch = follow.NewEpoch()
	}
	s.window = engine.NewWindow(engine.WindowOptions{MaxBytes: int(c.Window.Size), Numbering: numbering, Reserve: reserve})
	s.issuers = engine.NewIssuers(int(c.CTLog.IssuerCache), message.AppendChainElement)
	s.engine = s.window
	s.registerEngine()
	if s.store == nil {
		return nil
	}
	return s.buildRetention(c)
}

// buildRetention puts what is kept on disk behind the window.
func (s *Streamer) buildRetention(c *config.Config) error {
	dir, _ := c.StateDir()
	var err error
	s.segments, err = engine.NewSegments(engine.SegmentOptions{
		Dir: filepath.Join(dir, engine.SegmentsDir), Limits: segmentLimits(c), Window: s.window, Issuers: s.issuers, Log: s.logger,
	})
	if err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	s.engine = engine.NewRetained(s.segments)
	s.registerRetention()
	return nil
}

func (s *Streamer) registerRetention() {
	read := func(of func(engine.SegmentStats) float64) func() float64 {
		return func() float64 { return of(s.segments.Stats()) }
	}
	telemetry.Retention{
		Bytes:    read(func(k engine.SegmentStats) float64 { return float64(k.Bytes) }),
		MaxBytes: read(func(k engine.SegmentStats) float64 { return float64(k.MaxBytes) }),
		Segments: read(func(k engine.SegmentStats) float64 { return float64(k.Segments) }),
		Entries:  read(func(k engine.SegmentStats) float64 { return float64(k.Entries) }),
		Seconds:  read(func(k engine.SegmentStats) float64 { return age(k.Oldest).Seconds() }),
		Failing:  read(func(k engine.SegmentStats) float64 { return flag(k.Error != "") }),
		Full:     read(func(k engine.SegmentStats) float64 { return flag(k.Full) }),
		Aside:    read(func(k engine.SegmentStats) float64 { return float64(k.Aside) }),
		Corrupt:  read(func(k engine.SegmentStats) float64 { return float64(k.Totals.Corrupt) }),
		Damaged:  read(func(k engine.SegmentStats) float64 { return float64(k.Totals.Damaged) }),
		Missed:   read(func(k engine.SegmentStats) float64 { return float64(k.Totals.Missed) }),
		Errors:   read(func(k engine.SegmentStats) float64 { return float64(k.Totals.Errors) }),
	}.Register(s.registry)
}

// flag is a truth as a metric has it.
func flag(v bool) float64 {
	if v {
		return 1
	}
	return 0
}

// recovery says what the run before left.
func recovery(clean, fresh bool) string {
	switch {
	case fresh:
		return "fresh"
	case clean:
		return "clean"
	}
	return "unclean"
}

func (s *Streamer) registerEngine() {
	telemetry.Engine{
		Head:    func() float64 { return float64(s.window.Head()) },
		Entries: func() float64 { return float64(s.window.Stats().Entries) },
		Bytes:   func() float64 { return float64(s.window.Stats().Bytes) },
		Seconds: func() float64 { return s.window.Stats().Held.Seconds() },
		Issuers: func() float64 { n, _ := s.issuers.Len(); return float64(n) },
	}.Register(s.registry)
}

func (s *Streamer) registerFilters() {
	telemetry.Filter{
		Classes:       func() float64 { return float64(s.filters.Stats().Classes) },
		RegexpClasses: func() float64 { return float64(s.filters.Stats().RegexpClasses) },
		RegexpSeconds: func() float64 { return s.filters.Stats().RegexpSeconds },
		RegexpBudget:  func() float64 { return s.filters.Stats().RegexpBudget },
	}.Register(s.registry)
	s.registerDedup()
}

func (s *Streamer) buildAccess(c *config.Config) error {
	options, err := accessOptions(c)
	if err != nil {
		return err
	}
	metrics := telemetry.NewAccess(s.registry, access.Reasons())
	if s.gate, err = access.New(options, s.logger, metrics); err != nil {
		return err
	}
	if c.TLSCert != "" {
		if s.tls, err = access.NewTLS(c.TLSCert, c.TLSKey, s.logger, metrics); err != nil {
			return fmt.Errorf("tls_cert, tls_key: %w", err)
		}
	}
	return nil
}

func (s *Streamer) buildStreams(c *config.Config) error {
	s.filters = filter.NewSet(filterOptions(c))
	s.registerFilters()
	s.fanout = telemetry.NewFanout(s.registry)
	s.publisher = publish.New(publish.Options{
		Engine: s.engine, Issuers: s.issuers, Filters: s.filters, Heartbeat: c.HeartbeatInterval.Std(),
		Metrics: s.fanout, Log: s.logger,
	})
	s.endpoints = serve.NewEndpoints(endpointOptions(c), serve.Sources{
		Status:  s.Status,
		Live:    s.live,
		Ready:   s.ready,
		Latest:  s.publisher.Latest,
		Metrics: telemetry.Handler(s.registry),
	}, s.gate, s.logger)
	s.server = serve.New(serve.Options{
		Publisher: s.publisher, Engine: s.engine, Gate: s.gate, Metrics: s.fanout, Log: s.logger,
		Handler: s.endpoints, Settings: serveSettings(c),
	})
	return nil
}

func (s *Streamer) buildFollowing(c *config.Config) error {
	var err error
	if s.network, err = newNetwork(c, s.options.Build.Version, s.logger); err != nil {
		return err
	}
	options, err := logListOptions(c)
	if err != nil {
		return err
	}
	dir, _ := c.StateDir()
	s.list = loglist.New(options, loglist.Deps{
		Client: s.network.standard, UserAgent: s.network.agent, Dir: dir, Logger: s.logger,
		Metrics: telemetry.NewLogList(s.registry),
	})
	var sync func(context.Context, uint64) error
	if s.segments != nil {
		sync = s.segments.Sync
	}
	s.supervisor = follow.New(follow.Options{
		Sync: sync, Backlog: s.window.AppendBacklog,
		Engine: s.window, Issuers: s.issuers, Store: s.store, Settings: s.followSettings(c),
		Metrics: telemetry.NewFollow(s.registry), Logger: s.logger,
		OnGap: func(source *engine.Source, from, to uint64) { s.publisher.Skipped(source.Name, from, to) },
	})
	return nil
}

func (s *Streamer) config() *config.Config { return s.running.Load() }

// stuckAfter is how long the publisher may take for a round before the process counts as dead: many heartbeats.
const stuckAfter = 2 * time.Minute

// live says why the process should be started anew; nil if it works.
func (s *Streamer) live() error {
	if stuck := s.publisher.Stuck(); stuck > stuckAfter {
		return fmt.Errorf("nothing has been published for %s, not even a heartbeat", stuck.Round(time.Second))
	}
	return nil
}

// ready says why clients should not be sent here; nil if they may come.
func (s *Streamer) ready() error {
	if s.draining.Load() {
		return errors.New("shutting down")
	}
	return nil
}

// Reload has the configuration read again, as SIGHUP asks for.
func (s *Streamer) Reload() { s.watcher.Reload() }

// HTTPAddr is where WebSocket, SSE and HTTP clients connect.
func (s *Streamer) HTTPAddr() net.Addr { return s.listeners.http.Addr() }

// TCPAddr is where raw TCP clients connect; nil when TCP is off.
func (s *Streamer) TCPAddr() net.Addr {
	if s.listeners.tcp == nil {
		return nil
	}
	return s.listeners.tcp.Addr()
}

// AdminAddr is the admin listener's address; nil when it is off.
func (s *Streamer) AdminAddr() net.Addr {
	if s.listeners.admin == nil {
		return nil
	}
	return s.listeners.admin.Addr()
}

// Close releases what New has opened. Run does it by itself.
func (s *Streamer) Close() error {
	err := s.listeners.close()
	if s.network != nil {
		s.network.close()
	}
	if s.segments != nil {
		s.segments.Close()
	}
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	return err
}
