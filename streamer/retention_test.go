package streamer_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

const retained = "window: {size: 1MiB}\nretention: {max_bytes: 64MiB}\n"

// kept waits until so many entries are in files.
func (r *running) kept(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		s := r.Status().Retention
		if s != nil && s.Entries >= uint64(n) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d entries should be kept: %+v", n, s)
		}
	}
}

// TestCrashIsReplayedFromDisk goes on from what a kill -9 leaves, and has clients come back for what no window holds any more:
// by the first cursor ever, and by time.
func TestCrashIsReplayedFromDisk(t *testing.T) {
	w := newWorld(t)
	state, crashed := filepath.Join(w.dir, "state"), filepath.Join(w.dir, "crashed")
	w.configure(t, stateIn(state)+retained)
	r := w.start(t)
	ws := r.dial(t, "/")
	first := next(t, ws).Cursor
	const each = 8 * 256
	seen := map[string]int{}
	for grown := 0; grown < each; grown += 256 { // so that a busy machine does not make the writer miss any
		w.grow(256)
		collect(t, ws, seen, 2*(grown+256))
		r.kept(t, 2*(grown+256))
	}
	if s := r.Status(); s.Retention == nil || s.Retention.Bytes == 0 || s.Retention.LastError != "" || s.Window.Entries >= 2*each {
		t.Errorf("status %+v, window %+v", s.Retention, s.Window)
	}
	if err := os.CopyFS(crashed, os.DirFS(state)); err != nil {
		t.Fatal(err)
	}
	r.end()
	w.configure(t, stateIn(crashed)+retained)
	r = w.start(t)
	byCursor, byTime := r.dial(t, "/?since="+first), r.dial(t, "/?since=1h")
	w.grow(256)
	again := map[string]int{}
	collect(t, byCursor, again, 2*(each+256))
	for key, times := range again {
		if times != 1 {
			t.Errorf("%s came %d times", key, times)
		}
	}
	collect(t, byTime, map[string]int{}, 2*(each+256))
	r.kept(t, 2*(each+256))
	exportAll(t, crashed, 2*(each+256))
}

// TestBacklogIsKeptWhole has logs bring far more at once than the window holds: what segments cannot take so fast waits.
func TestBacklogIsKeptWhole(t *testing.T) {
	const each = 6000
	w := newWorld(t)
	again := testlog.Cycle(testlog.NewCA("CA").Pool(64))
	for _, l := range w.logs {
		for range each {
			l.Append(again())
		}
		l.Publish()
	}
	w.configure(t, stateIn(filepath.Join(w.dir, "state"))+retained)
	r := w.start(t)
	r.kept(t, 2*each)
	if s := r.Status(); s.Retention.MissedEntries > 0 || s.Window.Entries >= 2*each {
		t.Errorf("retention %+v, window %+v", s.Retention, s.Window)
	}
	collect(t, r.dial(t, "/?since=1h"), map[string]int{}, 2*each)
}

// TestRetentionOffAndOn switches retention by hot reload under a client that reads all the time.
func TestRetentionOffAndOn(t *testing.T) {
	w := newWorld(t)
	state := filepath.Join(w.dir, "state")
	on, off := stateIn(state)+retained, stateIn(state)+"window: {size: 1MiB}\nretention: {max_bytes: 0}\n"
	w.configure(t, on)
	r := w.start(t)
	ws, seen, grown := r.dial(t, "/"), map[string]int{}, 0
	first := next(t, ws).Cursor
	grow := func(n int) (cursor string) {
		for end := grown + n; grown < end; {
			w.grow(256)
			grown += 256
			cursor = collect(t, ws, seen, 2*grown)
		}
		return cursor
	}
	grow(2048)
	r.kept(t, 4096)
	w.configure(t, off)
	w.hashIs(t, r)
	last := grow(512)
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		files, err := filepath.Glob(filepath.Join(state, "segments", "*", "*"))
		if s := r.Status(); err == nil && len(files) == 0 && s.Retention == nil && s.Oldest > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("switched off, there are %q, %v; status %+v", files, err, r.Status().Retention)
		}
	}
	if m := next(t, r.dial(t, "/?since="+first)); m.Type != "gap" {
		t.Errorf("a client that comes back for what is gone hears %+v", m)
	}
	w.configure(t, on)
	w.hashIs(t, r)
	begin := grown
	grow(2048)
	r.kept(t, 2*(grown-begin))
	collect(t, r.dial(t, "/?since="+last), map[string]int{}, 2*(grown-begin))
	for key, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", key, times)
		}
	}
	if s := r.Status(); s.Retention.LastError != "" || s.Retention.MissedEntries > 0 || s.Config.LastError != "" {
		t.Errorf("on again: %+v, %+v", s.Retention, s.Config)
	}
}

// exportAll looks at the segments from outside, while a streamer writes.
func exportAll(t *testing.T, state string, want int) {
	t.Helper()
	files, err := streamer.Segments(state)
	if err != nil {
		t.Fatal(err)
	}
	if n, bad := streamer.VerifySegments(files, slog.New(slog.DiscardHandler)); bad > 0 || n < uint64(want) {
		t.Errorf("%d entries, %d segments are bad", n, bad)
	}
	var out bytes.Buffer
	written, err := streamer.WriteSegments(&out, files, streamer.Export{Kind: message.Lite})
	if err != nil || written != want {
		t.Errorf("exported %d entries, want %d: %v", written, want, err)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte{'\n'})
	var m received
	if err := json.Unmarshal(lines[len(lines)-1], &m); err != nil || m.Type != "certificate_update" || len(lines) != want {
		t.Errorf("%d lines, the last: %.100s, %v", len(lines), lines[len(lines)-1], err)
	}
	nothing, err := filter.Compile(filter.Query{Suffix: filter.Values{"nowhere.invalid"}}, filter.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []streamer.Export{{Filter: nothing}, {To: time.Now().Add(-time.Hour)}, {From: time.Now().Add(time.Hour)}} {
		if written, err := streamer.WriteSegments(&out, files, x); err != nil || written != 0 {
			t.Errorf("%+v: %d entries, %v", x, written, err)
		}
	}
}
