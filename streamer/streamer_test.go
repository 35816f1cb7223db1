package streamer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come. It is only reached by failures.
const patience = time.Minute

// world is a log of each protocol, served on loopback, and a place for a streamer's configuration and state.
type world struct {
	dir    string
	file   string
	logs   []*testlog.Log
	source func() *testlog.Entry
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), source: testlog.NewCA("Test CA").Source(64)}
	w.file = filepath.Join(w.dir, "config.yaml")
	w.logs = []*testlog.Log{
		testlog.New(testlog.Options{Name: "Classic", Operator: "One"}),
		testlog.New(testlog.Options{Name: "Tiled", Operator: "Two", Static: true}),
	}
	server, err := testlog.Serve("127.0.0.1:0", nil, w.logs...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	w.write(t, "log-list.json", string(testlog.LogList(w.logs...)))
	return w
}

func (w *world) write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// configure writes the configuration: a common part for tests, and what is given.
func (w *world) configure(t testing.TB, more string) {
	t.Helper()
	w.write(t, "config.yaml.tmp", fmt.Sprintf(`
host: 127.0.0.1
port: 0
ct_logs_url: %s
network: {allow_private_addresses: true, allow_http: true}
%s`, filepath.Join(w.dir, "log-list.json"), more))
	if err := os.Rename(w.file+".tmp", w.file); err != nil {
		t.Fatal(err)
	}
}

// quick makes followers look often, so that tests are.
const quick = "ct_log: {poll_interval_ms: 100, partial_tile_interval: 5s, requests_per_second: 1000, catch_up_rate: 1000000, start: 'index:0'}\n"

// grow appends entries to both logs and publishes them.
func (w *world) grow(n int) {
	for _, l := range w.logs {
		for range n {
			l.Append(w.source())
		}
		l.Publish()
	}
}

// running is a streamer at work.
type running struct {
	*streamer.Streamer
	t    testing.TB
	stop context.CancelFunc
	done chan error
}

// start runs a streamer until the test ends, or end is called.
func (w *world) start(t testing.TB) *running {
	t.Helper()
	load := config.Options{Path: w.file, Env: []string{}}
	loaded, err := config.Load(load)
	if err != nil {
		t.Fatal(err)
	}
	s, err := streamer.New(streamer.Options{Config: loaded, Load: load, Logger: slog.New(slog.NewTextHandler(logWriter{t}, &slog.HandlerOptions{Level: slog.LevelInfo}))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Streamer: s, t: t, stop: cancel, done: make(chan error, 1)}
	go func() { r.done <- s.Run(ctx, context.Background()) }()
	t.Cleanup(r.end)
	return r
}

// end stops the streamer as SIGTERM does.
func (r *running) end() {
	r.stop()
	select {
	case err, open := <-r.done:
		if open && err != nil {
			r.t.Errorf("the streamer ended with: %v", err)
		}
		if open {
			close(r.done)
		}
	case <-time.After(patience):
		r.t.Error("the streamer does not end")
	}
}

type logWriter struct{ t testing.TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.t.Log(string(p))
	return len(p), nil
}

// received is a message as a client sees it.
type received struct {
	Type   string          `json:"message_type"`
	Cursor string          `json:"cursor"`
	Data   json.RawMessage `json:"data"`
}

// certificate is the part of a message's data that tests look at.
type certificate struct {
	Index  uint64 `json:"cert_index"`
	Source struct {
		Name string `json:"name"`
	} `json:"source"`
	Leaf struct {
		Domains []string `json:"all_domains"`
	} `json:"leaf_cert"`
}

// key names an entry.
func (c certificate) key() string { return fmt.Sprintf("%s/%d", c.Source.Name, c.Index) }

// dial opens a WebSocket stream; path may have a query.
func (r *running) dial(t testing.TB, path string) *websocket.Conn {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+r.HTTPAddr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ws.Close() })
	return ws
}

// next reads one message.
func next(t testing.TB, ws *websocket.Conn) received {
	t.Helper()
	_ = ws.SetReadDeadline(time.Now().Add(patience))
	var m received
	if err := ws.ReadJSON(&m); err != nil {
		t.Fatalf("reading from the stream: %v", err)
	}
	return m
}

// collect reads certificates until it has n different ones, and returns them with the last cursor. Gaps fail the test.
func collect(t testing.TB, ws *websocket.Conn, seen map[string]int, n int) (cursor string) {
	t.Helper()
	for end := time.Now().Add(patience); len(seen) < n; {
		if time.Now().After(end) { // heartbeats come all the time
			t.Fatalf("only %d of %d entries have come", len(seen), n)
		}
		m := next(t, ws)
		switch m.Type {
		case "certificate_update":
			var c certificate
			if err := json.Unmarshal(m.Data, &c); err != nil {
				t.Fatalf("%v in %s", err, m.Data)
			}
			seen[c.key()]++
		case "gap":
			t.Fatalf("a gap: %s", m.Data)
		}
		cursor = m.Cursor
	}
	return cursor
}

// TestOperatorThatServesTilesToo reads an RFC 6962 log without a single get-entries.
func TestOperatorThatServesTilesToo(t *testing.T) {
	w := newWorld(t)
	w.logs[0] = testlog.New(testlog.Options{Name: "Hybrid", Operator: "TrustAsia", Static: true, Hybrid: true})
	server, err := testlog.Serve("127.0.0.1:0", nil, w.logs[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	w.write(t, "log-list.json", string(testlog.LogList(w.logs...)))
	w.configure(t, strings.Replace(quick, "ct_log: {", "ct_log: {operators: {trustasia: {tiles: true, requests_per_second: 1000}}, ", 1))
	r := w.start(t)
	ws := r.dial(t, "/full-stream")
	next(t, ws)
	w.grow(300)
	collect(t, ws, map[string]int{}, 2*300)
	if n := w.logs[0].Stats.Kind("get-entries").Requests; n > 0 {
		t.Errorf("%d get-entries requests, want tiles only", n)
	}
}

func TestEveryEntryOfBothProtocolsReachesAClient(t *testing.T) {
	w := newWorld(t)
	w.configure(t, quick)
	r := w.start(t)
	ws := r.dial(t, "/full-stream")
	next(t, ws) // the first heartbeat: from here on all is for us
	w.grow(512)
	seen := map[string]int{}
	collect(t, ws, seen, 2*512)
	for key, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", key, times)
		}
	}
}
