package serve

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/publish"
)

// Bounds of one connection.
const (
	maxVisit   = 256 << 10 // bytes written for a client before the next one has its turn
	maxControl = 4 << 10   // bytes of control frames waiting for a client that does not read
	lingerMax  = 256 << 10 // bytes read and forgotten from a client that is told goodbye
)

// patience is how long clients are waited for.
type patience struct {
	hello   time.Duration // for a TCP client to say what it wants
	filter  time.Duration // for a client's turn to have its filter made
	stuck   time.Duration // for a client whose socket is full to take a byte
	closing time.Duration // the same, when all it is to take is the rest and a goodbye
	linger  time.Duration // for a client to answer the goodbye
	pong    time.Duration // for a client to be heard of: three pings
	gaps    time.Duration // in which a client may be told of two gaps; the third ends the connection
}

func defaultPatience() patience {
	return patience{hello: 5 * time.Second, filter: 10 * time.Second, stuck: 30 * time.Second,
		closing: 5 * time.Second, linger: time.Second, pong: 90 * time.Second, gaps: time.Minute}
}

// state says who writes to a connection; docs/fanout.md has every step, and a test visits all of them. It changes under conn.mu
// only:
//
//	parked ──socket full, or behind──▶ running ──at the head──▶ parked
//	   └────────────── goodbye sent, or failed ──▶ ended ◀─────────┘
type state uint8

const (
	// parked: nobody is writing. The worker of its shard may, and whoever has a control frame for it.
	parked state = iota
	// running: a goroutine of its own writes, and waits for the socket.
	running
	// ended: nobody writes any more.
	ended
)

// conn is a client: a socket and a position in a stream. To gorilla it is the net.Conn under a WebSocket, so that what
// gorilla writes by itself goes out between frames.
type conn struct {
	nc     net.Conn
	raw    syscall.RawConn // nil where writing without blocking is not possible: TLS, HTTP/2
	server *Server
	shard  *shard
	slot   int // in its shard's group; the worker's

	mu      sync.Mutex
	state   state
	reading bool // a goroutine reads from it
	writing bool // run is at work
	joined  bool // next is a position in the feed; else the client is behind it
	resumed bool // the client is being given what it asked for with a cursor
	stream  *publish.Stream
	once    *publish.Once // what it has had, where it wants each certificate once
	out     []byte        // goes out before anything else; ends where a frame ends
	control int           // bytes of control frames among them
	next    uint64        // number of the next frame of the feed
	offset  uint64        // every entry up to here has been evaluated for this client
	bye     *goodbye      // how to end, once everything before is out
	ends    string        // why it ended
	gaps    [2]int64      // when, in ns, the client was last told of gaps

	framing feed.Framing
	kind    message.Kind
	grant   *access.Grant
	// received is how many bytes have lately been read: see floods. It is the reader's.
	received int32
	heard    atomic.Int64 // when, in ns, something was last read
}

// goodbye is how a connection ends.
type goodbye struct {
	reason string // for metrics
	frame  []byte // the last bytes
	flush  bool   // the client gets all there is in the feed before it
}

// errFull is what a sink returns when it takes no more for now.
var errFull = errors.New("no room")

// sink takes bytes without blocking, and returns errFull when it has not taken all.
type sink interface {
	write(b []byte) (int, error)
}

// progress is how far push has come.
type progress uint8

const (
	atHead   progress = iota // nothing left to write
	full                     // the sink takes no more
	behind                   // what comes next is not in the feed
	turnOver                 // enough for this turn
	over                     // the goodbye is out
	broken                   // writing failed
)

// push writes what the client is to get next, as far as the sink takes it. Called with mu held.
func (c *conn) push(w *writer, to sink) progress {
	for budget := maxVisit; budget > 0; {
		n, p := c.step(w, to)
		if p != turnOver {
			return p
		}
		budget -= n
	}
	return turnOver
}

