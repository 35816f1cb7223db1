package serve

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
)

// follow hears everything up to an offset.
func (f *follower) follow(next messages, upTo uint64) {
	f.t.Helper()
	for f.at < upTo && !f.t.Failed() {
		h, err := next()
		if err != nil {
			f.t.Fatalf("after %d: %v", f.at, err)
		}
		f.hear(h)
	}
}

// overrunKept has the window drop entries, with the disk keeping up.
func (r *rig) overrunKept() {
	r.Helper()
	for stop := r.window.Oldest() + 1000; r.window.Oldest() < stop; {
		r.addKept(100)
	}
}

func (r *rig) addKept(n int) {
	r.Helper()
	r.add(n)
	if err := r.segments.Sync(context.Background(), r.window.Head()); err != nil {
		r.Error(err)
	}
}

// TestResumeFromDisk: clients that come back for what the window has dropped get it from disk, then from the window, then live,
// while entries come in: every one, once, in order, on every protocol.
func TestResumeFromDisk(t *testing.T) {
	r := newRig(t, rigOptions{feed: 32 << 10, segments: t.TempDir(), heartbeat: time.Hour})
	r.overrunKept()
	var listeners []messages
	for i := range feed.Framings {
		if framing := feed.Framing(i); framing != feed.Lines {
			next, _ := r.listen(framing, "?since=e1-3")
			listeners = append(listeners, next)
		}
	}
	_, lines := r.tcpClient(`{"since":"e1-3"}` + "\n")
	listeners = append(listeners, r.lines(lines))
	done := make(chan uint64)
	go func() {
		for range 20 {
			r.addKept(50)
		}
		done <- r.window.Head()
	}()
	followers := make([]*follower, len(listeners))
	for i, next := range listeners { // half the way before the last entries come, the rest after
		followers[i] = &follower{t: t, at: 3}
		followers[i].follow(next, 700)
	}
	head := <-done
	for i, next := range listeners {
		followers[i].follow(next, head)
		if followers[i].gaps > 0 {
			t.Errorf("listener %d was told of %d gaps", i, followers[i].gaps)
		}
	}
}

// TestSlowClientGoesOnFromDisk: a client that does not read while the window passes it by has missed nothing when it reads again.
func TestSlowClientGoesOnFromDisk(t *testing.T) {
	r := newRig(t, rigOptions{feed: 32 << 10, sendBuffer: 64 << 10, segments: t.TempDir(), heartbeat: time.Hour})
	next, _ := r.cramped(feed.WebSocket)
	f := &follower{t: t}
	f.join(next)
	r.overrunKept()
	f.follow(next, f.at+100) // the window begins far behind that
	if f.gaps > 0 {
		t.Errorf("%d gaps", f.gaps)
	}
}

// TestDamagedSegmentIsAGap: the client is told the bounds of what cannot be read, and goes on behind it.
func TestDamagedSegmentIsAGap(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, rigOptions{segments: dir, heartbeat: time.Hour})
	r.overrunKept()
	head := r.window.Head()
	r.await("the entries to be published", func() bool { return r.publisher.Head() == head })
	files, err := filepath.Glob(filepath.Join(dir, "e1", "*.segment"))
	if err != nil || len(files) == 0 {
		t.Fatalf("segments %q, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	content[200] ^= 1
	if err := os.WriteFile(files[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	next, _ := r.listen(feed.WebSocket, "?since=e1-3")
	f := &follower{t: t, at: 3}
	var reasons []string
	for f.at < head && !t.Failed() {
		h, err := next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == "gap" {
			var gap struct{ Reason string }
			h.into(t, &gap)
			reasons = append(reasons, gap.Reason)
		}
		f.hear(h)
	}
	if diff := cmp.Diff([]string{"segment"}, reasons); diff != "" {
		t.Errorf("reasons of gaps: %s", diff)
	}
}

func TestSinceATime(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	var batch []engine.Entry
	now := time.Now()
	for i := range 100 { // one a minute
		batch = append(batch, engine.Entry{Source: source, Index: uint64(i + 1), DER: certificateFor(fmt.Sprintf("n%08d.example.org", i)),
			Seen: now.Add(time.Duration(i-100) * time.Minute).UnixMilli()})
	}
	if _, _, err := r.window.Append(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
	r.await("the entries to be published", func() bool { return r.publisher.Head() == 100 })
	zone := time.FixedZone("", 2*3600)
	for _, c := range []struct {
		since string
		from  uint64
	}{
		{"10m30s", 90},
		{"48h", 0},
		{"0s", 100},
		{now.Add(-30*time.Minute - 30*time.Second).UTC().Format(time.RFC3339Nano), 70},
		{now.Add(-30*time.Minute - 30*time.Second).In(zone).Format(time.RFC3339), 70},
	} {
		f := &follower{t: t, at: c.from}
		next, _ := r.listen(feed.EventStream, "?since="+url.QueryEscape(c.since))
		first, err := next()
		if err != nil {
			t.Fatal(err)
		}
		if f.hear(first); first.Type != "heartbeat" {
			t.Errorf("since %s: first came %s", c.since, first.Type)
		}
		f.follow(next, 100)
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		text string
		want origin
	}{
		{"1x9k2-4711", origin{cursor: engine.Cursor{Epoch: "1x9k2", Offset: 4711}}},
		{"15m", origin{at: now.Add(-15 * time.Minute)}},
		{"1h30m", origin{at: now.Add(-90 * time.Minute)}},
		{"2026-07-01T11:00:00Z", origin{at: now.Add(-time.Hour)}},
		{"2026-07-01T13:00:00 02:00", origin{at: now.Add(-time.Hour)}}, // a plus sign, read from a URL
	} {
		got, err := parseSince(c.text, now)
		if err != nil || got.cursor != c.want.cursor || !got.at.Equal(c.want.at) {
			t.Errorf("%q: %+v, %v, want %+v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "-15m", "yesterday", "15", "2026-07-01", "e1-", "1x9k2-99999999999999999999"} {
		if got, err := parseSince(text, now); err == nil || !strings.Contains(err.Error(), "15m") {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}
