package serve

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
)

// source of messages as a client reads them, whatever the protocol.
type messages func() (heard, error)

// cramped opens a client of a protocol whose socket takes little. The socket is returned too.
func (r *rig) cramped(framing feed.Framing) (messages, net.Conn) {
	r.Helper()
	next, nc := r.listen(framing, "")
	_ = nc.(*net.TCPConn).SetReadBuffer(8 << 10)
	return next, nc
}

// listen opens a client of a protocol.
func (r *rig) listen(framing feed.Framing, query string) (messages, net.Conn) {
	r.Helper()
	address := r.http.Listener.Addr().String()
	if framing == feed.Lines {
		address = r.tcp.Addr().String()
	}
	nc, err := net.Dial("tcp", address)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = nc.Close() })
	stream := nc
	if r.http.TLS != nil && framing != feed.Lines {
		stream = tls.Client(nc, &tls.Config{InsecureSkipVerify: true}) // a test's server
	}
	_ = nc.SetDeadline(time.Now().Add(60 * time.Second))
	lines := bufio.NewReaderSize(stream, 1<<10)
	switch framing {
	case feed.WebSocket:
		fmt.Fprintf(stream, "GET /%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", query)
	case feed.EventStream:
		fmt.Fprintf(stream, "GET /sse%s HTTP/1.1\r\nHost: x\r\n\r\n", query)
	case feed.Lines:
		fmt.Fprint(stream, "l")
		return r.lines(lines), nc
	}
	response, err := http.ReadResponse(lines, nil)
	if err != nil || response.StatusCode/100 > 2 {
		r.Fatalf("%s: %v %+v", framing, err, response)
	}
	if framing == feed.EventStream {
		return r.lines(bufio.NewReader(onlyData{lines})), nc
	}
	return r.frames(lines), nc
}

func (r *rig) lines(from *bufio.Reader) messages {
	return func() (heard, error) {
		line, err := from.ReadBytes('\n')
		if err != nil {
			return heard{}, err
		}
		return parseHeard(r, line), nil
	}
}

// onlyData is the data of an event stream, a line per event.
type onlyData struct{ lines *bufio.Reader }

func (o onlyData) Read(p []byte) (int, error) {
	for {
		line, err := o.lines.ReadString('\n')
		if err != nil {
			return 0, err
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if len(data) > len(p) {
				return 0, io.ErrShortBuffer
			}
			return copy(p, data), nil
		}
	}
}

// frames reads a WebSocket's text frames, and accepts pings.
func (r *rig) frames(from *bufio.Reader) messages {
	return func() (heard, error) {
		for {
			opcode, payload, err := readFrame(from)
			if err != nil {
				return heard{}, err
			}
			switch opcode {
			case 1:
				return parseHeard(r, payload), nil
			case 8:
				return heard{Type: fmt.Sprintf("close %d", binary.BigEndian.Uint16(payload))}, nil
			case 9, 10:
			default:
				return heard{}, fmt.Errorf("opcode %d", opcode)
			}
		}
	}
}

