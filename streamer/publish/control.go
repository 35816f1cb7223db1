package publish

import (
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// Skipped tells every client that a follower has skipped entries of a log, from index from up to, not including, to: as the
// user configured. Call it before appending what follows; clients are told before they get that.
func (p *Publisher) Skipped(log string, from, to uint64) {
	gap := message.Gap{Reason: message.GapIngest, Missed: to - from, Log: log, FromIndex: from, ToIndex: to}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.untold = append(p.untold, notice{json: message.AppendGap(nil, gap)})
	p.options.Metrics.Gaps.WithLabelValues(string(message.GapIngest)).Inc()
}

// tell appends the notices that nobody has been told yet to all feeds.
func (p *Publisher) tell(plan *plan) {
	p.mu.Lock()
	fresh, offset := p.untold, p.Head()
	p.untold = nil
	for i := range fresh {
		fresh[i].offset = offset
		p.told = append(p.told, fresh[i])
	}
	p.told = p.told[max(0, len(p.told)-keptNotices):]
	p.mu.Unlock()
	for _, n := range fresh {
		p.cursor = p.Cursor(offset).Append(p.cursor[:0])
		for _, s := range plan.all {
			s.Feed.Append(feed.Gap, offset, p.cursor, n.json)
		}
	}
}

// Notices returns, framed, the ingest gaps at or behind an offset, for a client that goes on after it. One may come twice.
func (s *Stream) Notices(dst []byte, after uint64) []byte {
	p := s.publisher
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range p.told {
		if n.offset >= after {
			cursor := p.Cursor(after).Append(nil)
			dst = feed.AppendFrame(dst, s.Framing, feed.Gap, cursor, n.json)
		}
	}
	return dst
}

// tick appends a heartbeat to every feed, now and then a ping, and lets feeds forget what is old.
func (p *Publisher) tick(now time.Time) {
	offset := p.Head()
	plan := p.begin(offset)
	p.tell(plan)
	p.cursor = p.Cursor(offset).Append(p.cursor[:0])
	p.text = message.AppendHeartbeat(p.text[:0], now, p.Cursor(offset))
	p.beat++
	for _, s := range plan.all {
		s.Feed.Append(feed.Heartbeat, offset, p.cursor, p.text)
		if p.beat%pingEvery == 0 {
			s.Feed.Ping(offset)
		}
		s.Feed.Tick()
		s.Feed.Publish()
		s.blocks.forget()
	}
	(*p.wake.Load())()
}

// Heartbeat appends a heartbeat for one client: everything up to the offset has been evaluated for it.
func (s *Stream) Heartbeat(dst []byte, offset uint64) []byte {
	c := s.publisher.Cursor(offset)
	return feed.AppendFrame(dst, s.Framing, feed.Heartbeat, c.Append(nil), message.AppendHeartbeat(nil, time.Now(), c))
}

// Gap appends a gap notice for one client, and counts it.
func (s *Stream) Gap(dst []byte, g message.Gap) []byte {
	s.publisher.options.Metrics.Gaps.WithLabelValues(string(g.Reason)).Inc()
	return feed.AppendFrame(dst, s.Framing, feed.Gap, g.To.Append(nil), message.AppendGap(nil, g))
}
