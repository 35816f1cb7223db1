package follow

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

const (
	minRate = 0.1 // requests per second; below that the logs' own backoff is what waits
	// burst is for how many seconds unused requests are kept, at least one request's worth.
	burst    = 0.3
	minBurst = 1.0
	// creep is how much of the rate is added by a success, and recovery by a second that a success ends, whichever is more: where
	// successes are rare, counting them alone would take hours. Near the last known limit it is a tenth of that. Below half of it,
	// where a storm of refusals has led, each success doubles the rate; well above it, it was no limit, and is forgotten.
	creep      = 0.02
	recovery   = 1.0 / 60
	nearLimit  = 0.9
	aboveLimit = 1.1
)

// pacer is a token bucket for all logs of one operator, whose requests get their turn in the order in which they came: no log's
// backlog starves another log. It finds the operator's limit by itself: a 429 halves the rate, and requests that had to wait for
// the bucket and succeed let it creep up again, slowly from just below where it last hurt.
type pacer struct {
	mu      sync.Mutex
	pace    Pace
	rate    float64 // requests per second
	limit   float64 // the rate at the last 429 that came after a success, at least half of what it was; 0: not known
	refused bool    // the last answer was a 429
	tokens  float64
	filled  time.Time // when tokens was right
	halved  time.Time
	grown   time.Time // when the rate last changed
	until   time.Time // what Retry-After asked for
	waiting bool      // the last request had to wait for its token
	queue   []*ticket // requests that wait
}

// ticket is a waiting request's place.
type ticket struct{ _ byte }

func newPacer(p Pace) *pacer {
	return &pacer{pace: p, rate: p.Rate, tokens: minBurst, filled: time.Now(), grown: time.Now()}
}

// set changes the bounds. The rate that was found stays, unless the starting rate itself has changed.
func (p *pacer) set(pace Pace) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if pace.Rate != p.pace.Rate {
		p.rate, p.limit = pace.Rate, 0
	}
	p.pace = pace
	p.rate = min(p.rate, pace.Max)
}

// wait blocks until the operator may be asked again.
func (p *pacer) wait(ctx context.Context) error {
	t := new(ticket)
	p.mu.Lock()
	p.queue = append(p.queue, t)
	p.mu.Unlock()
	for {
		d := p.take(t)
		if d <= 0 {
			return ctx.Err()
		}
		if !sleep(ctx, d) {
			p.leave(t)
			return ctx.Err()
		}
	}
}

// take takes a token for the first request in the queue, or says how long this one waits for its turn.
func (p *pacer) take(t *ticket) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if d := p.until.Sub(now); d > 0 {
		return d
	}
	p.tokens = min(p.tokens+now.Sub(p.filled).Seconds()*p.rate, max(minBurst, p.rate*burst))
	p.filled = now
	ahead := slices.Index(p.queue, t)
	if missing := float64(ahead+1) - p.tokens; missing > 0 {
		p.waiting = true
		return time.Duration(missing/p.rate*float64(time.Second)) + time.Microsecond // never 0: that is a token
	}
	p.tokens--
	p.queue = slices.Delete(p.queue, ahead, ahead+1)
	return 0
}

// leave gives up a request's place.
func (p *pacer) leave(t *ticket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if at := slices.Index(p.queue, t); at >= 0 {
		p.queue = slices.Delete(p.queue, at, at+1)
	}
}

// learn adjusts the rate by how a request ended.
func (p *pacer) learn(o ctlog.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if o.RetryAfter > 0 {
		if until := now.Add(min(o.RetryAfter, maxRetryAfter)); until.After(p.until) {
			p.until, p.tokens, p.filled = until, 0, until // no burst when the pause is over
		}
	}
	switch o.Kind {
	case ctlog.RateLimited, ctlog.Forbidden:
		p.halve(now)
	case "":
		p.refused = false
		if p.waiting {
			p.creepUp(now)
		}
	}
}

// halve slows down, once for all requests that were in flight together.
func (p *pacer) halve(now time.Time) {
	interval := time.Duration(float64(time.Second) / p.rate)
	if now.Sub(p.halved) < max(interval, time.Second) {
		return
	}
	// One refusal at a rate that was fine before says little about the limit: an outage refuses at any rate.
	if p.halved, p.grown = now, now; !p.refused {
		p.limit, p.refused = max(p.rate, p.limit/2), true
	}
	p.rate = max(p.rate/2, minRate)
	p.tokens = 0
}

func (p *pacer) creepUp(now time.Time) {
	share := max(creep, recovery*min(now.Sub(p.grown).Seconds(), 1/minRate))
	p.waiting, p.grown = false, now
	step := p.rate * share
	switch {
	case p.rate < p.limit/2:
		step = min(p.rate, p.limit/2-p.rate)
	case p.rate > p.limit*aboveLimit:
		p.limit = 0
	case p.rate > p.limit*nearLimit:
		step /= 10
	}
	p.rate = min(p.rate+step, p.pace.Max)
}

// now is the rate in requests per second, and the time until which the operator asked to be left alone.
func (p *pacer) now() (rate float64, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.rate, p.until
}

// perLog is the shortest time between two requests to one log.
func (p *pacer) perLog() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pace.PerLog
}
