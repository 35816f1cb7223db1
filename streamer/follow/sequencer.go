package follow

import (
	"context"
	"sync"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// sequencer holds the ranges of a log that are being fetched, in index order: they arrive in any order and are taken in that
// one. A range that fails or is cut short leaves a hole at the front, which is fetched next. Only the follower uses it.
type sequencer struct {
	ranges []*fetchedRange
	done   sync.WaitGroup
}

type fetchedRange struct {
	start, end uint64
	cancel     context.CancelFunc
	arrived    chan struct{}
	batch      *ctlog.Batch // valid, as is err, once arrived is closed
	err        error
}

// next is the range that nobody is fetching yet: the hole before the first one, or what comes after the last one. Limit is
// where it must end, 0 for no limit.
func (q *sequencer) next(position uint64) (start, limit uint64) {
	switch {
	case len(q.ranges) == 0:
		return position, 0
	case q.ranges[0].start > position:
		return position, q.ranges[0].start
	}
	return q.ranges[len(q.ranges)-1].end, 0
}

// start fetches a range that next has named.
func (q *sequencer) start(ctx context.Context, start, end uint64, fetch func(context.Context) (*ctlog.Batch, error)) {
	ctx, cancel := context.WithCancel(ctx)
	r := &fetchedRange{start: start, end: end, cancel: cancel, arrived: make(chan struct{})}
	q.done.Go(func() {
		r.batch, r.err = fetch(ctx)
		cancel()
		close(r.arrived)
	})
	if len(q.ranges) > 0 && start < q.ranges[0].start {
		q.ranges = append([]*fetchedRange{r}, q.ranges...)
		return
	}
	q.ranges = append(q.ranges, r)
}

// take waits for the first range and removes it.
func (q *sequencer) take(ctx context.Context) (*fetchedRange, error) {
	first := q.ranges[0]
	select {
	case <-first.arrived:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	q.ranges = q.ranges[1:]
	return first, nil
}

// reset ends all fetches and forgets what has arrived.
func (q *sequencer) reset() {
	for _, r := range q.ranges {
		r.cancel()
	}
	q.done.Wait()
	for _, r := range q.ranges {
		r.batch.Release()
	}
	q.ranges = nil
}