// step makes one write, or finds that there is none to make. It returns turnOver when there may be more.
func (c *conn) step(w *writer, to sink) (int, progress) {
	switch {
	case len(c.out) > 0:
		return c.stepOut(w, to)
	case c.bye != nil && !c.bye.flush:
		return 0, c.sayGoodbye()
	case w.run.Len() > 0:
		n, left, p := c.stepRun(w, to, w.run)
		w.run = left
		if p == turnOver && left.Len() == 0 {
			c.offset = max(c.offset, w.upTo)
		}
		return n, p
	case c.stream == nil: // not yet
		return 0, atHead
	case !c.joined:
		return 0, behind
	}
	run, ok := c.stream.Feed.View().From(c.next)
	if !ok {
		c.joined = false
		return 0, behind
	}
	if run.Len() == 0 {
		if c.bye != nil {
			return 0, c.sayGoodbye()
		}
		return 0, atHead
	}
	n, left, p := c.stepRun(w, to, c.once.Fresh(run, &w.fresh))
	c.next = left.First
	return n, p
}

// sayGoodbye queues the last bytes, or says that they are out.
func (c *conn) sayGoodbye() progress {
	if c.bye.frame == nil {
		return over
	}
	c.out, c.bye = c.bye.frame, &goodbye{reason: c.bye.reason}
	return turnOver
}

func (c *conn) stepOut(w *writer, to sink) (int, progress) {
	n, err := to.write(c.out)
	w.bytes += n
	c.out = c.out[n:]
	if len(c.out) == 0 {
		c.out, c.control = nil, 0
	}
	return n, progressOf(err)
}

// stepRun writes frames. Of one that was cut, the rest is copied, so that a stuck client keeps one frame in memory and no
// segment; left are the frames not begun.
func (c *conn) stepRun(w *writer, to sink, run feed.Run) (n int, left feed.Run, p progress) {
	var err error
	if text := run.Bytes(); len(text) > 0 {
		n, err = to.write(text)
	}
	begun, rest := run.Cut(n)
	if begun > 0 {
		c.offset = max(c.offset, run.Offset(begun-1))
	}
	if len(rest) > 0 {
		c.out = bytes.Clone(rest)
	}
	w.bytes += n
	w.messages += begun - run.LeftOut(begun)
	return n, run.From(run.First + uint64(begun)), progressOf(err)
}

func progressOf(err error) progress {
	switch {
	case err == nil:
		return turnOver
	case errors.Is(err, errFull):
		return full
	}
	return broken
}

// settle acts on what push has come to when the connection was parked. Called with mu held.
func (c *conn) settle(p progress) {
	switch p {
	case atHead:
		c.state = parked
	case turnOver:
		c.shard.again(c)
	case full, behind:
		if p == full {
			c.server.metrics.Blocked.Inc()
		}
		c.state, c.writing = running, true
		c.server.goroutines.Go(c.run)
	case over:
		c.end(c.bye.reason, true)
	case broken:
		c.end(reasonReset, false)
	}
}

// nudge writes what it can, unless somebody else does. Called with mu held.
func (c *conn) nudge() {
	if c.state != parked {
		return
	}
	if c.raw == nil {
		c.settle(behind)
		return
	}
	w := c.server.borrow()
	c.settle(c.push(w, rawSink{w, c.raw}))
	c.server.giveBack(c, w)
}

// visit is the worker's turn: all that the feed has, without blocking. It returns whether there was anything to write.
func (c *conn) visit(w *writer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != parked || c.stream == nil {
		return false
	}
	if c.raw == nil {
		if c.joined && c.next == c.stream.Feed.View().End() && len(c.out) == 0 {
			return false
		}
		c.settle(behind)
		return true
	}
	before := w.bytes
	c.settle(c.push(w, rawSink{w, c.raw}))
	return w.bytes > before
}

// leave ends the connection: after what it is in the midst of, and with flush after all there is in the feed.
func (c *conn) leave(g *goodbye) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == ended || c.bye != nil {
		return
	}
	c.bye = g
	if c.state == running {
		_ = c.nc.SetWriteDeadline(time.Now().Add(c.server.patience.closing))
	}
	c.nudge()
}

// abort ends the connection at once.
func (c *conn) abort(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(reason, false)
}

// end lets nobody write any more. A graceful end gives the client time to read what has been written. The socket is closed by
// whoever is the last to leave it: closing waits for writes at work, and those may wait for mu. Called with mu held.
func (c *conn) end(reason string, graceful bool) {
	if c.state == ended {
		return
	}
	c.state, c.ends, c.out = ended, reason, nil
	half, ok := c.nc.(interface{ CloseWrite() error })
	if graceful && ok && half.CloseWrite() == nil {
		_ = c.nc.SetReadDeadline(time.Now().Add(c.server.patience.linger))
	} else {
		_ = c.nc.SetDeadline(time.Unix(1, 0)) // reads and writes at work fail
	}
	c.forget()
}

