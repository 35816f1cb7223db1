package serve

import (
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// sseHeaders are those of the answer. Any page may read it: there are no cookies, and origins have been checked.
var sseHeaders = [][2]string{
	{"Content-Type", "text/event-stream"},
	{"Cache-Control", "no-cache, no-transform"},
	{"X-Accel-Buffering", "no"},
	{"Access-Control-Allow-Origin", "*"},
	{"Access-Control-Expose-Headers", UnknownParameters},
}

func (s *Server) serveSSE(w http.ResponseWriter, r *http.Request) {
	req := s.gate.FromHTTP(r)
	switch r.Method {
	case http.MethodGet:
	case http.MethodOptions:
		preflight(w)
		return
	case http.MethodHead:
		setStreamHeaders(w)
		return
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "use GET", http.StatusMethodNotAllowed)
		return
	}
	v := &visit{kind: message.Lite, framing: feed.EventStream}
	if err := v.parseSSE(r); err != nil {
		s.gate.Refuse(access.BadFilter, err.Error()).ServeHTTP(w, r)
		return
	}
	if refusal := s.enter(r.Context(), v, req); refusal != nil {
		refusal.ServeHTTP(w, r)
		return
	}
	nc, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.holdSSE(w, r, v)
		return
	}
	s.releaseSSE(nc, v)
}

func (v *visit) parseSSE(r *http.Request) error {
	if stream := r.URL.Query().Get("stream"); stream != "" {
		kind, err := message.ParseKind(stream)
		if err != nil {
			return err
		}
		v.kind = kind
	}
	return v.parseHTTP(r)
}

func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD")
	h.Set("Access-Control-Allow-Headers", "Authorization, Last-Event-ID, Cache-Control")
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusNoContent)
}

func setStreamHeaders(w http.ResponseWriter) {
	for _, h := range sseHeaders {
		w.Header().Set(h[0], h[1])
	}
}

// releaseSSE serves on the bare socket, so that the handler's memory is given back.
func (s *Server) releaseSSE(nc net.Conn, v *visit) {
	_ = nc.SetDeadline(time.Time{})
	c := s.add(nc, v)
	if c == nil {
		_ = nc.Close()
		v.turnAway()
		return
	}
	head := []byte("HTTP/1.1 200 OK\r\nConnection: close\r\n")
	for _, h := range sseHeaders {
		head = append(head, h[0]+": "+h[1]+"\r\n"...)
	}
	if v.unknown != "" {
		head = append(head, UnknownParameters+": "+v.unknown+"\r\n"...)
	}
	c.out = append(head, "\r\n"...)
	c.begin(v)
	go c.readUntilGone()
}

// readUntilGone waits until the client has closed the connection.
func (c *conn) readUntilGone() {
	c.abort(whyGone(c.discard()))
	c.doneReading()
}

// holdSSE serves where there is no socket to be had, as with HTTP/2: the handler stays until the client has gone.
func (s *Server) holdSSE(w http.ResponseWriter, r *http.Request, v *visit) {
	setStreamHeaders(w)
	if v.unknown != "" {
		w.Header().Set(UnknownParameters, v.unknown)
	}
	w.WriteHeader(http.StatusOK)
	held := &heldResponse{w: w, rc: http.NewResponseController(w), request: r, gone: make(chan struct{})}
	c := s.add(held, v)
	if c == nil {
		v.turnAway()
		return
	}
	c.begin(v)
	select {
	case <-r.Context().Done():
	case <-held.gone:
	}
	c.abort(reasonClient)
	c.doneReading()
	held.writing.Lock() // until the last write has returned
	defer held.writing.Unlock()
}

// heldResponse is a response as a connection that is only written to.
type heldResponse struct {
	w       http.ResponseWriter
	rc      *http.ResponseController
	request *http.Request
	writing sync.Mutex
	once    sync.Once
	gone    chan struct{}
}

// Write implements net.Conn.
func (h *heldResponse) Write(p []byte) (int, error) {
	h.writing.Lock()
	defer h.writing.Unlock()
	select {
	case <-h.gone:
		return 0, net.ErrClosed
	default:
	}
	n, err := h.w.Write(p)
	if err == nil {
		err = h.rc.Flush()
	}
	return n, err
}

// Close implements net.Conn: it lets the handler return.
func (h *heldResponse) Close() error {
	h.once.Do(func() {
		_ = h.rc.SetWriteDeadline(time.Now()) // a write at work fails
		close(h.gone)
	})
	return nil
}

// Read implements net.Conn: nothing comes.
func (h *heldResponse) Read([]byte) (int, error) { return 0, io.EOF }

// The addresses and deadlines of a net.Conn.
func (h *heldResponse) LocalAddr() net.Addr             { return heldAddr("") }
func (h *heldResponse) RemoteAddr() net.Addr            { return heldAddr(h.request.RemoteAddr) }
func (h *heldResponse) SetReadDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn: it is used to end all reading and writing.
func (h *heldResponse) SetDeadline(time.Time) error { return h.Close() }

// SetWriteDeadline implements net.Conn.
func (h *heldResponse) SetWriteDeadline(t time.Time) error {
	return h.rc.SetWriteDeadline(t)
}

// heldAddr is an address as text.
type heldAddr string

// Network and String implement net.Addr.
func (heldAddr) Network() string  { return "tcp" }
func (a heldAddr) String() string { return string(a) }
