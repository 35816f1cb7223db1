package follow

import (
	"context"
	"fmt"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// emit hands entries to the engine, in chunks so that the position moves with them, and then adds their hashes to the tree.
func (f *follower) emit(ctx context.Context, entries []ctlog.Entry) error {
	for len(entries) > 0 {
		chunk := entries[:min(len(entries), appendChunk)]
		taken, err := f.append(ctx, chunk)
		for i := range chunk[:taken] {
			f.verify.add(chunk[i].LeafHash)
		}
		f.moved(taken)
		if err != nil {
			return fmt.Errorf("handing entries on: %w", err)
		}
		entries = entries[len(chunk):]
	}
	return nil
}

// append emits those of a chunk that have not been emitted before, and returns how many of the chunk are done with.
func (f *follower) append(ctx context.Context, chunk []ctlog.Entry) (taken int, err error) {
	now := time.Now().UnixMilli()
	f.batch, f.chains = f.batch[:0], f.chains[:0]
	for i := range chunk {
		if f.emitted(&chunk[i]) {
			continue
		}
		f.batch = append(f.batch, f.convert(&chunk[i], now))
	}
	taken = len(chunk)
	if len(f.batch) > 0 {
		_, n, appendErr := f.shared.engine.Append(ctx, f.batch)
		if appendErr != nil && n < len(f.batch) {
			taken, err = int(f.batch[n].Index-chunk[0].Index), appendErr
		}
		f.countEmitted(n)
	}
	clear(f.batch) // the certificates' memory belongs to the range
	return taken, err
}

// emitted says whether an entry that is read a second time is the one that was emitted the first time.
func (f *follower) emitted(e *ctlog.Entry) bool {
	r := &f.rewind
	if e.Index >= r.to {
		return false
	}
	if i := e.Index - r.base; i < uint64(len(r.hashes)) && r.hashes[i] == e.LeafHash {
		return true
	}
	f.countRepeat()
	return false
}

// convert makes the engine's entry, which borrows from the log's.
func (f *follower) convert(e *ctlog.Entry, seen int64) engine.Entry {
	at := len(f.chains)
	for _, der := range e.Chain {
		f.chains = append(f.chains, f.shared.issuers.Intern(der))
	}
	for _, fp := range e.Issuers {
		f.chains = append(f.chains, engine.Fingerprint(fp))
		f.wantIssuer(engine.Fingerprint(fp))
	}
	return engine.Entry{
		Source:    f.source,
		Index:     e.Index,
		Timestamp: e.Timestamp,
		Seen:      seen,
		Type:      engine.EntryType(e.Type),
		DER:       e.Certificate,
		Chain:     f.chains[at:len(f.chains):len(f.chains)],
		Malformed: e.Malformed,
	}
}

// skipLag skips entries of a log that is further behind than the user allows, and says so.
func (f *follower) skipLag() {
	s, head := f.shared.settings(), f.latest()
	from := f.position()
	if head.Size <= from {
		return
	}
	tooMany := s.MaxLagEntries > 0 && head.Size-from > s.MaxLagEntries
	tooOld := s.MaxLag > 0 && f.lag(time.Now()) > s.MaxLag
	if !tooMany && !tooOld {
		return
	}
	f.reads.reset()
	f.jump(head.Size)
	f.distrust("entries were skipped; the tree's proof at the new position is not here yet")
	f.verify.again = time.Time{}
	f.target = head
	f.countSkipped(head.Size - from)
	f.logger.Warn("skipped entries: the log was further behind than the configured maximum lag",
		"from", from, "to", head.Size, "entries", head.Size-from)
	if f.shared.onGap != nil {
		f.shared.onGap(f.source, from, head.Size)
	}
}
