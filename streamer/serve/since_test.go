package serve

import (
	"net/url"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
)

// heldEngine gives nothing after an offset until it is let go.
type heldEngine struct {
	engine.Engine
	after uint64
	let   chan struct{}
}

func (e heldEngine) Read(after uint64, buf []engine.Entry) (int, error) {
	if after >= e.after {
		<-e.let
	}
	return e.Engine.Read(after, buf)
}

// TestSinceNowIsNotAheadOfThePublisher: what has been numbered and not sent out yet comes after the first heartbeat, whose cursor must
// not be beyond it.
func TestSinceNowIsNotAheadOfThePublisher(t *testing.T) {
	for _, since := range []string{"0s", "2099-01-01T00:00:00Z"} {
		held := heldEngine{after: 5, let: make(chan struct{})}
		r := newRig(t, rigOptions{heartbeat: time.Hour, engine: func(e engine.Engine) engine.Engine {
			held.Engine = e
			return held
		}})
		r.add(5)
		r.await("the entries to be published", func() bool { return r.publisher.Head() == 5 })
		r.add(5)
		next, _ := r.listen(feed.EventStream, "?since="+url.QueryEscape(since))
		first, err := next()
		close(held.let)
		if err != nil || first.Cursor != "e1-5" {
			t.Errorf("since %s: first came %s of %s, %v, want a heartbeat of e1-5", since, first.Type, first.Cursor, err)
		}
		(&follower{t: t, at: 5}).follow(next, 10)
	}
}

// TestSinceTheBeginningOfTime: the zero time is a time like any other, and so is the longest duration.
func TestSinceTheBeginningOfTime(t *testing.T) {
	r := newRig(t, rigOptions{segments: t.TempDir(), heartbeat: time.Hour})
	r.overrunKept()
	head := r.window.Head()
	r.await("the entries to be published", func() bool { return r.publisher.Head() == head })
	for _, since := range []string{"0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2562047h47m16s"} {
		next, _ := r.listen(feed.EventStream, "?since="+since)
		first, err := next()
		if err != nil || first.Type != "heartbeat" || first.Cursor != "e1-0" {
			t.Errorf("since %s: first came %s of %s (%s), %v", since, first.Type, first.Cursor, first.Data, err)
		}
		(&follower{t: t}).follow(next, head)
	}
}
