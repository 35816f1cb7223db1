package follow

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// shared is what all followers use.
type shared struct {
	engine  Appender
	backlog func(context.Context, []engine.Entry) (uint64, int, error)
	issuers Issuers
	store   *Store
	onGap   func(source *engine.Source, from, to uint64)
	current atomic.Pointer[Settings]
	catchUp catchUp

	scratches sync.Pool // of *scratch
}

func (s *shared) settings() *Settings { return s.current.Load() }

func (s *shared) imported(url string) (uint64, bool) {
	if s.store == nil {
		return 0, false
	}
	return s.store.Imported(url)
}

// evidence keeps a file and says where, below the state directory.
func (s *shared) evidence(e *evidence.Evidence) (path string, err error) {
	if s.store == nil {
		return "", nil
	}
	return s.store.Evidence(e)
}

func (s *shared) hasEvidence(path string) bool { return s.store != nil && s.store.HasEvidence(path) }

// Supervisor runs a follower for each log. All methods are safe for concurrent use.
type Supervisor struct {
	shared  shared
	logger  *slog.Logger
	metrics *telemetry.Follow
	wake    chan struct{}
	running sync.WaitGroup

	mu        sync.Mutex
	specs     []LogSpec
	followers map[engine.Fingerprint]*follower
	parked    map[engine.Fingerprint]LogState // of logs that were followed before
	pacers    map[string]*pacer

	sync       func(ctx context.Context, upTo uint64) error
	checkpoint sync.Mutex
	saved      atomic.Pointer[error] // how the last checkpoint went
}

// New makes a Supervisor that follows nothing yet.
func New(o Options) *Supervisor {
	s := &Supervisor{
		shared:    shared{engine: o.Engine, backlog: o.Backlog, issuers: o.Issuers, store: o.Store, onGap: o.OnGap},
		sync:      o.Sync,
		logger:    o.Logger,
		metrics:   o.Metrics,
		wake:      make(chan struct{}, 1),
		followers: map[engine.Fingerprint]*follower{},
		parked:    map[engine.Fingerprint]LogState{},
		pacers:    map[string]*pacer{},
	}
	settings := o.Settings.withDefaults()
	s.shared.current.Store(&settings)
	return s
}

// SetLogs says which logs to follow from now on. Logs that are new are started, one after the other; those that are gone finish
// their batch and stop, and what is known of them is kept. It returns at once.
func (s *Supervisor) SetLogs(specs []LogSpec) {
	s.mu.Lock()
	s.specs = slices.Clone(specs)
	s.mu.Unlock()
	s.nudge()
}

// Update changes the settings of all followers.
func (s *Supervisor) Update(settings Settings) {
	settings = settings.withDefaults()
	old := s.shared.current.Swap(&settings)
	s.mu.Lock()
	defer s.mu.Unlock()
	for operator, p := range s.pacers {
		p.set(settings.pace(operator))
	}
	if settings.PollMin == old.PollMin && settings.PollMax == old.PollMax && settings.ReadOnlyPoll == old.ReadOnlyPoll {
		return
	}
	for _, f := range s.followers {
		f.nudge()
	}
}

// firstCheckpoint is soon after the start: a process that is killed again and again would otherwise repeat more each time.
const firstCheckpoint = time.Second

// Run follows the logs until ctx ends, and then writes the last checkpoint: the numbering goes on exactly from there. It is
// called once.
func (s *Supervisor) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(min(firstCheckpoint, s.shared.settings().CheckpointEvery))
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-s.wake:
			s.reconcile(ctx)
		case <-tick.C:
			tick.Reset(s.shared.settings().CheckpointEvery)
			s.refreshMetrics()
			s.checkpointDue(ctx)
		case <-ctx.Done():
		}
	}
	s.running.Wait()
	return s.save(context.WithoutCancel(ctx), true)
}

// checkpointDue writes a checkpoint, and logs that it cannot, or can again.
func (s *Supervisor) checkpointDue(ctx context.Context) {
	before := s.CheckpointError()
	switch err := s.Checkpoint(ctx); {
	case ctx.Err() != nil:
	case err != nil:
		s.logger.Error("writing the checkpoint", "error", err)
	case before != nil:
		s.logger.Info("checkpoints are written again")
	}
}

func (s *Supervisor) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// reconcile starts, changes and stops followers.
func (s *Supervisor) reconcile(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[engine.Fingerprint]LogSpec{}
	var delay time.Duration
	for _, spec := range s.specs {
		id := spec.Source.LogID
		if _, twice := wanted[id]; twice {
			continue
		}
		wanted[id] = spec
		if f := s.followers[id]; f != nil {
			f.respec(spec)
			continue
		}
		s.start(ctx, spec, delay)
		delay += s.shared.settings().Stagger
	}
	for id, f := range s.followers {
		if _, ok := wanted[id]; !ok {
			f.stop("the log is no longer in the list")
		}
	}
	for operator := range s.pacers {
		if !slices.ContainsFunc(s.specs, func(l LogSpec) bool { return l.Source.Operator == operator }) {
			delete(s.pacers, operator)
			s.metrics.DeleteOperator(operator)
		}
	}
}

