package follow

import (
	"context"
	"sync"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// issuerRetry is how long an issuer that could not be had is left alone.
const issuerRetry = 10 * time.Minute

// issuerFetcher reads issuing certificates of a tiled log beside the stream: a missing one never delays a message.
type issuerFetcher struct {
	mu      sync.Mutex
	wanted  []engine.Fingerprint
	running bool
	failed  map[engine.Fingerprint]time.Time
}

// wantIssuer asks for an issuer that is not known yet.
func (f *follower) wantIssuer(fp engine.Fingerprint) {
	if f.shared.issuers.Has(fp) {
		return
	}
	q := &f.issuers
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.wanted) >= maxWantedIssuers || time.Since(q.failed[fp]) < issuerRetry {
		return
	}
	for _, known := range q.wanted {
		if known == fp {
			return
		}
	}
	q.wanted = append(q.wanted, fp)
	if !q.running {
		q.running = true
		log, ctx := f.log, f.fetching
		f.helpers.Go(func() { f.fetchIssuers(ctx, log) })
	}
}

// fetchIssuers works the wanted ones off.
func (f *follower) fetchIssuers(ctx context.Context, log ctlog.Log) {
	for {
		fp, ok := f.issuers.first()
		if !ok {
			return
		}
		var err error
		if !f.shared.issuers.Has(fp) {
			err = f.fetchIssuer(ctx, log, fp)
		}
		f.issuers.finish(fp, err)
	}
}

func (f *follower) fetchIssuer(ctx context.Context, log ctlog.Log, fp engine.Fingerprint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	der, err := log.Issuer(ctx, ctlog.Hash(fp))
	if err != nil {
		f.logger.Debug("an issuing certificate could not be had; chains go without it", "fingerprint", ctlog.Hash(fp), "error", err)
		return err
	}
	f.shared.issuers.Intern(der)
	return nil
}

func (q *issuerFetcher) first() (engine.Fingerprint, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.wanted) == 0 {
		q.running = false
		return engine.Fingerprint{}, false
	}
	return q.wanted[0], true
}

// finish removes an issuer from those wanted; a failed one is not asked for again for a while.
func (q *issuerFetcher) finish(fp engine.Fingerprint, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wanted = q.wanted[1:]
	if err == nil {
		delete(q.failed, fp)
		return
	}
	if q.failed == nil || len(q.failed) >= maxWantedIssuers {
		q.failed = map[engine.Fingerprint]time.Time{}
	}
	q.failed[fp] = time.Now()
}
