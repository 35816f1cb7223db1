package streamer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// await waits until something is so.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so: %s", what)
		}
	}
}

// metric is the line of a metric, without its name.
func (r *running) metric(t *testing.T, name string) string {
	t.Helper()
	response, err := http.Get("http://" + r.HTTPAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}

// smallDisk mounts a file system of a few MiB, where the test may.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk fills the volume under a streamer: the stream and its checkpoints go on, status, metric and clients that come back
// are told, and with room again retention goes on.
func TestFullDisk(t *testing.T) {
	w := newWorld(t)
	disk := smallDisk(t, "24m")
	state, ballast := filepath.Join(disk, "state"), filepath.Join(disk, "ballast")
	w.configure(t, stateIn(state)+retained)
	r := w.start(t)
	ws, seen, grown := r.dial(t, "/"), map[string]int{}, 0
	first := next(t, ws).Cursor
	grow := func() {
		w.grow(256)
		grown += 256
		collect(t, ws, seen, 2*grown)
	}
	grow()
	r.kept(t, 2*grown)
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil { // but for less than the 16 MiB that are left free
		t.Fatal(err)
	}
	for range 20 { // more than the window has
		grow()
	}
	full := r.Status()
	if !strings.Contains(full.Retention.LastError, "volume is full") || r.metric(t, "certstream_retention_failing") != "1" {
		t.Errorf("on a full volume: %+v, metric %s", full.Retention, r.metric(t, "certstream_retention_failing"))
	}
	r.savesAfter(t, full.State.LastCheckpoint)
	for err := error(nil); err == nil; { // others take the rest, too
		err = appendTo(ballast, make([]byte, 4096))
	}
	for range 3 {
		before := r.Status().State.LastCheckpoint
		grow()
		r.savesAfter(t, before)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	await(t, "retention goes on", func() bool {
		w.grow(16)
		grown += 16
		collect(t, ws, seen, 2*grown)
		return r.Status().Retention.LastError == "" && r.metric(t, "certstream_retention_failing") == "0"
	})
	grow()
	got, missed := r.replayCounted(t, first)
	if kept := r.Status().Retention; got+missed != 2*grown || missed == 0 || kept.MissedEntries != uint64(missed) {
		t.Errorf("of %d entries a client that comes back gets %d and is told of %d; status %+v", 2*grown, got, missed, kept)
	}
	t.Logf("%d entries: %d kept, %d missed while the volume was full", 2*grown, got, missed)
}

// savesAfter waits for a checkpoint that is newer than one.
func (r *running) savesAfter(t *testing.T, before time.Time) {
	t.Helper()
	await(t, "checkpoints go on", func() bool {
		s := r.Status().State
		return s.LastError == "" && s.LastCheckpoint.After(before)
	})
}

// appendTo makes a file longer.
func appendTo(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// replayCounted reads all from a cursor on to the head: entries, and what gaps of the reason "segment" say is missing.
func (r *running) replayCounted(t *testing.T, cursor string) (got, missed int) {
	t.Helper()
	head := r.Status().Head
	ws := r.dial(t, "/?since="+cursor)
	for at := uint64(0); at < head; {
		m := next(t, ws)
		switch m.Type {
		case "certificate_update":
			got++
		case "gap":
			var gap struct {
				Reason string
				Missed int
				To     string
			}
			if err := json.Unmarshal(m.Data, &gap); err != nil || gap.Reason != "segment" {
				t.Errorf("gap %s, %v", m.Data, err)
			}
			missed += gap.Missed
			m.Cursor = gap.To
		}
		c, err := engine.ParseCursor(m.Cursor)
		if err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		at = c.Offset
	}
	return got, missed
}

// TestDamagedBlock changes a byte on disk under a streamer: a block is missing, everybody is told which, the rest is served.
func TestDamagedBlock(t *testing.T) {
	w := newWorld(t)
	state := filepath.Join(w.dir, "state")
	w.configure(t, stateIn(state)+retained)
	r := w.start(t)
	ws, seen := r.dial(t, "/"), map[string]int{}
	first := next(t, ws).Cursor
	for n := 256; n <= 3072; n += 256 {
		w.grow(256)
		collect(t, ws, seen, 2*n)
	}
	r.kept(t, 6000)
	files, err := filepath.Glob(filepath.Join(state, "segments", "*", "*.segment"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	second := bytes.Index(content[4096:], []byte("CTSF")) + 4096 // a later block's content
	content[second+1000] ^= 1
	f, err := os.OpenFile(files[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(content[second+1000:second+1001], int64(second+1000)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, missed := r.replayCounted(t, first)
	kept := r.Status().Retention
	if got+missed != 6144 || missed == 0 || missed > 2000 || kept.CorruptSegments != 1 || kept.DamagedEntries != uint64(missed) ||
		kept.MissedEntries != 0 {
		t.Errorf("got %d, told of %d; %+v", got, missed, kept)
	}
	for name, want := range map[string]string{"corrupt_segments": "1", "damaged_entries": fmt.Sprint(missed), "missed_entries": "0"} {
		if m := r.metric(t, "certstream_retention_"+name+"_total"); m != want {
			t.Errorf("the metric of %s is %s", name, m)
		}
	}
	t.Logf("%d entries served, %d lost with their block", got, missed)
}
