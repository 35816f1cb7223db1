package streamer

import (
	"context"
	"sync"
	"time"
)

const (
	throughputEvery  = 2 * time.Second
	throughputWindow = 30 // samples: a minute
)

// throughput is the rate of entries over the last minute.
type throughput struct {
	mu      sync.Mutex
	samples []sample
}

type sample struct {
	at   time.Time
	head uint64
}

// run samples the engine's head until ctx ends.
func (t *throughput) run(ctx context.Context, head func() uint64) {
	tick := time.NewTicker(throughputEvery)
	defer tick.Stop()
	for {
		t.add(sample{time.Now(), head()})
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (t *throughput) add(s sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.samples = append(t.samples, s)
	t.samples = t.samples[max(0, len(t.samples)-throughputWindow):]
}

// perSecond is the rate from the oldest sample until now.
func (t *throughput) perSecond(head uint64) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.samples) == 0 {
		return 0
	}
	first := t.samples[0]
	return float64(head-first.head) / max(time.Since(first.at).Seconds(), 0.001)
}
