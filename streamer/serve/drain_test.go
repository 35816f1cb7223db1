package serve

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// TestDrain: every client gets all there is, then is told to come back, in the words of its protocol.
func TestDrain(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour, patience: func(p *patience) { p.linger = 50 * time.Millisecond }})
	ws := r.dial("/")
	_, events := r.get("/sse", nil)
	_, lines := r.tcpClient("l")
	r.await("three clients", func() bool { return r.server.Clients() == 3 })
	r.add(500)
	r.await("the entries to be published", func() bool { return r.publisher.Head() == 500 })
	done := make(chan struct{})
	go func() { r.server.Drain(context.Background(), 30*time.Millisecond); close(done) }()

	last := uint64(0)
	for last < 500 {
		if h := r.next(ws); h.Type == "certificate_update" {
			last = h.index(t)
		}
	}
	if c := closeOf(t, ws); c.Code != closeRestart || c.Text == "" {
		t.Errorf("WebSocket closed with %v", c)
	}
	all, err := io.ReadAll(events)
	text := string(all)
	if err != nil || !strings.Contains(text, "id: e1-500\n") || !strings.Contains(text[len(text)-20:], "\n\nretry: ") {
		t.Errorf("the event stream ended with %q, %v", all[len(all)-100:], err)
	}
	all, err = io.ReadAll(lines)
	if text := string(all); err != nil || !strings.Contains(text, `"cursor":"e1-500"`) || !strings.HasSuffix(text, "}\n") {
		t.Errorf("TCP ended with %q, %v", all[len(all)-100:], err)
	}
	<-done
	if n := testutil.ToFloat64(r.metrics.Disconnects.WithLabelValues(reasonDrain)); n != 3 {
		t.Errorf("%v clients were drained", n)
	}
	response, _ := r.get("/sse", nil)
	if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" {
		t.Errorf("while draining: %s", response.Status)
	}
}

func TestDrainOfNobodyIsQuick(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.server.Drain(context.Background(), time.Hour)
}

// TestDrainDoesNotWaitForStuckClients for longer than they have to take the last bytes.
func TestDrainDoesNotWaitForStuckClients(t *testing.T) {
	r := newRig(t, rigOptions{sendBuffer: 8 << 10, patience: func(p *patience) {
		p.closing, p.linger = 50*time.Millisecond, 50*time.Millisecond
	}})
	r.cramped(feed.EventStream)
	r.cramped(feed.WebSocket)
	r.addBig()
	r.addBig()
	r.server.Drain(context.Background(), time.Millisecond)
	r.await("everybody to be gone", func() bool { return r.server.Clients() == 0 })
}

// TestUpdateClosesOnlyWhatIsSwitchedOff: a live change drops nobody else.
func TestUpdateClosesOnlyWhatIsSwitchedOff(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	full, lite := r.dial("/full-stream"), r.dial("/")
	r.next(full)
	r.next(lite)
	settings := *r.server.live()
	settings.Kinds[message.Full] = false
	settings.Buffer, settings.SlowClient = 5000, CloseSlow
	r.server.Update(settings)
	if c := closeOf(t, full); c.Code != closeGoingAway || !strings.Contains(c.Text, "switched off") {
		t.Errorf("closed with %v", c)
	}
	r.add(1)
	if h := r.next(lite); h.index(t) != 1 {
		t.Errorf("got %+v", h)
	}
}

func TestRevokedTokenEndsItsConnections(t *testing.T) {
	options := func(values ...string) access.Options {
		o := access.Options{Auth: access.Auth{Enabled: true, QueryToken: true}}
		for _, v := range values {
			o.Auth.Tokens = append(o.Auth.Tokens, access.Token{Name: v, Value: v})
		}
		return o
	}
	r := newRig(t, rigOptions{heartbeat: time.Hour, access: options("token-of-somebody", "token-of-another")})
	one, other := r.dial("/?token=token-of-somebody"), r.dial("/?token=token-of-another")
	r.next(one)
	r.next(other)
	if err := r.server.gate.Update(options("token-of-another")); err != nil {
		t.Fatal(err)
	}
	if c := closeOf(t, one); c.Code != closePolicy {
		t.Errorf("closed with %v", c)
	}
	r.add(1)
	if h := r.next(other); h.index(t) != 1 {
		t.Errorf("got %+v", h)
	}
}
