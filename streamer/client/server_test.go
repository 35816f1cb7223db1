package client

import (
	"bufio"
	"cmp"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeServer speaks WebSocket: each connection gets the next of its scripts, and then a close. It notes what was asked.
type fakeServer struct {
	*httptest.Server
	t       *testing.T
	scripts []script
	ended   chan struct{}

	mu       sync.Mutex
	requests []*http.Request
}

// script is one connection: a refusal, or messages.
type script struct {
	status   int
	body     string
	header   http.Header
	messages []string
	binary   bool
	// stay keeps the connection open after the last message, until the client goes; deaf, without reading what it sends.
	stay, deaf bool
	// code closes it in place of 1012; -1 without a word.
	code int
}

func newFakeServer(t *testing.T, scripts ...script) *fakeServer {
	f := &fakeServer{t: t, scripts: scripts, ended: make(chan struct{})}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		close(f.ended)
		f.Close()
	})
	return f
}

func (f *fakeServer) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	n := len(f.requests)
	f.requests = append(f.requests, r)
	f.mu.Unlock()
	s := f.scripts[min(n, len(f.scripts)-1)]
	if s.status != 0 {
		for name, values := range s.header {
			w.Header()[name] = values
		}
		w.WriteHeader(s.status)
		_, _ = w.Write([]byte(s.body))
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer conn.Close()
	kind := websocket.TextMessage
	if s.binary {
		kind = websocket.BinaryMessage
	}
	for _, m := range s.messages {
		if conn.WriteMessage(kind, []byte(m)) != nil {
			return
		}
	}
	if s.deaf {
		<-f.ended
		return
	}
	if s.stay {
		_, _, _ = conn.ReadMessage()
		return
	}
	if s.code < 0 {
		return
	}
	bye := websocket.FormatCloseMessage(cmp.Or(s.code, websocket.CloseServiceRestart), "draining")
	_ = conn.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
}

// asked are the requests so far.
func (f *fakeServer) asked() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*http.Request(nil), f.requests...)
}

func (f *fakeServer) ws() string { return "ws" + strings.TrimPrefix(f.URL, "http") }

// lineServer speaks raw TCP: it reads the client's line and answers with lines, "{n}" in them being the connection's number.
func lineServer(t *testing.T, answers ...string) (address string, hello <-chan map[string]any) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lines := make(chan map[string]any, 100)
	var serving sync.WaitGroup
	serving.Go(func() {
		for n := 1; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadBytes('\n')
			var asked map[string]any
			if err := json.Unmarshal(line, &asked); err != nil {
				t.Errorf("the client said %q: %v", line, err)
			}
			lines <- asked
			for _, answer := range answers {
				_, _ = conn.Write([]byte(strings.ReplaceAll(answer, "{n}", strconv.Itoa(n)) + "\n"))
			}
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	return listener.Addr().String(), lines
}

// sseServer answers every request with server-sent events, and keeps the connection open.
func sseServer(t *testing.T, messages ...string) (url string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, m := range messages {
			_, _ = w.Write([]byte("data: " + m + "\n\n"))
		}
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL
}
