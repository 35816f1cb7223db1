package serve

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

func TestWebSocketGetsEveryMessageInOrder(t *testing.T) {
	r := newRig(t, rigOptions{})
	ws := r.dial("/")
	if h := r.next(ws); h.Type != "heartbeat" || h.Cursor != "e1-0" {
		t.Fatalf("first came %+v, want a heartbeat", h)
	}
	for range 10 {
		r.add(33)
	}
	for want := uint64(1); want <= 330; want++ {
		h := r.next(ws)
		if h.Type != "certificate_update" || h.index(t) != want {
			t.Fatalf("got %s %d, want message %d", h.Type, h.index(t), want)
		}
	}
}

func TestWebSocketPathsAndFilters(t *testing.T) {
	r := newRig(t, rigOptions{})
	for _, c := range []struct{ path, kind, holds string }{
		{"/", "certificate_update", `"all_domains":["n00000002.example.org"]`},
		{"", "certificate_update", `"cert_index":2`},
		{"/full-stream", "certificate_update", `"chain":[]`},
		{"/full-stream/", "certificate_update", `"as_der":"`},
		{"/domains-only", "dns_entries", `["n00000002.example.org"]`},
		{"/domains-only/", "dns_entries", `["n00000002.example.org"]`},
	} {
		ws := r.dial(c.path + "?suffix=n00000002.example.org,n00000004.example.org")
		if h := r.next(ws); h.Type != "heartbeat" {
			t.Errorf("%q begins with %s", c.path, h.Type)
		}
		r.Cleanup(func() {
			h := r.next(ws)
			if h.Type != c.kind || !strings.Contains(string(h.Data), c.holds) {
				t.Errorf("%q got %s %s, want %s with %s", c.path, h.Type, h.Data, c.kind, c.holds)
			}
			if h := r.next(ws); !strings.Contains(string(h.Data), "n00000004") {
				t.Errorf("%q got %s for 4", c.path, h.Data)
			}
		})
	}
	r.add(5)
}

func TestRefusalsBeforeTheUpgrade(t *testing.T) {
	r := newRig(t, rigOptions{
		access:   access.Options{Auth: access.Auth{Enabled: true, QueryToken: true, Tokens: []access.Token{{Name: "a", Value: "long-enough-secret"}}}},
		settings: func(s *Settings) { s.Kinds[message.Full] = false },
	})
	for _, c := range []struct {
		path   string
		status int
	}{
		{"/", 401},
		{"/?token=wrong", 401},
		{"/?token=long-enough-secret&domain=(", 400},
		{"/?token=long-enough-secret&since=nothing", 400},
		{"/full-stream?token=long-enough-secret", 403},
		{"/sse", 401},
		{"/sse?token=long-enough-secret&stream=everything", 400},
		{"/elsewhere", 404},
	} {
		request, _ := http.NewRequest(http.MethodGet, r.http.URL+c.path, nil)
		request.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", c.path, response.Status, c.status)
		}
	}
	dialer := websocket.Dialer{Subprotocols: []string{"bearer", "long-enough-secret"}}
	ws, _, err := dialer.Dial("ws"+strings.TrimPrefix(r.http.URL, "http"), nil)
	if err != nil || ws.Subprotocol() != "bearer" {
		t.Fatalf("with the token as a subprotocol: %v, %q", err, ws.Subprotocol())
	}
	_ = ws.Close()
	r.await("the place to be given back", func() bool { return r.server.Clients() == 0 && r.server.gate.Connections() == 0 })
}

// maskedFrame is a frame as clients send them (RFC 6455 §5.2), with a mask of zeros.
func maskedFrame(first byte, payload string) []byte {
	frame := []byte{first}
	switch n := len(payload); {
	case n < 126:
		frame = append(frame, 0x80|byte(n))
	case n < 1<<16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	return append(append(frame, 0, 0, 0, 0), payload...)
}

// TestFramesStayWhole fills a client's socket until a frame is cut, then makes gorilla write by itself. Whatever it writes must
// come between two frames.
func TestFramesStayWhole(t *testing.T) {
	for _, c := range []struct {
		name  string
		send  []byte
		opens byte // opcode of what gorilla answers
		holds string
		ends  bool
	}{
		{"ping", maskedFrame(0x89, "are you there"), 10, "are you there", false},
		{"oversized frame", maskedFrame(0x82, strings.Repeat("x", 1<<20)), 8, "\x03\xf1", true},
		{"bad opcode", maskedFrame(0x83, ""), 8, "bad opcode 3", true},
		{"reserved bit", maskedFrame(0xc1, "x"), 8, "RSV1 set", true},
		{"unmasked frame", []byte{0x81, 1, 'x'}, 8, "bad MASK", true},
		{"close", maskedFrame(0x88, "\x03\xe8bye"), 8, "\x03\xe8", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, rigOptions{sendBuffer: 16 << 10, feed: 1 << 20})
			nc, frames := r.filledSocket()
			if _, err := nc.Write(c.send[:min(len(c.send), 64)]); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = nc.Write(c.send[min(len(c.send), 64):]) }() // the server may be gone before it has read all
			answered := false
			for !answered {
				opcode, payload, err := readFrame(frames)
				if err != nil {
					t.Fatalf("before an answer: %v", err)
				}
				switch opcode {
				case 1:
					parseHeard(t, payload)
				case 9:
				default:
					answered = true
					if opcode != c.opens || !strings.Contains(string(payload), c.holds) {
						t.Errorf("opcode %d %q, want %d with %q", opcode, payload, c.opens, c.holds)
					}
				}
			}
			if !c.ends {
				return
			}
			if _, _, err := readFrame(frames); !errors.Is(err, io.EOF) {
				t.Errorf("after the close: %v, want the end", err)
			}
			_ = nc.Close()
			r.await("the client to be forgotten", func() bool { return r.server.Clients() == 0 })
			reason := reasonProtocol
			if c.name == "close" {
				reason = reasonClient
			}
			if n := testutil.ToFloat64(r.metrics.Disconnects.WithLabelValues(reason)); n != 1 {
				t.Errorf("%v connections ended because of %s, want 1", n, reason)
			}
		})
	}
}