// doneReading says that nobody reads from the connection any more.
func (c *conn) doneReading() {
	defer c.server.goroutines.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	c.forget()
}

// forget gives everything back once nobody uses the connection. Called with mu held.
func (c *conn) forget() {
	if c.state == ended && !c.reading && !c.writing {
		_ = c.nc.Close()
		c.server.remove(c)
	}
}

// linger reads and forgets what the peer still sends, until our last bytes are out and it has closed or had time to: closing
// with something unread would reset the connection, and the peer might lose what is on its way.
func (c *conn) linger() {
	var buf [512]byte
	for left := lingerMax; left > 0; {
		n, err := c.nc.Read(buf[:])
		over := c.hasEnded()
		left -= n
		c.slowDown(n)
		switch {
		case err == nil:
		case over || !errors.Is(err, os.ErrDeadlineExceeded):
			return
		default:
			_ = c.nc.SetReadDeadline(time.Now().Add(c.server.patience.linger))
		}
	}
}

func (c *conn) hasEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == ended
}

// Read implements net.Conn for gorilla, and notes that the client is alive. It goes to the socket by the shortest way: thousands
// of goroutines wait here, and a stack of 2 KiB is to be enough for them.
func (c *conn) Read(p []byte) (n int, err error) {
	if c.raw == nil {
		n, err = c.nc.Read(p)
	} else {
		n, err = readRaw(c.raw, p)
	}
	if c.floods(n) {
		return 0, errFlood
	}
	if c.received > quietBytes {
		c.slowDown(n)
	}
	return n, err
}

// slowDown has a client that sends more than any has to wait, so that it cannot send it fast.
func (c *conn) slowDown(n int) { pause(c.server.ctx, nil, time.Duration(n)*noisePause) }

// floods notes that n bytes have come, and says when it is more than anybody has reason to send: what it costs to read them is
// the other clients' time. It is a bucket that floodBytes fill, and that floodWindow empties.
func (c *conn) floods(n int) bool {
	now := time.Now().UnixNano()
	drained := max(0, now-c.heard.Swap(now)) / int64(floodWindow/floodBytes)
	c.received = int32(max(0, int64(c.received)-drained)) + int32(n)
	return c.received > floodBytes
}

// readRaw reads from a bare socket.
func readRaw(raw syscall.RawConn, p []byte) (n int, err error) {
	var failed syscall.Errno
	wait := raw.Read(func(fd uintptr) bool {
		n, failed = readFD(fd, p)
		return failed != syscall.EAGAIN
	})
	switch {
	case wait != nil:
		return 0, wait
	case failed != 0:
		return 0, failed
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// silent says that nothing has been heard of the client since a time, though it has got all there is: a ping among it.
func (c *conn) silent(since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == parked && c.framing == feed.WebSocket && c.heard.Load() < since.UnixNano()
}

// Write implements net.Conn for gorilla, which writes whole frames, and the answer to the upgrade. They go out between two of
// our frames. A close frame is the last.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == ended || c.bye != nil {
		return 0, net.ErrClosed
	}
	switch {
	case p[0] == finClose:
		c.bye = &goodbye{reason: closeReason(p), frame: bytes.Clone(p)}
	case c.stream != nil && c.control+len(p) > maxControl:
		return len(p), nil // pongs for somebody who does not read: only the latest counts (RFC 6455 §5.5.3)
	default:
		c.out = append(c.out, p...)
		c.control += len(p)
	}
	c.nudge()
	return len(p), nil
}

// Close implements net.Conn for gorilla.
func (c *conn) Close() error {
	c.abort(reasonClient)
	return nil
}

// LocalAddr, RemoteAddr and the deadlines implement net.Conn; the deadlines are our own business.
func (c *conn) LocalAddr() net.Addr              { return c.nc.LocalAddr() }
func (c *conn) RemoteAddr() net.Addr             { return c.nc.RemoteAddr() }
func (c *conn) SetDeadline(time.Time) error      { return nil }
func (c *conn) SetReadDeadline(time.Time) error  { return nil }
func (c *conn) SetWriteDeadline(time.Time) error { return nil }
