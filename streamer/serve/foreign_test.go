package serve

import (
	"bufio"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/feed"
)

// TestForeignCursorsGetAllThatIsKept: a client whose cursor is of another server, or is none, is told so, and gets what is on disk.
func TestForeignCursorsGetAllThatIsKept(t *testing.T) {
	r := newRig(t, rigOptions{segments: t.TempDir(), heartbeat: time.Hour})
	r.overrunKept()
	head := r.window.Head()
	r.await("the entries to be published", func() bool { return r.publisher.Head() == head })
	for _, c := range []struct{ since, id, from string }{
		{"?since=1x-99", "", "1x-99"},
		{"?since=e1-99999999", "", "e1-99999999"},
		{"", "1x-99", "1x-99"},
		{"", "rubbish", "0-0"},
		{"?since=15m", "rubbish", "0-0"},
	} {
		_, lines := r.get("/sse"+c.since, http.Header{"Last-Event-Id": {c.id}})
		next := r.lines(bufio.NewReader(onlyData{lines}))
		gap, err := next()
		if want := fmt.Sprintf(`{"reason":"epoch","missed":null,"from":%q,"to":"e1-0"}`, c.from); err != nil || string(gap.Data) != want {
			t.Errorf("%+v: %s, %v, want %s", c, gap.Data, err, want)
		}
		(&follower{t: t}).follow(next, head)
	}
	r.add(1) // an empty id says nothing
	_, lines := r.get("/sse", http.Header{"Last-Event-Id": {""}})
	if first, err := r.lines(bufio.NewReader(onlyData{lines}))(); err != nil || first.Type != "heartbeat" {
		t.Errorf("with an empty id first came %+v, %v", first, err)
	}
}

// TestSinceATimeThatIsGone: how many entries a client misses that asks for a time is not known, nor is from where on: the gap begins
// with the numbering.
func TestSinceATimeThatIsGone(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	r.overrun()
	head := r.window.Head()
	r.await("the entries to be published", func() bool { return r.publisher.Head() == head })
	next, _ := r.listen(feed.EventStream, "?since=48h")
	gap, err := next()
	want := fmt.Sprintf(`{"reason":"expired","missed":null,"from":"e1-0","to":"e1-%d"}`, r.window.Oldest())
	if err != nil || string(gap.Data) != want {
		t.Errorf("%s, %v, want %s", gap.Data, err, want)
	}
}