// filledSocket is a client that has not read until the server had to cut a frame.
func (r *rig) filledSocket() (net.Conn, *bufio.Reader) {
	r.Helper()
	nc, err := net.Dial("tcp", r.http.Listener.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = nc.Close() })
	_ = nc.(*net.TCPConn).SetReadBuffer(16 << 10)
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	frames := bufio.NewReader(nc)
	if _, err := http.ReadResponse(frames, nil); err != nil {
		r.Fatal(err)
	}
	r.await("the client to have a stream", func() bool { return len(r.publisher.Streams()) == 1 })
	for range 3 { // one alone may fit into what the kernel takes
		r.addBig()
	}
	r.await("a cut frame", func() bool {
		for _, c := range r.server.list() {
			c.mu.Lock()
			cut := c.state == running && len(c.out) > 0
			c.mu.Unlock()
			if cut {
				return true
			}
		}
		return false
	})
	return nc, frames
}

func TestClientsMaySendSmallMessages(t *testing.T) {
	r := newRig(t, rigOptions{})
	ws := r.dial("/")
	for range 50 {
		if err := ws.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	fragments, err := ws.NextWriter(websocket.BinaryMessage)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		fmt.Fprint(fragments, strings.Repeat("x", 100))
	}
	_ = fragments.Close()
	r.next(ws)
	r.add(1)
	if h := r.next(ws); h.index(t) != 1 {
		t.Errorf("got %+v", h)
	}
}

// closeOf reads until the server closes, and returns how.
func closeOf(t *testing.T, ws *websocket.Conn) *websocket.CloseError {
	t.Helper()
	for {
		_, _, err := ws.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFloodIsCut(t *testing.T) {
	r := newRig(t, rigOptions{})
	ws := r.dial("/")
	for range floodMax + 1 {
		if err := ws.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
			break // the server has had enough already
		}
	}
	if c := closeOf(t, ws); c.Code != closePolicy {
		t.Errorf("closed with %v", c)
	}
}

// TestFloodOfBytesIsCut: what no handler ever sees, such as pongs and what SSE and TCP clients send, costs time as well.
func TestFloodOfBytesIsCut(t *testing.T) {
	for _, framing := range protocols {
		t.Run(framing.String(), func(t *testing.T) {
			r := newRig(t, rigOptions{})
			_, nc := r.listen(framing, "")
			pong := maskedFrame(0x8a, strings.Repeat("x", 100))
			var err error
			for sent := 0; sent < 256*floodBytes && err == nil; sent += len(pong) {
				_, err = nc.Write(pong)
			}
			if err == nil {
				t.Error("the server has read it all")
			}
			r.await("the flood to be cut", func() bool {
				return testutil.ToFloat64(r.metrics.Disconnects.WithLabelValues(reasonProtocol)) == 1
			})
		})
	}
}

func TestSilentPeerIsDropped(t *testing.T) {
	r := newRig(t, rigOptions{patience: func(p *patience) { p.pong, p.linger = 50*time.Millisecond, 50*time.Millisecond }})
	nc, err := net.Dial("tcp", r.http.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	r.await("the silent client to be dropped", func() bool {
		return testutil.ToFloat64(r.metrics.Disconnects.WithLabelValues(reasonPong)) == 1
	})
}

func TestPingsKeepAlive(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: 10 * time.Millisecond, patience: func(p *patience) { p.pong = 2 * time.Second }})
	ws := r.dial("/")
	pings := 0
	answer := ws.PingHandler()
	ws.SetPingHandler(func(data string) error { pings++; return answer(data) })
	for heartbeats := 0; heartbeats < 20; heartbeats++ {
		if h := r.next(ws); h.Type != "heartbeat" {
			t.Fatalf("got %+v", h)
		}
	}
	if pings < 4 {
		t.Errorf("%d pings with 20 heartbeats", pings)
	}
	r.await("pongs to be read", func() bool { return r.server.Clients() == 1 })
}
