package serve

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// tlsChunk is what a client under TLS is given at a time: a record.
const tlsChunk = 16 << 10

// run writes for a client that is behind, or whose socket was full, until it has caught up. It waits where the worker must
// not. A client that is stuck keeps at most one frame of its own in memory, no segment of a feed: where it is is looked up
// again each time its socket takes something.
func (c *conn) run() {
	w := c.server.borrow()
	defer c.server.giveBack(c, w)
	for {
		p := c.advance(w)
		if p == behind {
			c.catchUp(w)
		}
		c.server.count(c.framing, w)
		if c.rest(p) {
			return
		}
	}
}

// rest ends what run does: at the head the client is its worker's again. It returns false when there is more to do.
func (c *conn) rest(p progress) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != ended {
		switch p {
		case turnOver, behind:
			return false
		case atHead:
			// Whoever publishes shows the frames before it wakes the workers. So either the worker finds this client parked,
			// or we find its frames here.
			if len(c.out) > 0 || c.bye != nil || c.stream != nil && (!c.joined || c.next != c.stream.Feed.View().End()) {
				return false
			}
			_ = c.nc.SetWriteDeadline(time.Time{})
			c.state = parked
		case over:
			c.end(c.bye.reason, true)
		case broken:
			c.end(reasonReset, false)
		}
	}
	c.writing = false
	c.forget()
	return true
}

// advance writes until the client is at the head, behind, or gone.
func (c *conn) advance(w *writer) progress {
	if c.raw == nil {
		return c.advanceBlocking(w)
	}
	c.mu.Lock()
	c.expect(true)
	c.mu.Unlock()
	var p progress
	err := c.raw.Write(func(fd uintptr) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.state == ended {
			p = broken
			return true
		}
		before := w.bytes
		p = c.push(w, fdSink(fd))
		if p != full {
			return true
		}
		w.run = feed.Run{} // its memory too: it is made again when there is room
		c.expect(w.bytes > before)
		return false
	})
	if err != nil {
		c.failed(err)
		return broken
	}
	return p
}

// advanceBlocking does the same through a writer that blocks, a piece at a time.
func (c *conn) advanceBlocking(w *writer) progress {
	piece := pieceSink{make([]byte, 0, tlsChunk)}
	c.mu.Lock()
	if c.state == ended {
		c.mu.Unlock()
		return broken
	}
	p := c.push(w, &piece)
	c.expect(true)
	c.mu.Unlock()
	if len(piece.b) > 0 {
		if _, err := c.nc.Write(piece.b); err != nil {
			c.failed(err)
			return broken
		}
	}
	if p == full {
		return turnOver
	}
	return p
}

// pieceSink collects bytes up to its capacity.
type pieceSink struct{ b []byte }

func (s *pieceSink) write(b []byte) (int, error) {
	n := min(len(b), cap(s.b)-len(s.b))
	s.b = append(s.b, b[:n]...)
	if n < len(b) {
		return n, errFull
	}
	return n, nil
}

// expect gives the client, if it has just taken something, time to take more. Called with mu held.
func (c *conn) expect(moved bool) {
	wait := c.server.patience.stuck
	if c.bye != nil {
		wait = c.server.patience.closing
	}
	if moved {
		_ = c.nc.SetWriteDeadline(time.Now().Add(wait))
	}
}

// failed ends a connection that cannot be written to.
func (c *conn) failed(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.abort(reasonStuck)
		return
	}
	c.abort(reasonReset)
}

// catchUp makes again what the client has missed, or finds that it is in the feed, or tells it of a gap.
func (c *conn) catchUp(w *writer) {
	c.mu.Lock()
	after, resumed, joined := c.offset, c.resumed, c.join()
	c.mu.Unlock()
	if joined {
		return
	}
	if limit := c.server.live().Buffer; limit > 0 && !resumed && c.stream.Head() > after+uint64(limit) {
		c.skip()
		return
	}
	run, upTo, err := c.replay(after)
	var gap *engine.GapError
	switch {
	case errors.As(err, &gap) && (resumed || !gap.Expired):
		c.bridge(gap)
		return
	case errors.Is(err, engine.ErrExpired):
		c.skip()
		return
	case err != nil:
		c.server.log.Error("a client that is behind cannot be served", "error", err)
		c.leave(&goodbye{reason: reasonError, frame: c.closeFrame(closeTryLater, "internal error")})
		return
	case upTo == after:
		pause(context.Background(), nil, time.Millisecond) // a batch is on its way into the feed
	}
	w.run, w.upTo = run, upTo
	if run.Len() == 0 {
		c.mu.Lock()
		c.offset = max(c.offset, upTo)
		c.mu.Unlock()
	}
}

// replay makes again what the client gets after an offset, in its turn.
func (c *conn) replay(after uint64) (run feed.Run, upTo uint64, err error) {
	done := c.server.replays.pass(c.server.ctx, func() {
		if !c.hasEnded() {
			run, upTo, err = c.stream.Replay(after, c.once)
		}
	})
	if !done || c.hasEnded() {
		return feed.Run{}, after, nil
	}
	return run, upTo, err
}

// bridge tells the client what of the entries it still misses is not kept, and goes on behind it: newer ones are.
func (c *conn) bridge(gap *engine.GapError) {
	c.mu.Lock()
	defer c.mu.Unlock()
	reason := message.GapSegment
	if gap.Expired {
		reason = message.GapExpired
	}
	to := min(gap.To, c.stream.Head())
	c.out = c.stream.Gap(c.out, message.Gap{Reason: reason, Missed: min(gap.Missed, to-gap.From),
		From: c.server.publisher.Cursor(gap.From), To: c.server.publisher.Cursor(to)})
	c.offset = max(c.offset, to)
	c.beginOnce()
}

// beginOnce is called wherever the client is given everything from its offset on, but may lack what was before. With mu held.
func (c *conn) beginOnce() {
	c.once.Close()
	c.once = c.stream.Once(c.offset)
}

// join goes on in the feed, if it has everything the client still misses. Called with mu held.
func (c *conn) join() bool {
	if !c.once.MayJoin(c.offset) {
		return false
	}
	next, ok := c.stream.Feed.View().Seek(c.offset)
	if ok {
		c.next, c.joined, c.resumed = next, true, false
		c.once.Joined()
	}
	return ok
}

// skip tells the client of the gap and goes on at the head, or ends the connection where the policy says so.
func (c *conn) skip() {
	c.mu.Lock()
	from, to := c.offset, c.stream.Head()
	c.out = c.stream.Gap(c.out, message.Gap{Reason: message.GapSlow, Missed: to - from,
		From: c.server.publisher.Cursor(from), To: c.server.publisher.Cursor(to)})
	c.out = c.stream.Notices(c.out, from)
	c.offset, c.resumed = to, false
	c.beginOnce()
	now := time.Now().UnixNano()
	third := c.gaps[0] != 0 && now-c.gaps[0] < int64(c.server.patience.gaps)
	c.gaps[0], c.gaps[1] = c.gaps[1], now
	c.mu.Unlock()
	if third || c.server.live().SlowClient == CloseSlow {
		c.leave(&goodbye{reason: reasonSlow, frame: c.closeFrame(closeTryLater, "too slow; resume with the last cursor")})
	}
}
