package serve

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// budget is processor time set aside for one purpose: a share of all time, of which a little can be saved up. What is done for
// strangers and stragglers goes by budgets, so that no number of them takes the processor from clients that keep up.
type budget struct {
	cores float64       // how much of a core, on average
	saved time.Duration // work that may be done at once after a rest

	mu   sync.Mutex
	paid time.Time // when all the work so far is paid for
}

// use notes work, and returns how long to wait before more is done for the same purpose.
func (b *budget) use(now time.Time, work time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rested := now.Add(-b.price(b.saved)); b.paid.Before(rested) {
		b.paid = rested
	}
	b.paid = b.paid.Add(b.price(work))
	return b.paid.Sub(now)
}

// price is the time in which the budget pays for work.
func (b *budget) price(work time.Duration) time.Duration {
	return time.Duration(float64(work) / b.cores)
}

// coresFor is a share of the processors.
func coresFor(share float64) float64 { return share * float64(runtime.GOMAXPROCS(0)) }

// turnstile lets work through a few at a time, and no more of it than a budget pays for.
type turnstile struct {
	slots  chan struct{}
	budget budget
}

func newTurnstile(slots int, share float64, saved time.Duration) *turnstile {
	return &turnstile{slots: make(chan struct{}, slots), budget: budget{cores: coresFor(share), saved: saved}}
}

// pass does work in its turn, and returns false without having done it when ctx ends first.
func (t *turnstile) pass(ctx context.Context, work func()) bool {
	select {
	case t.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-t.slots }()
	if pause(ctx, nil, t.budget.use(time.Now(), 0)); ctx.Err() != nil {
		return false
	}
	used := processorTime(work)
	t.budget.use(time.Now(), used)
	return true
}
