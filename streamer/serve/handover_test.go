package serve

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// dice decide, by a seed, where goroutines hesitate: so that steps of several come in other orders than they usually do.
type dice struct {
	seed  uint64
	rolls atomic.Uint64
	// blocking has sockets written to as under TLS.
	blocking bool
}

// hesitate lets others go first, now and then for long.
func (d *dice) hesitate() {
	x := rand.NewPCG(d.seed, d.rolls.Add(1)).Uint64()
	switch x % 16 {
	case 0, 1, 2:
		runtime.Gosched()
	case 3:
		time.Sleep(time.Duration(x>>8) % (300 * time.Microsecond))
	}
}

// hesitant is a socket whose writes hesitate before and after, and within.
type hesitant struct {
	*net.UnixConn
	dice *dice
}

func (h hesitant) SyscallConn() (syscall.RawConn, error) {
	raw, err := h.UnixConn.SyscallConn()
	return hesitantRaw{raw, h.dice}, err
}

func (h hesitant) SetWriteDeadline(t time.Time) error {
	h.dice.hesitate()
	return h.UnixConn.SetWriteDeadline(t)
}

type hesitantRaw struct {
	syscall.RawConn
	dice *dice
}

func (h hesitantRaw) Write(f func(fd uintptr) bool) error {
	defer h.dice.hesitate()
	h.dice.hesitate()
	return h.RawConn.Write(func(fd uintptr) bool {
		defer h.dice.hesitate()
		h.dice.hesitate()
		return f(fd)
	})
}

// blocking is a socket that hides what it is.
type blocking struct {
	net.Conn
	dice *dice
}

func (b blocking) Write(p []byte) (int, error) {
	defer b.dice.hesitate()
	b.dice.hesitate()
	return b.Conn.Write(p)
}

func (b blocking) CloseWrite() error { return b.Conn.(*net.UnixConn).CloseWrite() }

// hesitantEngine hesitates around reads: what is read may be gone by then, and more may have come.
type hesitantEngine struct {
	engine.Engine
	dice *dice
}

func (h hesitantEngine) Read(after uint64, dst []engine.Entry) (int, error) {
	defer h.dice.hesitate()
	h.dice.hesitate()
	return h.Engine.Read(after, dst)
}

// peer is a client that reads as much as it is told to, and comes back with its cursor whenever a connection ends.
type peer struct {
	*follower
	rig     *rig
	framing feed.Framing
	nc      net.Conn
	in      []byte // not understood yet
	begun   bool   // the answer's header has been read
	refused bool   // the stream is switched off just now
	known   bool   // the follower knows where it is
	last    string // the kind of the last message
}

// open connects, behind the last message.
func (p *peer) open() {
	address, since := p.rig.http.Listener.Addr(), ""
	if p.framing == feed.Lines {
		address = p.rig.tcp.Addr()
	}
	if p.known {
		since = fmt.Sprintf("e1-%d", p.at)
	}
	var err error
	if p.nc, err = net.Dial("unix", address.String()); err != nil {
		p.t.Fatal(err)
	}
	p.in, p.begun, p.refused, p.last = nil, p.framing == feed.Lines, false, ""
	switch p.framing {
	case feed.WebSocket:
		fmt.Fprintf(p.nc, "GET /?since=%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", since)
	case feed.EventStream:
		fmt.Fprintf(p.nc, "GET /sse?since=%s HTTP/1.1\r\nHost: x\r\n\r\n", since)
	case feed.Lines:
		fmt.Fprintf(p.nc, "{\"stream\":\"lite\",\"since\":%q}\n", since)
	}
}

// read takes at most n bytes, of what comes soon. It returns false when the connection has ended.
func (p *peer) read(n int) bool {
	buf := make([]byte, n)
	_ = p.nc.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
	n, err := p.nc.Read(buf)
	p.in = append(p.in, buf[:n]...)
	for p.understand() {
	}
	return !p.refused && (err == nil || isTimeout(err))
}

// readAll takes all that comes until nothing has come for a moment.
func (p *peer) readAll() bool {
	for quiet := 0; quiet < 3; quiet++ {
		had := p.at
		if !p.read(64 << 10) {
			return false
		}
		if p.at > had {
			quiet = 0
		}
	}
	return true
}

// understand takes one frame, if there is one.
func (p *peer) understand() bool {
	if !p.begun {
		head, rest, ok := bytes.Cut(p.in, []byte("\r\n\r\n"))
		if !ok {
			return false
		}
		p.in, p.begun = rest, true
		p.refused = !bytes.HasPrefix(head, []byte("HTTP/1.1 101")) && !bytes.HasPrefix(head, []byte("HTTP/1.1 200"))
		return !p.refused
	}
	if p.framing == feed.WebSocket {
		return p.understandFrame()
	}
	end := "\n"
	if p.framing == feed.EventStream {
		end = "\n\n"
	}
	block, rest, ok := strings.Cut(string(p.in), end)
	if !ok {
		return false
	}
	p.in = []byte(rest)
	if p.framing == feed.EventStream {
		_, block, _ = strings.Cut(block, "data: ")
	}
	switch {
	case strings.HasPrefix(block, `{"message_type":"error"`):
		p.refused = true
	case block != "": // else it is a retry
		p.take(parseHeard(p.t, []byte(block)))
	}
	return true
}