// readFrame reads one unmasked, unfragmented frame.
func readFrame(from *bufio.Reader) (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&0xf0 != 0x80 || head[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("frame begins with %x", head)
	}
	size := uint64(head[1])
	switch size {
	case 126:
		var n uint16
		err = binary.Read(from, binary.BigEndian, &n)
		size = uint64(n)
	case 127:
		err = binary.Read(from, binary.BigEndian, &size)
	}
	if err != nil || size > 1<<20 {
		return 0, nil, fmt.Errorf("a frame of %d bytes: %v", size, err)
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(from, payload)
	return head[0] & 15, payload, err
}

// follower checks that nothing is lost or doubled: each message is the next one, or a gap says how many are missing.
type follower struct {
	t    testing.TB
	at   uint64 // offset of the last message
	gaps int
}

func (f *follower) hear(h heard) {
	f.t.Helper()
	switch h.Type {
	case "heartbeat":
		if c := f.cursor(h.Cursor); c.Offset != f.at {
			f.t.Errorf("a heartbeat says %s, but the last message was %d", h.Cursor, f.at)
		}
	case "certificate_update":
		if c := f.cursor(h.Cursor); c.Offset != f.at+1 || h.index(f.t) != c.Offset {
			f.t.Errorf("message %d came after %d", c.Offset, f.at)
		}
		f.at++
	case "gap":
		var gap struct {
			Missed   uint64
			From, To string
		}
		h.into(f.t, &gap)
		from, to := f.cursor(gap.From), f.cursor(gap.To)
		if from.Offset != f.at || to.Offset-from.Offset != gap.Missed || gap.Missed == 0 {
			f.t.Errorf("after %d a gap of %d from %s to %s", f.at, gap.Missed, gap.From, gap.To)
		}
		f.at = to.Offset
		f.gaps++
	default:
		f.t.Errorf("unexpected %s", h.Type)
	}
}

// join reads the first heartbeat, which says where the client has come in: that may be after the first entries.
func (f *follower) join(next func() (heard, error)) {
	first, err := next()
	if err != nil || first.Type != "heartbeat" {
		f.t.Fatalf("first came %+v, %v", first, err)
	}
	f.at = f.cursor(first.Cursor).Offset
}

func (f *follower) cursor(text string) engine.Cursor {
	c, err := engine.ParseCursor(text)
	if err != nil {
		f.t.Error(err)
	}
	return c
}

// TestNoMessageLostOrDoubled has clients that pause at random, on sockets that fill early, feeds that forget early, and a window
// that some fall out of, so that every way from worker to catch-up, gap and back is taken many times over.
func TestNoMessageLostOrDoubled(t *testing.T) {
	for _, c := range []struct {
		name string
		o    rigOptions
	}{
		{"plain", rigOptions{feed: 16 << 10, sendBuffer: 4 << 10, heartbeat: 20 * time.Millisecond}},
		{"tls", rigOptions{feed: 16 << 10, sendBuffer: 4 << 10, heartbeat: 20 * time.Millisecond, tls: true}},
	} {
		c.o.patience = func(p *patience) { p.gaps = 0 } // any number of them
		t.Run(c.name, func(t *testing.T) {
			for range 5 { // how the machine is loaded decides who falls behind
				if interleave(t, newRig(t, c.o)) || t.Failed() {
					return
				}
			}
			t.Error("no client was ever behind: the test has shown nothing")
		})
	}
}

// interleave says whether clients have caught up. TestHandOver has each of them blocked as well, on any machine.
func interleave(t *testing.T, r *rig) bool {
	const last = 4000
	var clients sync.WaitGroup
	for i := range 12 {
		framing := feed.Framing(i % feed.Framings)
		next, _ := r.cramped(framing)
		f := &follower{t: t}
		f.join(next)
		patience := time.Duration(i/feed.Framings) * 300 * time.Microsecond
		clients.Go(func() {
			for f.at < last && !t.Failed() {
				h, err := next()
				if err != nil {
					t.Errorf("%s client after %d: %v", framing, f.at, err)
					return
				}
				f.hear(h)
				if rand.IntN(20) == 0 {
					time.Sleep(rand.N(patience + 1))
				}
			}
		})
	}
	for r.index < last {
		r.add(min(1+rand.IntN(120), int(last-r.index)))
		time.Sleep(rand.N(3 * time.Millisecond))
	}
	clients.Wait()
	t.Logf("blocked %v times, %v entries replayed, %v gaps", testutil.ToFloat64(r.metrics.Blocked),
		testutil.ToFloat64(r.metrics.Replayed), testutil.ToFloat64(r.metrics.Gaps.WithLabelValues("slow")))
	return testutil.ToFloat64(r.metrics.Replayed) > 0
}
