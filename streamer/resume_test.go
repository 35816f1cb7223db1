package streamer_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

func stateIn(dir string) string { return quick + "state: {dir: '" + dir + "', interval: 100ms}\n" }

func TestCleanRestartRepeatsAndLosesNothing(t *testing.T) {
	w := newWorld(t)
	w.configure(t, stateIn(filepath.Join(w.dir, "state")))
	r := w.start(t)
	ws := r.dial(t, "/")
	next(t, ws)
	w.grow(256)
	seen := map[string]int{}
	cursor := collect(t, ws, seen, 2*256)
	r.end()
	for { // what is still sent before the close
		var m received
		if ws.ReadJSON(&m) != nil {
			break
		}
		cursor = m.Cursor
	}
	w.grow(256)
	r = w.start(t)
	collect(t, r.dial(t, "/?since="+cursor), seen, 2*512)
	for key, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", key, times)
		}
	}
}

// TestCrashLosesNothing goes on from a copy of the state directory as it was at some moment: what a kill -9 leaves.
func TestCrashLosesNothing(t *testing.T) {
	w := newWorld(t)
	state, crashed := filepath.Join(w.dir, "state"), filepath.Join(w.dir, "crashed")
	w.configure(t, stateIn(state))
	r := w.start(t)
	ws := r.dial(t, "/")
	next(t, ws)
	w.grow(256)
	seen := map[string]int{}
	collect(t, ws, seen, 2*256)
	if err := os.CopyFS(crashed, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	w.grow(256) // after the checkpoint; the client gets it, and then the power goes
	cursor := collect(t, ws, seen, 2*512)
	r.end()
	w.configure(t, stateIn(crashed))
	r = w.start(t)
	ws = r.dial(t, "/?since="+cursor)
	w.grow(256)
	collect(t, ws, seen, 2*768)
}

func TestCursorOfAnotherEpochGetsAGap(t *testing.T) {
	w := newWorld(t)
	w.configure(t, quick)
	r := w.start(t)
	ws := r.dial(t, "/?since=0abc-17")
	for {
		m := next(t, ws)
		if m.Type != "gap" {
			continue
		}
		var gap struct {
			Reason string  `json:"reason"`
			Missed *uint64 `json:"missed"`
		}
		if err := json.Unmarshal(m.Data, &gap); err != nil || gap.Reason != "epoch" || gap.Missed != nil {
			t.Errorf("gap %s, want reason epoch and missed null (%v)", m.Data, err)
		}
		return
	}
}

// sseEvent is an event as EventSource sees it.
type sseEvent struct{ name, id, data string }

// events reads an event stream and hands each event over until that returns false.
func (r *running) events(t *testing.T, path, lastID string, each func(sseEvent) bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.HTTPAddr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	lines := bufio.NewReader(answer.Body)
	var e sseEvent
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("reading events: %v", err)
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch key {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if !each(e) {
				return
			}
			e = sseEvent{}
		}
	}
}

// TestFilteredSSEResumesOverARestart is the browser's case: EventSource sends the old URL and Last-Event-ID, and has missed
// nothing, though its filter let only some through and the server was restarted.
func TestFilteredSSEResumesOverARestart(t *testing.T) {
	w := newWorld(t)
	w.configure(t, stateIn(filepath.Join(w.dir, "state"))+"heartbeat_interval: 1s\n")
	r := w.start(t)
	ca := testlog.NewCA("Wanted CA")
	wanted := func(n int) {
		for i := range n {
			w.logs[0].Append(ca.Vary(ca.Issue(testlog.Shape{DNS: []string{"wanted.test"}, Precert: i%2 == 0})))
			w.logs[1].Append(w.source())
		}
		w.grow(100)
	}
	t.Cleanup(func() { http.DefaultClient.CloseIdleConnections() })
	seen := map[uint64]bool{}
	last := ""
	read := func(n int) func(sseEvent) bool {
		return func(e sseEvent) bool {
			last = e.id
			switch e.name {
			case "":
				var m struct{ Data certificate }
				if err := json.Unmarshal([]byte(e.data), &m); err != nil {
					t.Fatal(err)
				}
				seen[m.Data.Index] = true
			case "gap":
				t.Fatalf("a gap: %s", e.data)
			}
			return len(seen) < n
		}
	}
	const path = "/sse?suffix=wanted.test"
	first := true
	r.events(t, path, "", func(e sseEvent) bool {
		if first {
			first = false
			go wanted(20) // the first heartbeat has come
		}
		return read(20)(e)
	})
	wanted(20) // while the client is away
	r.events(t, path, last, read(40))
	for r.Status().Head < 2*2*(20+100) {
		time.Sleep(5 * time.Millisecond)
	}
	r.events(t, path, last, func(e sseEvent) bool { // until a heartbeat says that everything has been evaluated for it
		last = e.id
		return !strings.HasSuffix(last, "-480")
	})
	r.end()
	wanted(20) // while the server is away
	r = w.start(t)
	r.events(t, path, last, read(60))
	if len(seen) != 60 {
		t.Errorf("%d different certificates, want 60", len(seen))
	}
}

// TestStateThatCannotBeWrittenShows takes the state directory away under a running streamer: the stream goes on, /status says
// why no checkpoint is written, and so does the end.
func TestStateThatCannotBeWrittenShows(t *testing.T) {
	w := newWorld(t)
	state := filepath.Join(w.dir, "state")
	w.configure(t, stateIn(state))
	r := w.start(t)
	ws := r.dial(t, "/")
	next(t, ws)
	seen := map[string]int{}
	w.grow(4)
	collect(t, ws, seen, 2*4)
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	w.grow(4)
	collect(t, ws, seen, 2*8)
	for end := time.Now().Add(patience); r.Status().State.LastError == ""; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("/status says nothing: %+v", r.Status().State)
		}
	}
	r.stop()
	if err := <-r.done; err == nil || !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("the streamer ended with %v, want the last checkpoint's error", err)
	}
	close(r.done)
}
