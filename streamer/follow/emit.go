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
		f.takeCrossed()
		if err != nil {
			return fmt.Errorf("handing entries on: %w", err)
		}
		entries = entries[len(chunk):]
	}
	return nil
}

// append emits those of a chunk that have not been emitted before, and returns how many of the chunk are done with.
func (f *follower) append(ctx context.Context, chunk []ctlog.Entry) (taken int, err error) {
	s := f.shared.borrow()
	defer f.shared.giveBack(s)
	now := time.Now().UnixMilli()
	for i := range chunk {
		if f.emitted(&chunk[i]) {
			continue
		}
		s.batch = append(s.batch, f.convert(s, &chunk[i], now))
	}
	taken = len(chunk)
	if len(s.batch) > 0 {
		_, n, appendErr := f.appender()(ctx, s.batch)
		if appendErr != nil && n < len(s.batch) {
			taken, err = int(s.batch[n].Index-chunk[0].Index), appendErr
		}
		if n > 0 {
			f.countEmitted(n, s.batch[n-1].Timestamp)
		}
	}
	return taken, err
}

// appender is the engine's way to take what is live, or a backlog.
func (f *follower) appender() func(context.Context, []engine.Entry) (uint64, int, error) {
	if f.shared.backlog != nil && !f.live() {
		return f.shared.backlog
	}
	return f.shared.engine.Append
}

// scratch is what a chunk is converted in. Followers share a few: most of sixty have nothing to convert at any moment.
type scratch struct {
	batch  []engine.Entry
	chains []engine.Fingerprint
}

func (s *shared) borrow() *scratch {
	if b, ok := s.scratches.Get().(*scratch); ok {
		return b
	}
	return &scratch{}
}

func (s *shared) giveBack(b *scratch) {
	clear(b.batch) // the certificates' memory belongs to the range
	b.batch, b.chains = b.batch[:0], b.chains[:0]
	s.scratches.Put(b)
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
func (f *follower) convert(s *scratch, e *ctlog.Entry, seen int64) engine.Entry {
	at := len(s.chains)
	for _, der := range e.Chain {
		s.chains = append(s.chains, f.shared.issuers.Intern(der))
	}
	for _, fp := range e.Issuers {
		s.chains = append(s.chains, engine.Fingerprint(fp))
		f.wantIssuer(engine.Fingerprint(fp))
	}
	return engine.Entry{
		Source:    f.source,
		Index:     e.Index,
		Timestamp: e.Timestamp,
		Seen:      seen,
		Type:      engine.EntryType(e.Type),
		DER:       e.Certificate,
		Chain:     s.chains[at:len(s.chains):len(s.chains)],
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
