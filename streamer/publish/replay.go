package publish

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// Bounds of one Replay.
const (
	replayBytes   = 32 << 10
	replayEntries = 512
	replayBatch   = 32
	blockEntries  = 64 // offsets in a block, which clients without a filter share
)

// Replay makes again what the stream's clients get after an offset, from the engine: some tens of kilobytes of it. The run may
// be shared and must not be changed; upTo is the offset up to which entries have been evaluated: the one given when there are
// none up to Head. engine.ErrExpired says that entries after the offset are gone, *engine.GapError exactly which. At most as many
// replays as there are lanes are encoded at a time; others wait. Reading from disk holds up nobody else. once is the client's, from
// the stream's Once.
func (s *Stream) Replay(after uint64, once *Once) (run feed.Run, upTo uint64, err error) {
	until := s.Head()
	first := after - after%blockEntries
	end := first + blockEntries
	if s.Filter.All() && end <= until && s.publisher.options.Engine.Oldest() <= first {
		if made, err := s.blocks.get(first, s); err == nil && made.run.Len() > 0 {
			return made.forClient(after, once), end, nil
		} // its begin has just expired, but perhaps not what this client needs; or a crash has left a hole of a million offsets
	}
	r := remade{once: once}
	r.run.Reset(after)
	upTo, err = s.evaluate(after, until, replayBytes, &r)
	return r.run, upTo, err
}

// remade is what is made again: for one client, or, where once is nil, for all.
type remade struct {
	once *Once
	run  feed.Run
	// ids are the certificates' identities, frame by frame, where the run is for all clients of a stream with deduplication.
	ids  []filter.ID
	kept uint64 // what is beyond this offset can still be read
}

// forClient is what of a run that is shared goes to a client that is at an offset.
func (r *remade) forClient(after uint64, once *Once) feed.Run {
	if once == nil {
		return r.run.After(after)
	}
	kept := once.stream.publisher.options.Engine.Oldest()
	var run feed.Run
	run.Reset(after)
	for i, id := range r.ids {
		offset := r.run.Offset(i)
		if offset > after && (id == filter.ID{} || !once.seen.Has(id, offset, kept)) {
			run.AppendFrom(&r.run, i)
		}
	}
	return run
}

// evaluate makes what the stream's clients get of the entries after an offset, until it has about so many bytes.
func (s *Stream) evaluate(after, until uint64, maxBytes int, r *remade) (upTo uint64, err error) {
	p := s.publisher
	var buf [replayBatch]engine.Entry
	upTo = after
	for evaluated := 0; upTo < until && evaluated < replayEntries && len(r.run.Bytes()) < maxBytes; {
		n, err := p.options.Engine.Read(upTo, buf[:])
		if err != nil && upTo > after {
			return upTo, nil // the next replay begins with what is wrong
		}
		if err != nil {
			return upTo, fmt.Errorf("reading entries after %d again: %w", upTo, err)
		}
		entries := buf[:n]
		for len(entries) > 0 && entries[len(entries)-1].Offset > until {
			entries = entries[:len(entries)-1]
		}
		if len(entries) == 0 {
			return until, nil // the rest of the offsets is a hole
		}
		if r.once != nil {
			r.kept = p.options.Engine.Oldest()
		}
		l := <-p.lenders
		for i := range entries {
			l.replay(&entries[i], s, r)
		}
		p.lenders <- l
		upTo = entries[len(entries)-1].Offset
		evaluated += len(entries)
		p.options.Metrics.Replayed.Add(float64(len(entries)))
	}
	return upTo, nil
}

// blocks are the runs of frames that were made again of late. When many clients have fallen behind together, as after a stall
// of the machine, or come back together after a restart, each block is made once for all of them: made for each, it would cost
// more than they could ever catch up.
type blocks struct {
	mu    sync.Mutex // held while a block is made, so that whoever wants the same one waits for it
	list  []block    // the one used last is last
	bytes int
}

type block struct {
	first uint64
	*remade
}

// get returns the run of the entries after first, to the block's end.
func (b *blocks) get(first uint64, s *Stream) (*remade, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.list) - 1; i >= 0; i-- {
		if found := b.list[i]; found.first == first {
			b.list = append(slices.Delete(b.list, i, i+1), found)
			return found.remade, nil
		}
	}
	made := block{first, &remade{}}
	made.run.Reset(first)
	upTo, err := s.evaluate(first, first+blockEntries, math.MaxInt, made.remade)
	if err == nil && upTo < first+blockEntries {
		err = engine.ErrExpired // there is a gap in it
	}
	if err != nil || made.run.Len() == 0 {
		return made.remade, err
	}
	b.list = append(b.list, made)
	b.bytes += len(made.run.Bytes())
	for b.bytes > s.publisher.options.FeedBytes && len(b.list) > 1 {
		b.bytes -= len(b.list[0].run.Bytes())
		b.list = slices.Delete(b.list, 0, 1)
	}
	return made.remade, nil
}

// forget drops all blocks, unless one is being made: those who need the same ones come at about the same time.
func (b *blocks) forget() {
	if !b.mu.TryLock() {
		return
	}
	defer b.mu.Unlock()
	b.list, b.bytes = nil, 0
}

// replay makes one entry again, if it matches, and a client with deduplication has not had it.
func (l *lane) replay(e *engine.Entry, s *Stream, r *remade) {
	l.begin(e)
	if !s.Filter.All() {
		subject := l.subject(e)
		if !s.Filter.Match(&subject) {
			return
		}
	}
	var id filter.ID
	if s.Filter.Dedup() {
		var ok bool
		if id, ok = l.identify(e); ok && r.once != nil && r.once.seen.Has(id, e.Offset, r.kept) {
			return
		}
	}
	json, ok := l.encoder.Append(l.json[:0], s.Kind)
	l.json = json
	if !ok {
		return
	}
	cursor := s.publisher.Cursor(e.Offset).Append(nil)
	r.run.Append(s.Framing, feed.Message, e.Offset, cursor, json)
	if s.Filter.Dedup() && r.once == nil {
		r.ids = append(r.ids, id)
	}
}

// Latest returns the newest messages of a kind, at most n, the newest last.
func (p *Publisher) Latest(kind message.Kind, n int) ([][]byte, error) {
	l := <-p.lenders
	defer func() { p.lenders <- l }()
	e := p.options.Engine
	head := e.Head()
	from := max(e.Oldest(), head-min(head, uint64(4*n))) // some have no message of this kind, some offsets are holes
	buf := make([]engine.Entry, 4*n)
	got, err := e.Read(from, buf)
	for gap := (*engine.GapError)(nil); errors.As(err, &gap); {
		got, err = e.Read(gap.To, buf)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the newest entries: %w", err)
	}
	var list [][]byte
	for i := got - 1; i >= 0 && len(list) < n; i-- {
		l.begin(&buf[i])
		if json, ok := l.encoder.Append(nil, kind); ok {
			list = append(list, json)
		}
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list, nil
}