// start is called with mu held.
func (s *Supervisor) start(ctx context.Context, spec LogSpec, delay time.Duration) {
	id := spec.Source.LogID
	f := &follower{
		shared: &s.shared, source: spec.Source, verify: newVerifier(), chain: newChain(), accused: map[string]bool{},
		findings: make(chan finding, 1),
		logger:   s.logger.With("log", spec.Source.Name, "operator", spec.Source.Operator),
		pacer:    s.pacer(spec.Source.Operator),
		metrics:  s.metrics.Log(s.label(spec.Source), spec.Source.Operator),
		wake:     make(chan struct{}, 1),
	}
	f.spec.Store(&spec)
	f.saved = s.savedState(id)
	f.fetching, f.cancel = context.WithCancel(ctx)
	s.followers[id] = f
	s.running.Go(func() {
		f.run(ctx, delay)
		s.ended(id, f)
	})
}

// ended keeps what a follower knew, and starts it again where the list still wants it.
func (s *Supervisor) ended(id engine.Fingerprint, f *follower) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state, ok := f.snapshot(); ok {
		s.parked[id] = state
	}
	delete(s.followers, id)
	f.metrics.Delete()
	s.nudge()
}

// pacer is called with mu held.
func (s *Supervisor) pacer(operator string) *pacer {
	p := s.pacers[operator]
	if p == nil {
		p = newPacer(s.shared.settings().pace(operator))
		s.pacers[operator] = p
	}
	return p
}

// label is the log's name in metrics, made unique by its id where another followed log has the same. Called with mu held.
func (s *Supervisor) label(source *engine.Source) string {
	for _, f := range s.followers {
		if f.source.Name == source.Name && f.source.LogID != source.LogID {
			return source.Name + " " + hex.EncodeToString(source.LogID[:4])
		}
	}
	return source.Name
}

// savedState is called with mu held.
func (s *Supervisor) savedState(id engine.Fingerprint) *LogState {
	if state, ok := s.parked[id]; ok {
		return &state
	}
	if s.shared.store == nil {
		return nil
	}
	if state, ok := s.shared.store.Log(id); ok {
		return &state
	}
	return nil
}

// Status describes all followed logs, by name.
func (s *Supervisor) Status() []LogStatus {
	now := time.Now()
	s.mu.Lock()
	all := make([]LogStatus, 0, len(s.followers))
	for _, f := range s.followers {
		all = append(all, f.status(now))
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b LogStatus) int {
		return cmp.Or(strings.Compare(a.Source.Name, b.Source.Name), bytes.Compare(a.Source.LogID[:], b.Source.LogID[:]))
	})
	return all
}

// CatchUpRate is the number of entries per second that all backlogs together may emit now.
func (s *Supervisor) CatchUpRate() float64 { return s.shared.catchUp.rate(s.shared.settings()) }

func (s *Supervisor) refreshMetrics() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.followers {
		f.gauges()
	}
	for operator, p := range s.pacers {
		rate, until := p.now()
		s.metrics.Operator(operator, rate, max(time.Until(until).Seconds(), 0))
	}
	s.metrics.CatchUp(s.CatchUpRate())
}

// Checkpoint writes what a restart resumes from. It does nothing without a store.
func (s *Supervisor) Checkpoint(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.save(ctx, false)
}

// save reads all positions before the engine's head: so each entry numbered above the saved offset is above the saved
// positions too, and is read again after a crash.
func (s *Supervisor) save(ctx context.Context, clean bool) error {
	if s.shared.store == nil {
		return nil
	}
	s.checkpoint.Lock()
	defer s.checkpoint.Unlock()
	states, head := s.states(), s.shared.engine.Head()
	if s.sync != nil {
		if err := s.sync(ctx, head); err != nil { // then they are not kept, which is told there
			s.logger.Debug("a checkpoint is written though entries are not kept on disk", "error", err)
		}
	}
	err := s.shared.store.Save(states, head, clean)
	s.metrics.Checkpoint(err)
	s.saved.Store(&err)
	return err
}

// CheckpointError is why the last checkpoint could not be written; nil if it was, or none was due yet.
func (s *Supervisor) CheckpointError() error {
	if err := s.saved.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *Supervisor) states() map[engine.Fingerprint]LogState {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := make(map[engine.Fingerprint]LogState, len(s.followers)+len(s.parked))
	for id, state := range s.parked {
		states[id] = state
	}
	for id, f := range s.followers {
		if state, ok := f.snapshot(); ok {
			states[id] = state
		}
	}
	return states
}

// snapshot is what a checkpoint saves; nothing before the follower knows where it is.
func (f *follower) snapshot() (state LogState, ok bool) {
	f.look(func(v *view) {
		state = v.saved
		state.URL, state.Name, state.Position, state.Start = f.source.URL, f.source.Name, v.position, v.started
		state.Heard = v.success.UTC()
		state.Head = SavedHead{Size: v.head.Size, Timestamp: v.head.Timestamp, Root: bytes.Clone(v.head.Root[:]), Raw: v.head.Raw, Seen: v.heads.last()}
		ok = v.started.Kind != ""
	})
	return state, ok
}

// respec takes a changed entry of the list. A log that is read in another way is stopped and started again.
func (f *follower) respec(spec LogSpec) {
	old := f.spec.Load()
	if *old.Source != *spec.Source || old.Revision != spec.Revision {
		f.stop("the log's address or settings have changed")
		return
	}
	f.spec.Store(&spec)
	if (old.ReadOnly == nil) != (spec.ReadOnly == nil) {
		f.nudge()
	}
}

func (f *follower) stop(why string) {
	if f.stopping.CompareAndSwap(false, true) {
		f.logger.Info("following the log ends", "why", why, "position", f.position())
		f.cancel()
	}
}

func (f *follower) nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

var errClosed = errors.New("the state store is closed")
