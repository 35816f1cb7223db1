package publish

import (
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// Stream is what clients of one stream kind, framing and filter share: a feed, which exists as long as anybody reads it, and
// the means to make again what the feed no longer has.
type Stream struct {
	// Kind, Framing and Filter are what was subscribed to.
	Kind    message.Kind
	Framing feed.Framing
	Filter  *filter.Filter
	// Feed holds the frames.
	Feed *feed.Feed

	publisher *Publisher
	key       streamKey
	class     *filter.Class // nil without a filter
	blocks    blocks
	start     uint64 // the offset from which on the feed has everything
	readers   int    // guarded by Publisher.mu
}

type streamKey struct {
	kind    message.Kind
	framing feed.Framing
	filter  string
}

// Subscribe joins, or opens, the stream of a kind, framing and filter; the nil filter lets everything through. Close it when
// done. The error is a *filter.OverloadError.
func (p *Publisher) Subscribe(kind message.Kind, framing feed.Framing, f *filter.Filter) (*Stream, error) {
	key := streamKey{kind: kind, framing: framing}
	var class *filter.Class
	bound := p.options.FeedBytes
	if f != nil {
		var err error
		if class, err = p.options.Filters.Add(f); err != nil {
			return nil, err
		}
		key.filter = class.Key()
		if !f.All() {
			bound = min(bound, filteredFeedBytes)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.streams[key]
	if !ok {
		s = &Stream{Kind: kind, Framing: framing, Filter: f, publisher: p, key: key, class: class, start: p.from,
			Feed: feed.New(framing, p.from, bound)}
		p.streams[key] = s
		p.plan = nil
	}
	s.readers++
	return s, nil
}

// Close says that one reader has left.
func (s *Stream) Close() {
	p := s.publisher
	if s.class != nil {
		p.options.Filters.Remove(s.class)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.readers--; s.readers == 0 {
		delete(p.streams, s.key)
		p.plan = nil
	}
}

// Head is the offset up to which everything is in the feed, as far as it matches. The feed may be ahead of it.
func (s *Stream) Head() uint64 { return max(s.publisher.evaluated.Load(), s.start) }

// kinds is a set of stream kinds.
type kinds uint8

func (k kinds) has(kind message.Kind) bool { return k&(1<<kind) != 0 }

// feeds are the feeds of each kind.
type feeds struct {
	wanted kinds
	byKind [message.Kinds][]*feed.Feed
}

func (f *feeds) add(s *Stream) {
	f.wanted |= 1 << s.Kind
	f.byKind[s.Kind] = append(f.byKind[s.Kind], s.Feed)
}

// plan is who reads what: made when streams come or go, and never changed.
type plan struct {
	feeds   // of everybody who has no filter
	classes map[*filter.Class]*feeds
	all     []*Stream
	dedup   bool // some class asks for each certificate once
}

// begin fixes who gets a batch that ends at an offset: those who subscribe from now on begin behind it.
func (p *Publisher) begin(last uint64) *plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = last
	if p.plan == nil {
		p.plan = makePlan(p.streams)
	}
	return p.plan
}

func makePlan(streams map[streamKey]*Stream) *plan {
	made := &plan{classes: map[*filter.Class]*feeds{}}
	for _, s := range streams {
		made.all = append(made.all, s)
		made.dedup = made.dedup || s.Filter.Dedup()
		to := &made.feeds
		if s.class != nil {
			if to = made.classes[s.class]; to == nil {
				to = &feeds{}
				made.classes[s.class] = to
			}
		}
		to.add(s)
	}
	return made
}

// StreamInfo describes a stream that has readers.
type StreamInfo struct {
	Kind    message.Kind
	Framing feed.Framing
	// Filter is the canonical filter, empty without one.
	Filter  string
	Readers int
}

// Streams lists the streams that have readers, in no order.
func (p *Publisher) Streams() []StreamInfo {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]StreamInfo, 0, len(p.streams))
	for key, s := range p.streams {
		list = append(list, StreamInfo{key.kind, key.framing, key.filter, s.readers})
	}
	return list
}
