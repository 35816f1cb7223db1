package follow

import (
	"context"
	"math/rand/v2"
	"time"
)

// longAfter is the number of failures in a row after which the long wait holds.
const longAfter = 10

// maxRetryAfter bounds what a log may ask for.
const maxRetryAfter = 10 * time.Minute

// backoff is the wait after the n-th failure in a row (n ≥ 1): full jitter over an exponentially growing span, so that the
// clients of a log that comes back do not all come back at once.
func (s *Settings) backoff(n int) time.Duration {
	limit := s.BackoffCap
	if n > longAfter {
		limit = s.BackoffLong
	}
	span := s.BackoffFloor << min(n, 20)
	if span > limit || span <= 0 {
		span = limit
	}
	return s.BackoffFloor + jitter(span-s.BackoffFloor)
}

// jitter is a random time from 0 up to d.
func jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d + 1)
}

// sleep waits; it says whether the time passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
