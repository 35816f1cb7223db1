package follow

import (
	"sync"
	"time"
)

// BreakerState is the state of a log's circuit breaker.
type BreakerState string

// The states: requests flow; none flow; one probe is out.
const (
	BreakerClosed   BreakerState = "closed"
	BreakerOpen     BreakerState = "open"
	BreakerHalfOpen BreakerState = "half_open"
)

// breaker counts a log's failures in a row. After some it opens: nothing is asked of the log until a wait has passed, then one
// probe, the tree head, decides. It never gives up. It is safe for concurrent use; only the follower moves it.
type breaker struct {
	mu       sync.Mutex
	failures int
	until    time.Time
	state    BreakerState
}

// failed counts a failure and returns how long to wait: at least asked, which the log or the kind of failure demands.
func (b *breaker) failed(s *Settings, asked time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	wait := max(s.backoff(b.failures), min(asked, maxRetryAfter))
	b.until = time.Now().Add(wait)
	if b.failures >= s.BreakerAfter {
		b.state = BreakerOpen
	}
	return wait
}

// succeeded closes the breaker.
func (b *breaker) succeeded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.until, b.state = 0, time.Time{}, BreakerClosed
}

// probing says whether the next request is a probe: the wait of an open breaker is over, and it is half open now.
func (b *breaker) probing() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == BreakerOpen && !time.Now().Before(b.until) {
		b.state = BreakerHalfOpen
	}
	return b.state == BreakerHalfOpen
}

func (b *breaker) now() BreakerState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return or(b.state, BreakerClosed)
}
