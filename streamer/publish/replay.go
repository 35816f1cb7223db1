package publish

import (
	"fmt"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// Bounds of one Replay.
const (
	replayBytes   = 32 << 10
	replayEntries = 512
	replayBatch   = 32
)

// Replay makes again what the stream's clients get after an offset, from the engine: some tens of kilobytes of it, into run,
// which it empties first. It returns the offset up to which entries have been evaluated; it is the one given when there are
// none up to Head. engine.ErrExpired says that entries after the offset are gone. At most as many replays as there are lanes
// run at a time; others wait.
func (s *Stream) Replay(after uint64, run *feed.Run) (upTo uint64, err error) {
	p := s.publisher
	l := <-p.lenders
	defer func() { p.lenders <- l }()
	run.Reset(after)
	var buf [replayBatch]engine.Entry
	upTo, until := after, s.Head()
	for evaluated := 0; upTo < until && evaluated < replayEntries && len(run.Bytes()) < replayBytes; {
		n, err := p.options.Engine.Read(upTo, buf[:])
		if err != nil {
			return upTo, fmt.Errorf("reading entries after %d again: %w", upTo, err)
		}
		entries := buf[:n]
		for len(entries) > 0 && entries[len(entries)-1].Offset > until {
			entries = entries[:len(entries)-1]
		}
		if len(entries) == 0 {
			upTo = until // the rest of the offsets is a hole
			break
		}
		for i := range entries {
			l.replay(&entries[i], s, run)
		}
		upTo = entries[len(entries)-1].Offset
		evaluated += len(entries)
		p.options.Metrics.Replayed.Add(float64(len(entries)))
	}
	return upTo, nil
}

// replay appends one entry, if it matches.
func (l *lane) replay(e *engine.Entry, s *Stream, run *feed.Run) {
	l.begin(e)
	if s.Filter != nil {
		subject := l.subject(e)
		if !s.Filter.Match(&subject) {
			return
		}
	}
	json, ok := l.encoder.Append(l.json[:0], s.Kind)
	l.json = json
	if ok {
		cursor := s.publisher.Cursor(e.Offset).Append(nil)
		run.Append(s.Framing, feed.Message, e.Offset, cursor, json)
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
