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
	// Workers is how many pods are asked at a time, 64, and half as many of those that failed last time; MaxBytes how long an
	// answer may be, 2 MiB: that of some 3,000 logs.
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
	o.Workers = or(o.Workers, 64)
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

	// reading and decoding bound what is done at a time.
	reading, decoding chan struct{}

	mu      sync.Mutex
	targets map[types.NamespacedName]*target
	// well are the targets that wait and answered last time, or were never asked; failed are the others.
	well, failed queue
	// asking is how many are asked now, reserved how many of them failed last time.
	asking, reserved int
}

// New makes a prober. It asks nobody before Start.
func New(o Options) *Prober {
	o = o.defaulted()
	return &Prober{
		options: o, client: newClient(&o), wake: make(chan struct{}, 1), targets: map[types.NamespacedName]*target{},
		reading: make(chan struct{}, atATime), decoding: make(chan struct{}, atATime),
	}
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
		p.well.add(known)
	case known.WantHash != t.WantHash || known.Restarts != t.Restarts:
		known.Target, known.wanted, known.backOff = t, now, 0
		p.queueOf(known).move(known, now)
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
		p.queueOf(t).remove(t)
	}
}

// queueOf is where a target waits. It changes only while the target is asked.
func (p *Prober) queueOf(t *target) *queue {
	if t.failures > 0 {
		return &p.failed
	}
	return &p.well
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
	var workers sync.WaitGroup
	p.schedule(ctx, func(t *target) { workers.Go(func() { p.probe(ctx, t) }) })
	workers.Wait()
	p.client.CloseIdleConnections()
	return nil
}

// schedule asks what is due.
func (p *Prober) schedule(ctx context.Context, ask func(*target)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		t, wait := p.next()
		if t != nil {
			ask(t)
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

// next takes a target that is due out of its queue, or says how long to wait. Those that failed come after the others, and half
// of the workers are never theirs: pods that hang delay none that answers.
func (p *Prober) next() (*target, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := p.options.Interval
	for _, q := range []*queue{&p.well, &p.failed} {
		reserved := q == &p.failed
		if len(*q) == 0 || p.asking >= p.options.Workers || reserved && p.reserved >= max(p.options.Workers/2, 1) {
			continue // the end of a question wakes the scheduler
		}
		t := (*q)[0]
		if until := time.Until(t.due); until > 0 {
			wait = min(wait, until)
			continue
		}
		q.remove(t)
		p.count(t, reserved, 1)
		return t, 0
	}
	return nil, wait
}

// count counts a target among those that are asked, or no more.
func (p *Prober) count(t *target, reserved bool, by int) {
	t.reserved = reserved
	p.asking += by
	if reserved {
		p.reserved += by
	}
}

func (p *Prober) awaken() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// firstWithin is how long the first answer of a pod may take. One that needs longer is asked again, in the failed ones' part.
const firstWithin = time.Second

// probe asks one pod, notes the answer, and tells if there is news.
func (p *Prober) probe(ctx context.Context, t *target) {
	p.mu.Lock()
	url, within := t.URL, p.options.Timeout
	if t.report == nil && t.failures == 0 {
		within = min(within, firstWithin)
	}
	p.mu.Unlock()
	report, err := p.fetch(ctx, url, within)
	if p.note(ctx, t, report, err) {
		p.options.Notify(t.key)
	}
}

// note keeps an answer and plans the next question. It says whether there is news.
func (p *Prober) note(ctx context.Context, t *target, report *Report, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(t, t.reserved, -1)
	p.awaken()
	if ctx.Err() != nil || p.targets[t.key] != t {
		return false // it ends, or was forgotten meanwhile, or another pod took its place
	}
	now := time.Now()
	news := t.take(report, err, now)
	delay := t.delay(now, p.spread())
	if p.figuresMatter(t) {
		in := t.publishIn(now)
		news = news || in == 0
		if in > 0 {
			delay = min(delay, in)
		}
	}
	t.due = now.Add(delay)
	p.queueOf(t).add(t)
	if news {
		p.options.Log.V(1).Info("the pod has news", "stream", t.key, "unreadable", t.report.Err != nil)
	}
	return news
}

// figuresMatter says whether the last report's figures should be published, as soon as they may.
func (p *Prober) figuresMatter(t *target) bool {
	return t.report != nil && t.last == nil && !t.report.Settling() && t.Published != nil && p.options.Significant(*t.Published, *t.report)
}

// spread is the interval, a little more or less.
func (p *Prober) spread() time.Duration {
	return time.Duration(float64(p.options.Interval) * (1 + max(p.options.Jitter, 0)*(2*rand.Float64()-1)))
}
