package loglist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// Options are what a Manager works by.
type Options struct {
	// Sources are joined by log id; of a log in several the first source's entry counts.
	Sources []Source
	// Refresh is the time between two looks at each source, jittered by a tenth; an hour when 0.
	Refresh time.Duration
	// Selection and Custom say which logs to follow.
	Selection Selection
	Custom    []Custom
}

// Deps are what a Manager works with.
type Deps struct {
	// Client makes the requests. Proxies, roots and the refusal of private addresses are its transport's business.
	Client    *http.Client
	UserAgent string
	// Dir is where the last good lists are kept; empty keeps none.
	Dir     string
	Logger  *slog.Logger
	Metrics *telemetry.LogList
}

// Times of retries and requests.
const (
	defaultRefresh = time.Hour
	firstRetry     = 5 * time.Second
	lastRetry      = 5 * time.Minute
	lastRetryEmpty = time.Minute // as long as there is no list: nothing is followed meanwhile
	fetchTimeout   = time.Minute
)

// Manager keeps the log list. All methods are safe for concurrent use.
type Manager struct {
	deps  Deps
	fetch fetcher
	store store
	poke  chan struct{}

	mu    sync.Mutex
	opts  Options
	feeds []*feed
	// held are the logs of the sources before the last change of sources, until each new one has a list.
	held    []Log
	current *Snapshot
}

// Snapshot is what to follow. It is immutable.
type Snapshot struct {
	// Decisions are about all logs known, followed or not.
	Decisions []Decision
	// Changed is closed when a newer snapshot is there.
	Changed chan struct{}
}

// Followed are the logs to follow.
func (s *Snapshot) Followed() []Log {
	var logs []Log
	for _, d := range s.Decisions {
		if d.Followed {
			logs = append(logs, d.Log)
		}
	}
	return logs
}

// feed is one source and its list in force.
type feed struct {
	source   Source
	list     *List
	copy     *copied
	fromDisk bool
	// err is of the last look; failures are those in a row.
	err      error
	failures int
	checked  time.Time
	due      time.Time
}

// New makes a Manager that knows already what an earlier one has kept, and the custom logs.
func New(o Options, d Deps) *Manager {
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Metrics == nil {
		d.Metrics = telemetry.NewLogList(prometheus.NewRegistry())
	}
	if d.Client == nil {
		d.Client = http.DefaultClient
	}
	m := &Manager{
		deps: d, fetch: fetcher{client: d.Client, userAgent: d.UserAgent}, store: store{dir: d.Dir},
		poke: make(chan struct{}, 1),
	}
	m.Update(o)
	return m
}

// Current is what to follow now.
func (m *Manager) Current() *Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current
}

// Update changes the options while running. Sources that stay keep their lists.
func (m *Manager) Update(o Options) {
	if o.Refresh <= 0 {
		o.Refresh = defaultRefresh
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !reflect.DeepEqual(o.Sources, m.opts.Sources) {
		m.held = m.join()
		m.feeds = m.newFeeds(o.Sources)
	}
	for _, f := range m.feeds {
		if next := time.Now().Add(o.Refresh); f.due.After(next) {
			f.due = next
		}
	}
	m.opts = o
	m.publish()
	select {
	case m.poke <- struct{}{}:
	default:
	}
}

// newFeeds takes over the feeds of sources that stay and reads what is kept on disk of the others.
func (m *Manager) newFeeds(sources []Source) []*feed {
	var feeds []*feed
	for _, s := range sources {
		feeds = append(feeds, m.newFeed(s))
	}
	return feeds
}

func (m *Manager) newFeed(s Source) *feed {
	for _, f := range m.feeds {
		if reflect.DeepEqual(f.source, s) {
			return f
		}
	}
	f := &feed{source: s}
	kept, err := m.store.load(s)
	if err == nil && kept != nil {
		f.list, err = s.check(kept)
	}
	if err != nil {
		m.deps.Logger.Warn("the log list kept from before is not used", "source", s.Name, "error", err)
		return f
	}
	if kept != nil {
		f.copy, f.fromDisk = kept, true
		m.deps.Logger.Info("log list read from disk", "source", s.Name, "version", f.list.Version, "fetched", kept.Fetched)
	}
	return f
}

// join makes one list of those in force.
func (m *Manager) join() []Log {
	var logs []Log
	seen := make(map[[32]byte]bool)
	add := func(more []Log) {
		for _, l := range more {
			if !seen[l.ID] {
				seen[l.ID] = true
				logs = append(logs, l)
			}
		}
	}
	complete := true
	for _, f := range m.feeds {
		if f.list == nil {
			complete = false
			continue
		}
		add(f.list.Logs)
	}
	if complete {
		m.held = nil
	}
	add(m.held)
	return logs
}

// publish resolves what to follow and, when it has changed, makes it the current snapshot.
func (m *Manager) publish() {
	decisions := Resolve(m.join(), m.opts.Custom, m.opts.Selection)
	m.count(decisions)
	if m.current != nil && reflect.DeepEqual(m.current.Decisions, decisions) {
		return
	}
	before := m.current
	m.current = &Snapshot{Decisions: decisions, Changed: make(chan struct{})}
	if before != nil {
		close(before.Changed)
	}
}

func (m *Manager) count(decisions []Decision) {
	followed, warnings := 0, 0
	for _, d := range decisions {
		if d.Followed {
			followed++
		}
	}
	for _, f := range m.feeds {
		if f.list != nil {
			warnings += len(f.list.Warnings)
		}
	}
	m.deps.Metrics.Followed.Set(float64(followed))
	m.deps.Metrics.Left.Set(float64(len(decisions) - followed))
	m.deps.Metrics.Warnings.Set(float64(warnings))
}

// Run looks at the sources, now and from time to time, until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-m.poke:
		case <-timer.C:
		}
		m.Refresh(ctx)
		timer.Reset(time.Until(m.nextDue()))
	}
}

