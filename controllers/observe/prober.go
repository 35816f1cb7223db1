package observe

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// Options say how pods are asked. What is zero gets its default.
type Options struct {
	// Interval is the time between two questions to a pod, 20 s, spread by Jitter, a tenth of it, or less than 0 for none;
	// Timeout how long an answer may take, 3 s.
	Interval, Timeout time.Duration
	Jitter            float64
	// Workers is how many pods are asked at a time, 16; MaxBytes how long an answer may be, 2 MiB: that of some 3,000 logs.
	Workers  int
	MaxBytes int64
	// Dial connects; nil does so directly.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Notify is told which stream has news. It must not block for long.
	Notify func(types.NamespacedName)
	// Significant says whether a report's figures differ enough from those published to publish them.
	Significant func(published v1alpha1.Figures, now Report) bool
	Log         logr.Logger
}

// defaulted fills in what is not set.
func (o Options) defaulted() Options {
	o.Interval = or(o.Interval, 20*time.Second)
	o.Timeout = or(o.Timeout, 3*time.Second)
	o.Jitter = or(o.Jitter, 0.1)
	o.Workers = or(o.Workers, 16)
	o.MaxBytes = or(o.MaxBytes, 2<<20)
	if o.Notify == nil {
		o.Notify = func(types.NamespacedName) {}
	}
	if o.Significant == nil {
		o.Significant = func(v1alpha1.Figures, Report) bool { return false }
	}
	return o
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Target is a pod to ask.
type Target struct {
	PodUID types.UID
	// URL is where it says its status: http://address:9090/status.
	URL string
	// Restarts counts how often its container was started anew: what it said before is then to be asked again.
	Restarts int32
	// WantHash is the configuration that it should come to run; until it says so, it is asked often. Empty waits for none.
	WantHash string
	// Published are the figures in the stream's status; nil when there are none.
	Published *v1alpha1.Figures
}

// Prober asks the pod of every stream for its status, again and again, and tells when something in it matters. It is a Runnable
// of the manager.
type Prober struct {
	options Options
	client  *http.Client
	// wake tells the scheduler that something is due sooner.
	wake chan struct{}

	mu      sync.Mutex
	targets map[types.NamespacedName]*target
	queue   queue
}

// New makes a prober. It asks nobody before Start.
func New(o Options) *Prober {
	o = o.defaulted()
	return &Prober{options: o, client: newClient(&o), wake: make(chan struct{}, 1), targets: map[types.NamespacedName]*target{}}
}

// Notify sets whom to tell which stream has news. It is for before Start.
func (p *Prober) Notify(f func(types.NamespacedName)) { p.options.Notify = f }

// NeedLeaderElection says that only the leader asks.
func (p *Prober) NeedLeaderElection() bool { return true }

// Watch has a stream's pod asked from now on. To call it again with the same target changes nothing; another pod, address or
// wanted configuration, and a container that was started anew, is asked at once. It says whether none was asked before.
func (p *Prober) Watch(key types.NamespacedName, t Target) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	known := p.targets[key]
	first = known == nil
	switch {
	case known == nil || known.PodUID != t.PodUID || known.URL != t.URL:
		p.drop(known)
		known = &target{Target: t, key: key, wanted: now, due: now}
		p.targets[key] = known
		p.queue.add(known)
	case known.WantHash != t.WantHash || known.Restarts != t.Restarts:
		known.Target, known.wanted = t, now
		p.queue.move(known, now)
	default:
		known.Target = t
		return first
	}
	p.awaken()
	return first
}

// Forget has a stream's pod asked no more.
func (p *Prober) Forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(p.targets[key])
	delete(p.targets, key)
}

func (p *Prober) drop(t *target) {
	if t != nil {
		p.queue.remove(t)
	}
}

// Report is what the pod of that UID last said; false when it has not been asked yet.
func (p *Prober) Report(key types.NamespacedName, uid types.UID) (Report, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.targets[key]
	if t == nil || t.PodUID != uid || t.report == nil {
		return Report{}, false
	}
	return *t.report, true
}

// Start asks until ctx ends, and returns when nobody is asked any more.
func (p *Prober) Start(ctx context.Context) error {
	jobs := make(chan *target)
	var workers sync.WaitGroup
	for range p.options.Workers {
		workers.Go(func() {
			for t := range jobs {
				p.probe(ctx, t)
			}
		})
	}
	p.schedule(ctx, jobs)
	close(jobs)
	workers.Wait()
	p.client.CloseIdleConnections()
	return nil
}

// schedule hands out what is due.
func (p *Prober) schedule(ctx context.Context, jobs chan<- *target) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		t, wait := p.next()
		if t != nil {
			select {
			case jobs <- t:
			case <-ctx.Done():
			}
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-ctx.Done():
		}
	}
}

// next takes a target that is due out of the queue, or says how long to wait.
func (p *Prober) next() (*target, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.queue) == 0 {
		return nil, p.options.Interval
	}
	if wait := time.Until(p.queue[0].due); wait > 0 {
		return nil, wait
	}
	t := p.queue[0]
	p.queue.remove(t)
	return t, 0
}

func (p *Prober) awaken() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// probe asks one pod, notes the answer, and tells if there is news.
func (p *Prober) probe(ctx context.Context, t *target) {
	p.mu.Lock()
	url := t.URL
	p.mu.Unlock()
	report, err := p.fetch(ctx, url)
	if ctx.Err() != nil {
		return
	}
	if p.note(t, report, err) {
		p.options.Notify(t.key)
	}
}

// note keeps an answer and plans the next question. It says whether there is news.
func (p *Prober) note(t *target, report *Report, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.targets[t.key] != t {
		return false // forgotten meanwhile, or another pod took its place
	}
	now := time.Now()
	news := t.take(report, err, now) || p.figuresMatter(t, now)
	t.due = now.Add(t.delay(now, p.spread()))
	p.queue.add(t)
	p.awaken()
	if news {
		p.options.Log.V(1).Info("the pod has news", "stream", t.key, "unreadable", t.report.Err != nil)
	}
	return news
}

// figuresMatter says whether the last report's figures should be published.
func (p *Prober) figuresMatter(t *target, now time.Time) bool {
	return t.report != nil && t.report.Err == nil && t.Published != nil &&
		now.Sub(t.Published.ObservedTime.Time) >= publishEvery && p.options.Significant(*t.Published, *t.report)
}

// spread is the interval, a little more or less.
func (p *Prober) spread() time.Duration {
	return time.Duration(float64(p.options.Interval) * (1 + max(p.options.Jitter, 0)*(2*rand.Float64()-1)))
}
