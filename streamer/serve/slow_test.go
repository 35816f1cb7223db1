package serve

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// overrun publishes until a client that does not read is further behind than what is kept.
func (r *rig) overrun() {
	r.Helper()
	for stop := r.window.Oldest() + 1000; r.window.Oldest() < stop; {
		r.add(200)
	}
}

// hearGap reads until the client is told of a gap, and returns its reason.
func (f *follower) hearGap(next messages) {
	f.t.Helper()
	for had := f.gaps; f.gaps == had && !f.t.Failed(); {
		h, err := next()
		if err != nil {
			f.t.Fatal(err)
		}
		f.hear(h)
	}
}

// TestSlowClientIsToldOfItsGap on every protocol, twice; the third time within a minute it is cut.
func TestSlowClientIsToldOfItsGap(t *testing.T) {
	for i := range feed.Framings {
		framing := feed.Framing(i)
		t.Run(framing.String(), func(t *testing.T) {
			r := newRig(t, rigOptions{feed: 32 << 10, sendBuffer: 8 << 10, heartbeat: time.Hour})
			next, _ := r.cramped(framing)
			f := &follower{t: t}
			f.join(next)
			for range 2 {
				r.overrun()
				f.hearGap(next)
			}
			r.overrun()
			for {
				h, err := next()
				if h.Type == "close 1013" || err == io.EOF && framing != feed.WebSocket {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				f.hear(h)
			}
			if f.gaps != 3 || testutil.ToFloat64(r.metrics.Gaps.WithLabelValues(string(message.GapSlow))) != 3 {
				t.Errorf("%d gaps", f.gaps)
			}
			r.await("the client to be counted as slow", func() bool {
				return testutil.ToFloat64(r.metrics.Disconnects.WithLabelValues(reasonSlow)) == 1
			})
		})
	}
}

func TestPolicyClosesSlowClients(t *testing.T) {
	r := newRig(t, rigOptions{feed: 32 << 10, sendBuffer: 8 << 10, settings: func(s *Settings) { s.SlowClient = CloseSlow }})
	next, _ := r.cramped(feed.WebSocket)
	r.overrun()
	for f := (&follower{t: t}); ; {
		h, err := next()
		if err != nil {
			t.Fatal(err)
		}
		if h.Type == "close 1013" {
			return
		}
		f.hear(h)
	}
}

// TestBuffer: a client may fall behind by so many messages, even though more are kept.
func TestBuffer(t *testing.T) {
	r := newRig(t, rigOptions{window: 8 << 20, feed: 8 << 10, sendBuffer: 8 << 10, heartbeat: time.Hour,
		settings: func(s *Settings) { s.Buffer = 100 }})
	next, _ := r.cramped(feed.Lines)
	f := &follower{t: t}
	h, err := next()
	if err != nil {
		t.Fatal(err)
	}
	f.hear(h)
	for range 5 {
		r.add(400)
	}
	f.hearGap(next)
	if r.window.Oldest() != 0 {
		t.Error("the window has dropped entries: the test has shown nothing")
	}
}

func TestStuckClientIsCut(t *testing.T) {
	r := newRig(t, rigOptions{feed: 64 << 10, sendBuffer: 8 << 10, patience: func(p *patience) {
		p.stuck, p.linger = 100*time.Millisecond, 50*time.Millisecond
	}})
	_, nc := r.cramped(feed.WebSocket)
	r.addBig()
	r.addBig()
	r.await("the stuck client to be cut", func() bool {
		return testutil.ToFloat64(r.metrics.Disconnects.WithLabelValues(reasonStuck)) == 1
	})
	_ = nc.Close()
	r.await("the client to be forgotten", func() bool { return r.server.Clients() == 0 })
}

// TestSlowClientsHarmNobody: beside clients that never read, one that does gets everything, without a gap.
func TestSlowClientsHarmNobody(t *testing.T) {
	r := newRig(t, rigOptions{feed: 64 << 10, sendBuffer: 8 << 10, heartbeat: time.Hour})
	for range 30 {
		r.cramped(feed.WebSocket)
	}
	next, _ := r.listen(feed.WebSocket, "")
	f := &follower{t: t}
	for f.at < 5000 {
		if r.window.Head() < 5000 && r.window.Head() < f.at+200 {
			r.add(100)
		}
		h, err := next()
		if err != nil {
			t.Fatal(err)
		}
		f.hear(h)
	}
	if f.gaps > 0 {
		t.Errorf("%d gaps", f.gaps)
	}
}

func TestResume(t *testing.T) {
	r := newRig(t, rigOptions{feed: 16 << 10, heartbeat: time.Hour})
	r.add(1000)
	r.await("the entries to be published", func() bool { return r.publisher.Head() == 1000 })
	for i := range feed.Framings {
		framing := feed.Framing(i)
		query := "?since=e1-400"
		if framing == feed.Lines {
			continue // says it in its JSON line, below
		}
		next, _ := r.listen(framing, query)
		f := &follower{t: t, at: 400}
		for f.at < 1000 && !t.Failed() {
			h, err := next()
			if err != nil {
				t.Fatal(err)
			}
			f.hear(h)
		}
	}
	_, lines := r.tcpClient(`{"since":"e1-990"}` + "\n")
	f := &follower{t: t, at: 990}
	for next := r.lines(lines); f.at < 1000 && !t.Failed(); {
		h, err := next()
		if err != nil {
			t.Fatal(err)
		}
		f.hear(h)
	}
}

func TestResumeFromWhatIsGone(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	r.overrun()
	head := r.window.Head()
	r.await("the entries to be published", func() bool { return r.publisher.Head() == head })
	oldest := r.window.Oldest()
	for _, c := range []struct{ since, reason, missed string }{
		{"e1-3", "expired", fmt.Sprint(oldest - 3)},
		{"other-3", "epoch", "null"},
	} {
		ws := r.dial("/domains-only?since=" + c.since)
		h := r.next(ws)
		want := fmt.Sprintf(`{"reason":%q,"missed":%s,"from":%q,"to":"e1-`, c.reason, c.missed, c.since)
		if h.Type != "gap" || string(h.Data[:min(len(h.Data), len(want))]) != want {
			t.Errorf("since %s: %s %s, want %s", c.since, h.Type, h.Data, want)
		}
		if h := r.next(ws); h.Type != "heartbeat" {
			t.Errorf("after the gap came %s", h.Type)
		}
	}
}

// TestSkipReachesEverybody: an ingest gap comes on every stream, filtered ones too, and before what follows it.
func TestSkipReachesEverybody(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	r.add(1)
	r.await("the entry to be published", func() bool { return r.publisher.Head() == 1 })
	all, filtered := r.dial("/"), r.dial("/?suffix=n00000002.example.org")
	r.next(all)
	r.next(filtered)
	r.publisher.Skipped("Test log", 10, 20)
	r.add(1)
	late := r.dial("/?since=e1-1")
	for _, ws := range []interface{ ReadMessage() (int, []byte, error) }{all, filtered, late} {
		var kinds []string
		for len(kinds) < 2 {
			_, text, err := ws.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			h := parseHeard(t, text)
			if h.Type == "heartbeat" {
				continue
			}
			kinds = append(kinds, h.Type)
			want := `{"reason":"ingest","missed":10,"log":"Test log","from_index":10,"to_index":20}`
			if h.Type == "gap" && string(h.Data) != want {
				t.Errorf("got %s", h.Data)
			}
		}
		if kinds[0] != "gap" || kinds[1] != "certificate_update" {
			t.Errorf("got %q", kinds)
		}
	}
}
