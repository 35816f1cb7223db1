// Package publish reads entries from the engine, parses each once, evaluates every filter class once, encodes it once per
// stream kind that somebody reads, and appends the frames to the feeds. What a client has missed it makes again.
package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// Defaults and bounds.
const (
	// DefaultHeartbeat is the contract's interval of heartbeats: a Go client re-dials after 15 s without a message.
	DefaultHeartbeat = 10 * time.Second
	// DefaultFeedBytes is how much a feed keeps: seconds of traffic, so that a full socket is no reason to encode again.
	DefaultFeedBytes = 2 << 20

	filteredFeedBytes = 256 << 10 // clients of one filter share few messages
	batchSize         = 128       // entries; a client's wake-up follows each batch
	laneMin           = 32        // entries worth a goroutine
	pingEvery         = 3         // heartbeats
	keptNotices       = 64        // ingest gaps that clients being caught up are told of
)

// Options configure a Publisher. Engine, Filters, Metrics and Log must be set; without Issuers, chains are empty.
type Options struct {
	Engine  engine.Engine
	Issuers message.Issuers
	// Filters holds the filters in use.
	Filters *filter.Set
	// FeedBytes bounds each feed; 0 means DefaultFeedBytes.
	FeedBytes int
	// Heartbeat is the interval of heartbeats; 0 means DefaultHeartbeat.
	Heartbeat time.Duration
	// Lanes is how many goroutines encode when there is a backlog; 0 means GOMAXPROCS.
	Lanes   int
	Metrics *telemetry.Fanout
	Log     *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.FeedBytes <= 0 {
		o.FeedBytes = DefaultFeedBytes
	}
	if o.Heartbeat <= 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	if o.Lanes <= 0 {
		o.Lanes = runtime.GOMAXPROCS(0)
	}
	return o
}

// Publisher fills the feeds. Run does the work; all other methods are safe for concurrent use.
type Publisher struct {
	options   Options
	epoch     string
	lanes     []*lane
	lenders   chan *lane // for replays: bounds how many run at a time
	evaluated atomic.Uint64
	wake      atomic.Pointer[func()]
	heartbeat atomic.Int64 // ns
	turned    atomic.Int64 // when Run last went round, in ns since 1970

	mu      sync.Mutex
	streams map[streamKey]*Stream
	plan    *plan  // nil when streams have changed
	from    uint64 // the end of the batch at work, or of the last
	told    []notice
	untold  []notice

	buf    []engine.Entry
	kept   uint64 // what is beyond this offset can still be read, at the batch at work
	cursor []byte
	text   []byte
	beat   int
}

// notice is an ingest gap: all entries up to the offset came before it.
type notice struct {
	offset uint64
	json   []byte
}

// New makes a publisher that begins at the engine's head.
func New(o Options) *Publisher {
	o = o.withDefaults()
	p := &Publisher{
		options: o,
		epoch:   o.Engine.Epoch(),
		lenders: make(chan *lane, o.Lanes),
		streams: map[streamKey]*Stream{},
		from:    o.Engine.Head(),
		buf:     make([]engine.Entry, batchSize),
	}
	for range o.Lanes {
		p.lanes = append(p.lanes, newLane(o))
		p.lenders <- newLane(o)
	}
	p.evaluated.Store(p.from)
	p.heartbeat.Store(int64(o.Heartbeat))
	p.OnPublish(func() {})
	return p
}

// OnPublish sets what is called, from Run's goroutine, whenever feeds have grown. It must not block.
func (p *Publisher) OnPublish(wake func()) { p.wake.Store(&wake) }

// SetHeartbeat changes the interval of heartbeats from the next one on.
func (p *Publisher) SetHeartbeat(d time.Duration) { p.heartbeat.Store(int64(d)) }

// Epoch is the engine's.
func (p *Publisher) Epoch() string { return p.epoch }

// Head is the offset up to which every entry is in the feeds.
func (p *Publisher) Head() uint64 { return p.evaluated.Load() }

// Run publishes until ctx ends, and returns nil then.
func (p *Publisher) Run(ctx context.Context) error {
	next := time.Now().Add(time.Duration(p.heartbeat.Load()))
	for ctx.Err() == nil {
		now := time.Now()
		p.turned.Store(now.UnixNano())
		if !now.Before(next) {
			p.tick(now)
			next = now.Add(time.Duration(p.heartbeat.Load()))
		}
		n, err := p.options.Engine.Read(p.Head(), p.buf)
		switch {
		case errors.Is(err, engine.ErrExpired):
			p.overrun(err)
		case err != nil:
			return fmt.Errorf("reading entries to publish: %w", err)
		case n > 0:
			p.publish(p.buf[:n])
		default:
			p.wait(ctx, next)
		}
	}
	return nil
}

