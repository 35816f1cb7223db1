package serve

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// What clients may send, which is nothing that anybody needs.
const (
	readBuffer   = 512
	maxMessage   = 4 << 10
	floodMax     = 200      // messages and pings
	floodBytes   = 64 << 10 // of whatever kind, on every protocol
	floodWindow  = 10 * time.Second
	quietBytes   = 8 << 10               // of them are read at once
	noisePause   = 10 * time.Microsecond // for each byte beyond
	maxCloseText = 123                   // RFC 6455 §5.5
)

// Close codes (RFC 6455 §7.4.1 and its registry).
const (
	closeGoingAway = websocket.CloseGoingAway
	closePolicy    = websocket.ClosePolicyViolation
	closeRestart   = websocket.CloseServiceRestart
	closeTryLater  = websocket.CloseTryAgainLater
)

// finClose begins a close frame.
const finClose = 0x88

type upgrader = *websocket.Upgrader

func newUpgrader() upgrader {
	return &websocket.Upgrader{
		ReadBufferSize:  readBuffer,
		WriteBufferPool: &sync.Pool{},
		CheckOrigin:     func(*http.Request) bool { return true }, // access has checked it
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			w.Header().Set("Sec-WebSocket-Version", "13")
			http.Error(w, reason.Error(), status)
		},
	}
}

// ServeHTTP serves the streams, and leaves everything else to Options.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	settings := s.live()
	path := trimSlash(r.URL.Path)
	if path == trimSlash(settings.SSEPath) && settings.Protocols[feed.EventStream] {
		s.serveSSE(w, r)
		return
	}
	for kind := message.Kind(0); kind < message.Kinds; kind++ {
		if path == trimSlash(settings.Paths[kind]) && websocket.IsWebSocketUpgrade(r) {
			s.serveWebSocket(w, r, kind)
			return
		}
	}
	s.handler.ServeHTTP(w, r)
}

func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }

func (s *Server) serveWebSocket(w http.ResponseWriter, r *http.Request, kind message.Kind) {
	req := s.gate.FromHTTP(r)
	v := &visit{kind: kind, framing: feed.WebSocket}
	if err := v.parseHTTP(r); err != nil {
		s.gate.Refuse(access.BadFilter, err.Error()).ServeHTTP(w, r)
		return
	}
	if refusal := s.enter(r.Context(), v, req); refusal != nil {
		refusal.ServeHTTP(w, r)
		return
	}
	h := &hijacker{ResponseWriter: w, server: s, visit: v}
	header := http.Header{}
	if access.OffersSubprotocol(r.Header) {
		header.Set("Sec-Websocket-Protocol", access.Subprotocol)
	}
	if v.unknown != "" {
		header.Set(UnknownParameters, v.unknown)
	}
	ws, err := s.upgrader.Upgrade(h, r, header)
	if err != nil {
		if h.conn == nil {
			v.turnAway()
		} else {
			h.conn.abort(reasonProtocol)
			h.conn.doneReading()
			v.stream.Close()
		}
		return
	}
	c := h.conn
	c.begin(v)
	go c.readWebSocket(ws, c.guard(ws))
}

// hijacker hands gorilla our connection in place of the server's.
type hijacker struct {
	http.ResponseWriter
	server *Server
	visit  *visit
	conn   *conn
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	_ = nc.SetDeadline(time.Time{})
	if h.conn = h.server.add(nc, h.visit); h.conn == nil {
		_ = nc.Close()
		return nil, nil, net.ErrClosed
	}
	return h.conn, rw, nil
}

// guard bounds what the client may send.
func (c *conn) guard(ws *websocket.Conn) *flood {
	ws.SetReadLimit(maxMessage)
	f := &flood{}
	answer := ws.PingHandler()
	ws.SetPingHandler(func(data string) error {
		if f.counts(time.Now()) {
			return errFlood
		}
		return answer(data)
	})
	return f
}

// readWebSocket reads what the client sends, so that gorilla answers pings and closes, until the connection ends. It is kept
// small: see Read.
func (c *conn) readWebSocket(ws *websocket.Conn, f *flood) {
	for {
		if _, _, err := ws.NextReader(); err != nil {
			c.hangUp(err)
			return
		}
		if f.counts(time.Now()) {
			c.hangUp(errFlood)
			return
		}
	}
}

// hangUp is the end of reading.
func (c *conn) hangUp(err error) {
	c.leave(c.farewell(err))
	c.linger()
	c.doneReading()
}

// errFlood ends connections of clients that send more than anybody needs to.
var errFlood = errors.New("too many messages")

// flood counts what a client sends.
type flood struct {
	n     int
	since time.Time
}

func (f *flood) counts(now time.Time) (tooMany bool) {
	if now.Sub(f.since) > floodWindow {
		f.n, f.since = 0, now
	}
	f.n++
	return f.n > floodMax
}

// farewell is how to end after a read has failed. Where gorilla has said goodbye already it is not used.
func (c *conn) farewell(err error) *goodbye {
	if errors.Is(err, errFlood) {
		return &goodbye{reason: reasonProtocol, frame: c.closeFrame(closePolicy, errFlood.Error())}
	}
	return &goodbye{reason: reasonClient}
}

// closeReason is why gorilla closes: it answers the client's goodbye with the client's code, or has found fault with a frame.
func closeReason(frame []byte) string {
	if len(frame) < 4 {
		return reasonClient
	}
	switch binary.BigEndian.Uint16(frame[2:]) {
	case websocket.CloseProtocolError, websocket.CloseMessageTooBig, websocket.CloseInvalidFramePayloadData:
		return reasonProtocol
	}
	return reasonClient
}

// closeFrame is what tells the client why the server ends the connection, as far as its protocol has a way to.
func (c *conn) closeFrame(code int, reason string) []byte {
	if c.framing != feed.WebSocket {
		return nil
	}
	reason = reason[:min(len(reason), maxCloseText)]
	frame := binary.BigEndian.AppendUint16([]byte{finClose, byte(2 + len(reason))}, uint16(code))
	return append(frame, reason...)
}
