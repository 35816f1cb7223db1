package serve

import (
	"context"
	"sync"
	"syscall"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/publish"
)

// writer is what a goroutine needs to write for clients, one after the other.
type writer struct {
	// run is what a client that is behind gets next, upTo what has been evaluated when all of it is out.
	run  feed.Run
	upTo uint64
	// fresh is where a part of a feed is put together for a client that does without some of it.
	fresh feed.Run
	// bytes and messages count what was written since they were last taken.
	bytes, messages int

	b   []byte
	n   int
	err error
	try func(fd uintptr) bool
}

func newWriter() *writer {
	w := &writer{}
	w.try = func(fd uintptr) bool {
		w.n, w.err = fdSink(fd).write(w.b)
		return true
	}
	return w
}

// rawSink writes to a socket, once, without blocking.
type rawSink struct {
	w   *writer
	raw syscall.RawConn
}

func (s rawSink) write(b []byte) (int, error) {
	s.w.b = b
	err := s.raw.Write(s.w.try)
	s.w.b = nil
	if err != nil {
		return 0, err
	}
	return s.w.n, s.w.err
}

// fdSink is a socket's descriptor, for whoever holds the socket for writing.
type fdSink uintptr

func (fd fdSink) write(b []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), b)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, errFull
		case err != nil:
			return 0, err
		case n < len(b):
			return n, errFull
		default:
			return n, nil
		}
	}
}

// shard is a part of the clients and the worker that writes to them.
type shard struct {
	server *Server
	signal chan struct{} // one token when there is something to do

	mu      sync.Mutex
	changes []change

	groups map[*publish.Stream]*group // the worker's
	pace   pace
	lively int // clients written to in the last passes, and what else they cost in these terms
}

// group is the clients of one stream.
type group struct {
	seen  *feed.View
	conns []*conn
}

// change is a client that comes, goes, or wants another turn.
type change struct {
	c    *conn
	kind changeKind
}

type changeKind uint8

const (
	joins changeKind = iota
	leaves
	turns
)

func newShard(s *Server) *shard {
	return &shard{server: s, signal: make(chan struct{}, 1), groups: map[*publish.Stream]*group{}}
}

// wake makes the worker look at its clients.
func (s *shard) wake() {
	select {
	case s.signal <- struct{}{}:
	default:
	}
}

func (s *shard) tell(c *conn, kind changeKind) {
	s.mu.Lock()
	s.changes = append(s.changes, change{c, kind})
	s.mu.Unlock()
	s.wake()
}

func (s *shard) join(c *conn)  { s.tell(c, joins) }
func (s *shard) leave(c *conn) { s.tell(c, leaves) }
func (s *shard) again(c *conn) { s.tell(c, turns) }

// run is the worker.
func (s *shard) run(ctx context.Context) {
	w := newWriter()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.signal:
		}
		if d := s.pace.delay(time.Now(), s.server.batches.Load(), int(s.server.lively.Load())); d > 0 {
			timer.Reset(d)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
		s.pace.begin(time.Now())
		s.pass(w)
	}
}

// pass gives every client whose feed has grown its turn.
func (s *shard) pass(w *writer) {
	s.mu.Lock()
	changes := s.changes
	s.changes = nil
	s.mu.Unlock()
	for _, change := range changes {
		s.apply(change, w)
	}
	wrote := 0
	for stream, g := range s.groups {
		view := stream.Feed.View()
		if view == g.seen {
			continue
		}
		g.seen = view
		for _, c := range g.conns {
			if c.visit(w) {
				wrote++
			}
		}
		s.server.count(stream.Framing, w)
	}
	s.noteLively(wrote + len(s.groups)/looksPerWrite)
}

// looksPerWrite is about how many feeds without anything new cost a pass as much as a write does. Ten thousand clients with filters
// of their own have as many feeds.
const looksPerWrite = 4

// noteLively notes how many clients a pass has written to: at once where they are fewer, by and by where they are more, as when
// a heartbeat reaches those who get nothing else.
func (s *shard) noteLively(wrote int) {
	change := wrote - s.lively
	if change > 3 {
		change /= 4
	}
	s.lively += change
	s.server.lively.Add(int64(change))
}

// apply is called by the worker only.
func (s *shard) apply(change change, w *writer) {
	c := change.c
	g := s.groups[c.stream]
	switch change.kind {
	case joins:
		if g == nil {
			g = &group{}
			s.groups[c.stream] = g
		}
		c.slot = len(g.conns)
		g.conns = append(g.conns, c)
		c.visit(w)
	case turns:
		c.visit(w)
	case leaves:
		last := len(g.conns) - 1
		g.conns[c.slot] = g.conns[last]
		g.conns[c.slot].slot = c.slot
		g.conns[last] = nil
		if g.conns = g.conns[:last]; last == 0 {
			delete(s.groups, c.stream)
		}
	}
}

// Bounds of how often a client is written to while the stream is busy.
const (
	minInterval       = 10 * time.Millisecond
	maxInterval       = 200 * time.Millisecond
	intervalPerClient = 15 * time.Microsecond
)

// pace decides when a worker makes its next pass: at once while the stream is quiet, and not sooner than an interval after
// the last pass while it is busy, taking all that is there. A write that wakes a reader costs the same whatever its size.
type pace struct {
	gap     time.Duration // between batches, a moving mean
	last    time.Time     // begin of the last pass
	looked  time.Time
	batches uint64
}

// interval is the shortest time between two passes of a busy stream.
func interval(clients int) time.Duration {
	return min(max(time.Duration(clients)*intervalPerClient, minInterval), maxInterval)
}

// delay is how long to wait before the next pass, given how many batches have been published so far.
func (p *pace) delay(now time.Time, batches uint64, clients int) time.Duration {
	every := interval(clients)
	if n := batches - p.batches; n > 0 {
		gap := min(now.Sub(p.looked)/time.Duration(n), 2*every)
		p.gap = (3*min(p.gap, 2*every) + gap) / 4
		p.batches, p.looked = batches, now
	}
	if p.gap >= every/2 {
		return 0
	}
	return p.last.Add(every).Sub(now)
}

func (p *pace) begin(now time.Time) { p.last = now }