// Stuck says how long Run has not gone round for: it does at least with each heartbeat. 0 before it has begun.
func (p *Publisher) Stuck() time.Duration {
	turned := p.turned.Load()
	if turned == 0 {
		return 0
	}
	return time.Since(time.Unix(0, turned))
}

// wait returns when there are entries, or at the time given.
func (p *Publisher) wait(ctx context.Context, until time.Time) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	_ = p.options.Engine.Wait(ctx, p.Head()) // it ends with an error when ctx does, which the caller looks at
}

// publish parses, encodes and appends a batch.
func (p *Publisher) publish(batch []engine.Entry) {
	start := time.Now()
	last := batch[len(batch)-1].Offset
	plan := p.begin(last)
	used := p.encode(batch, plan)
	p.tell(plan)
	if plan.dedup {
		p.kept = p.options.Engine.Oldest()
	}
	for _, l := range used {
		p.emit(l, plan)
	}
	for _, s := range plan.all {
		s.Feed.Publish()
	}
	p.evaluated.Store(last)
	p.options.Engine.Consumed(last)
	(*p.wake.Load())()
	p.count(batch, used, time.Since(start))
	clear(batch) // do not keep the engine's memory alive
}

// encode spreads a batch over lanes, in order.
func (p *Publisher) encode(batch []engine.Entry, plan *plan) []*lane {
	n := min(len(p.lanes), max(1, len(batch)/laneMin))
	var wait sync.WaitGroup
	for i := 1; i < n; i++ {
		part := batch[len(batch)*i/n : len(batch)*(i+1)/n]
		wait.Go(func() { p.lanes[i].encode(part, plan) })
	}
	p.lanes[0].encode(batch[:len(batch)/n], plan)
	wait.Wait()
	return p.lanes[:n]
}

// emit appends a lane's messages to the feeds.
func (p *Publisher) emit(l *lane, plan *plan) {
	for i := range l.items {
		it := &l.items[i]
		offset := it.entry.Offset
		p.cursor = engine.Cursor{Epoch: p.epoch, Offset: offset}.Append(p.cursor[:0])
		p.append(l, it, &plan.feeds, 0)
		for _, class := range l.matches[it.matches.from:it.matches.to] {
			to := plan.classes[class]
			if to == nil { // it came while the batch was at work
				continue
			}
			if prior, send := p.decide(class, it); send {
				p.append(l, it, to, prior)
			}
		}
	}
}

// append appends an entry's messages. prior, when not 0, is the offset of a copy that some clients have been given.
func (p *Publisher) append(l *lane, it *item, to *feeds, prior uint64) {
	for kind, json := range it.json {
		if json.empty() {
			continue
		}
		for _, f := range to.byKind[kind] {
			if text := l.json[json.from:json.to]; prior > 0 {
				f.AppendCopy(prior, it.entry.Offset, p.cursor, text)
			} else {
				f.Append(feed.Message, it.entry.Offset, p.cursor, text)
			}
		}
	}
}

// overrun goes on at the oldest entry kept: a burst has pushed out entries that nobody had read.
func (p *Publisher) overrun(err error) {
	from, to := p.Head(), p.options.Engine.Oldest()
	missed := to - min(from, to)
	if hole := (*engine.GapError)(nil); errors.As(err, &hole) {
		to, missed = hole.To, hole.Missed
	}
	p.options.Log.Error("entries were dropped before they could be sent; raise the window's size", "from", from, "to", to)
	gap := message.Gap{Reason: message.GapExpired, Missed: missed, From: p.Cursor(from), To: p.Cursor(to)}
	p.mu.Lock()
	p.untold = append(p.untold, notice{json: message.AppendGap(nil, gap)})
	p.mu.Unlock()
	plan := p.begin(to)
	p.evaluated.Store(to)
	p.tell(plan)
	for _, s := range plan.all {
		s.Feed.Publish()
	}
}

// Cursor is the cursor of an offset in this epoch.
func (p *Publisher) Cursor(offset uint64) engine.Cursor {
	return engine.Cursor{Epoch: p.epoch, Offset: offset}
}

// count updates the metrics for a batch.
func (p *Publisher) count(batch []engine.Entry, used []*lane, took time.Duration) {
	m := p.options.Metrics
	m.Entries.Add(float64(len(batch)))
	m.Parse.Observe(took.Seconds() / float64(len(batch)))
	now := time.Now().UnixMilli()
	for i := range batch {
		m.IngestDelay.Observe(float64(now-int64(batch[i].Timestamp)) / 1000)
	}
	for _, l := range used {
		for _, e := range l.damaged {
			m.ParseErrors.WithLabelValues(e.Source.Name).Inc()
		}
	}
}