// Refresh looks once at every source that is due, for those who do not want Run. It must not be called while Run runs.
func (m *Manager) Refresh(ctx context.Context) {
	m.mu.Lock()
	var due []*feed
	for _, f := range m.feeds {
		if !f.due.After(time.Now()) {
			due = append(due, f)
		}
	}
	m.mu.Unlock()
	for _, f := range due {
		if ctx.Err() == nil {
			m.look(ctx, f)
		}
	}
}

// nextDue is when the next source is to be looked at.
func (m *Manager) nextDue() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := time.Now().Add(m.opts.Refresh)
	for _, f := range m.feeds {
		if f.due.Before(next) {
			next = f.due
		}
	}
	return next
}

// look fetches, checks and takes over one source's list. Only the goroutine of Run changes feeds, so reading them needs no lock.
func (m *Manager) look(ctx context.Context, f *feed) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	got, err := m.fetch.get(ctx, f.source, f.copy)
	var list *List
	if err == nil {
		list, err = f.take(got)
	}
	if err == nil {
		if serr := m.store.save(f.source, got); serr != nil {
			m.deps.Logger.Warn("the log list is in use, but a restart without network will not have it", "error", serr)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settle(f, list, got, err)
}

// errOlder refuses a list that was made before the one in force.
var errOlder = errors.New("the list is older than the one in force")

// take checks a list just fetched against the one in force.
func (f *feed) take(got *copied) (*List, error) {
	if f.copy != nil && string(got.Body) == string(f.copy.Body) && string(got.Signature) == string(f.copy.Signature) {
		return nil, errUnchanged
	}
	list, err := f.source.check(got)
	if err != nil {
		return nil, err
	}
	if f.list != nil && list.Sequence < f.list.Sequence {
		return nil, fmt.Errorf("%w: version %s after %s", errOlder, list.Version, f.list.Version)
	}
	return list, nil
}

// settle records how a look ended.
func (m *Manager) settle(f *feed, list *List, got *copied, err error) {
	now := time.Now()
	outcome := outcomeOf(err)
	m.deps.Metrics.Fetches.WithLabelValues(f.source.Name, outcome).Inc()
	if err != nil && outcome != outcomeUnchanged {
		m.failed(f, now, outcome, err)
		return
	}
	if list != nil {
		f.list, f.copy = list, got
		m.deps.Logger.Info("log list changed", "source", f.source.Name, "version", list.Version, "logs", len(list.Logs),
			"left_out", len(list.Warnings))
		for _, w := range list.Warnings {
			m.deps.Logger.Warn("log list entry left out", "source", f.source.Name, "reason", w)
		}
	} else if f.failures > 0 {
		m.deps.Logger.Info("log list is current again", "source", f.source.Name)
	}
	f.err, f.failures, f.fromDisk, f.checked = nil, 0, false, now
	f.due = now.Add(jitter(m.opts.Refresh))
	m.gauges(f)
	m.publish()
}

// failed keeps the list in force, says so, and tries again sooner than after a success.
func (m *Manager) failed(f *feed, now time.Time, outcome string, err error) {
	f.err, f.failures = err, f.failures+1
	last := lastRetry
	if f.list == nil {
		last = lastRetryEmpty
	}
	f.due = now.Add(jitter(min(firstRetry<<min(f.failures-1, 10), last, m.opts.Refresh)))
	m.gauges(f)
	args := []any{"source", f.source.Name, "outcome", outcome, "error", err, "next_try", f.due.Sub(now).Round(time.Second)}
	if f.list == nil {
		m.deps.Logger.Error("there is no log list yet", args...)
		return
	}
	args = append(args, "version", f.list.Version, "fetched", f.copy.Fetched)
	m.deps.Logger.Warn("the last good log list stays in force", args...)
}

func (m *Manager) gauges(f *feed) {
	name, stale := f.source.Name, 0.0
	if f.err != nil {
		stale = 1
	} else {
		m.deps.Metrics.Fetched.WithLabelValues(name).Set(float64(f.checked.Unix()))
	}
	m.deps.Metrics.Stale.WithLabelValues(name).Set(stale)
	if f.list != nil && !f.list.Timestamp.IsZero() {
		m.deps.Metrics.Timestamp.WithLabelValues(name).Set(float64(f.list.Timestamp.Unix()))
	}
}

// jitter moves a time by up to a tenth either way.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