func (p *peer) understandFrame() bool {
	if len(p.in) < 4 {
		return false
	}
	head, size := 2, int(p.in[1])
	switch size {
	case 126:
		head, size = 4, int(p.in[2])<<8|int(p.in[3])
	case 127:
		if len(p.in) < 10 {
			return false
		}
		head, size = 10, int(p.in[6])<<24|int(p.in[7])<<16|int(p.in[8])<<8|int(p.in[9])
	}
	if p.in[0]&0x70 != 0 || size > 1<<20 {
		p.t.Fatalf("a frame begins with % x", p.in[:10])
	}
	if len(p.in) < head+size {
		return false
	}
	opcode, payload := p.in[0], p.in[head:head+size]
	p.in = p.in[head+size:]
	switch opcode {
	case 0x81:
		p.take(parseHeard(p.t, payload))
	case finClose:
		p.last = fmt.Sprintf("close %d", int(payload[0])<<8|int(payload[1]))
	case 0x89, 0x8a:
	default:
		p.t.Fatalf("a frame with opcode %x", opcode)
	}
	return true
}

// take is a message. The first heartbeat of the first connection says where the peer has come in.
func (p *peer) take(h heard) {
	if !p.known {
		p.at, p.known = p.cursor(h.Cursor).Offset, true
	}
	p.hear(h)
	p.last = h.Type
}

// reopen ends the connection, wherever it is, and comes back.
func (p *peer) reopen() {
	_ = p.nc.Close()
	p.open()
}

// ping has gorilla answer, and so write between our frames.
func (p *peer) ping() {
	if p.framing == feed.WebSocket && p.begun {
		_, _ = p.nc.Write([]byte("\x89\x84\x01\x02\x03\x04abcd"))
	}
}

// schedule is one seeded run.
type schedule struct {
	*rig
	random *rand.Rand
	peers  []*peer
}

// act does one thing to the server, or to a client.
func (s *schedule) act() {
	p := s.peers[s.random.IntN(len(s.peers))]
	open := true
	switch n := s.random.IntN(100); {
	case n < 30:
		s.add(1 + s.random.IntN(40))
	case n < 36:
		s.addLarge()
	case n < 70:
		open = p.read(1 + s.random.IntN(16<<10))
	case n < 80:
		open = p.readAll()
	case n < 88:
		p.ping()
	case n < 93:
		p.reopen()
	case n < 95:
		settings := *s.server.live()
		off := settings
		off.Kinds[message.Lite] = false
		s.server.Update(off)
		s.server.Update(settings)
	case n < 97:
		for end := s.index; s.window.Oldest() <= end; { // more than is kept
			s.addLarge()
		}
	default:
		time.Sleep(time.Duration(s.random.IntN(5)) * time.Millisecond)
	}
	if !open {
		p.reopen()
	}
}

// settle has everybody read everything, without anything else happening that would make good a wake-up that was lost.
func (s *schedule) settle() {
	for _, p := range s.peers {
		for deadline := time.Now().Add(2 * time.Minute); p.at < s.index && !s.Failed(); {
			if !p.readAll() {
				p.reopen()
			}
			if time.Now().After(deadline) {
				s.Fatalf("%s: nothing comes after %d of %d; begun %v, %d bytes not understood: %.200q", p.framing, p.at, s.index, p.begun,
					len(p.in), p.in)
			}
		}
	}
}

// finish reads everything, then drains the server: each client has got all there is before it is told to go.
func (s *schedule) finish() {
	for range 100 {
		s.settle()
		s.add(1)
		s.await("the entry to be published", func() bool { return s.publisher.Head() == s.index })
		s.add(1)
	}
	s.settle()
	s.add(10)
	s.await("the last entries to be published", func() bool { return s.publisher.Head() == s.index })
	var drained sync.WaitGroup
	drained.Go(func() { s.server.Drain(context.Background(), 5*time.Millisecond) })
	for _, p := range s.peers {
		for p.read(64 << 10) {
		}
		if p.at != s.index || p.framing == feed.WebSocket && p.last != "close 1012" {
			s.Errorf("%s: the server drained, and the client is at %d of %d, after %s", p.framing, p.at, s.index, p.last)
		}
		_ = p.nc.Close()
	}
	drained.Wait()
}

// TestHandOver plays seeded schedules of all that docs/fanout.md lets happen to real clients: sockets that fill in the middle of a
// frame, feeds and windows that forget, pings, goodbyes, reloads, clients that go and come back. Whatever the order, each reads whole
// frames, every entry once, or of a gap how many are missing.
func TestHandOver(t *testing.T) {
	var blocked, replayed, gaps float64
	t.Run("seeds", func(t *testing.T) {
		var mu sync.Mutex
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				s := &schedule{random: rand.New(rand.NewPCG(seed, 1))}
				heartbeat := 3 * time.Millisecond // after which feeds forget
				if seed%2 == 1 {
					heartbeat = time.Hour // for they would make good a wake-up that was lost
				}
				s.rig = newRig(t, rigOptions{feed: 16 << 10, sendBuffer: 4 << 10, heartbeat: heartbeat, dice: &dice{seed: seed, blocking: seed%4 == 3},
					patience: func(p *patience) { p.gaps, p.closing, p.stuck = 0, time.Hour, time.Hour }})
				for i := range 2 * feed.Framings {
					p := &peer{follower: &follower{t: t}, rig: s.rig, framing: feed.Framing(i % feed.Framings)}
					p.open()
					s.peers = append(s.peers, p)
				}
				for range 150 {
					s.act()
				}
				s.finish()
				mu.Lock()
				defer mu.Unlock()
				blocked += testutil.ToFloat64(s.metrics.Blocked)
				replayed += testutil.ToFloat64(s.metrics.Replayed)
				for _, p := range s.peers {
					gaps += float64(p.gaps)
				}
			})
		}
	})
	t.Logf("%v times blocked, %v entries replayed, %v gaps", blocked, replayed, gaps)
	if blocked == 0 || replayed == 0 || gaps == 0 {
		t.Error("some hand-over has never happened: the test has shown too little")
	}
}
