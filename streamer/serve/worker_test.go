package serve

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

func TestInterval(t *testing.T) {
	for clients, want := range map[int]time.Duration{0: minInterval, 100: minInterval, 1000: 15 * time.Millisecond,
		4000: 60 * time.Millisecond, 100000: maxInterval} {
		if got := interval(clients); got != want {
			t.Errorf("%d clients: %s, want %s", clients, got, want)
		}
	}
}

// TestPace plays streams of several rates, for a second each, to a worker whose passes take no time.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		name              string
		every             time.Duration // between batches
		clients           int
		passes, tolerance int
		longest           time.Duration // that a batch waits
	}{
		{name: "quiet: every batch at once", every: 20 * time.Millisecond, clients: 1000, passes: 50, tolerance: 1, longest: 0},
		{name: "busy: a pass each interval", every: 2500 * time.Microsecond, clients: 1000, passes: 67, tolerance: 15,
			longest: 15 * time.Millisecond},
		{name: "few clients: a shorter interval", every: time.Millisecond, clients: 1, passes: 100, tolerance: 15,
			longest: minInterval},
		{name: "many clients: a longer interval", every: 25 * time.Millisecond, clients: 10000, passes: 7, tolerance: 6,
			longest: 150 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := pace{}
			start := time.Unix(1000, 0)
			passes, longest := 0, time.Duration(0)
			var batches uint64
			for now := start; now.Before(start.Add(time.Second)); now = now.Add(c.every) {
				batches++
				at := now
				if d := p.delay(now, batches, c.clients); d > 0 {
					longest = max(longest, d)
					at = now.Add(d)
				}
				p.begin(at)
				passes++
				for next := now.Add(c.every); !next.After(at); next = next.Add(c.every) { // published while the worker waited
					batches++
					now = next
				}
			}
			if passes < c.passes-c.tolerance || passes > c.passes+c.tolerance || longest > c.longest {
				t.Errorf("%d passes, longest wait %s; want %d and at most %s", passes, longest, c.passes, c.longest)
			}
			later := start.Add(time.Minute)
			batches++
			if d := p.delay(later, batches, c.clients); d > 0 {
				t.Errorf("after a minute's silence the next batch waits %s", d)
			}
		})
	}
}

// TestManyConnectsAtOnce: a thousand clients at once, more than may come in, and every place is given back.
func TestManyConnectsAtOnce(t *testing.T) {
	const clients, places = 1000, 700
	r := newRig(t, rigOptions{heartbeat: time.Hour, access: access.Options{MaxConnections: places}})
	var wait sync.WaitGroup
	var mu sync.Mutex
	var open []*websocket.Conn
	for range clients {
		wait.Go(func() {
			ws, response, err := websocket.DefaultDialer.Dial("ws"+r.http.URL[len("http"):], nil)
			if err != nil {
				if response == nil || response.StatusCode != 503 {
					t.Errorf("refused with %v, %+v", err, response)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, ws)
		})
	}
	wait.Wait()
	if len(open) != places {
		t.Errorf("%d clients are in, want %d", len(open), places)
	}
	r.add(1)
	for _, ws := range open {
		_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
		r.next(ws)
		if h := r.next(ws); h.index(t) != 1 {
			t.Errorf("got %+v", h)
		}
		_ = ws.Close()
	}
	r.await("all places to be free", func() bool { return r.server.Clients() == 0 && r.server.gate.Connections() == 0 })
	r.await("the workers to have forgotten them", func() bool { return len(r.publisher.Streams()) == 0 })
}

// TestHalfOpen: clients that connect and say nothing, or half of a request, cost a place in no limit and end with the server.
func TestHalfOpen(t *testing.T) {
	r := newRig(t, rigOptions{})
	for range 50 {
		for _, address := range []net.Addr{r.http.Listener.Addr(), r.tcp.Addr()} {
			nc, err := net.Dial("tcp", address.String())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
		}
	}
	ws := r.dial("/")
	r.next(ws)
	if n := r.server.gate.Connections(); n != 1 {
		t.Errorf("%d places are taken", n)
	}
	if n := len(r.publisher.Streams()); n != 1 || r.publisher.Streams()[0].Framing != feed.WebSocket {
		t.Errorf("streams: %+v", r.publisher.Streams())
	}
}

// TestEndedBeforeItBegan: a client that is gone when its stream begins leaves it once, and takes nobody else's place with it.
func TestEndedBeforeItBegan(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	stays, first := r.dial("/"), r.dial("/")
	r.next(stays)
	r.next(first)
	for range 2 * len(r.server.shards) {
		v := &visit{kind: message.Lite, framing: feed.WebSocket}
		if refusal := r.server.enter(t.Context(), v, access.Request{}); refusal != nil {
			t.Fatal(refusal)
		}
		nc, peer := net.Pipe()
		_ = peer.Close()
		c := r.server.add(nc, v)
		c.abort(reasonReset)
		c.begin(v)
		c.doneReading()
	}
	r.await("the clients to be forgotten", func() bool { return r.server.Clients() == 2 })
	r.add(1)
	for _, ws := range []*websocket.Conn{stays, first} {
		if h := r.next(ws); h.index(t) != 1 {
			t.Errorf("got %+v", h)
		}
		_ = ws.Close()
	}
	r.await("the stream to be given up", func() bool { return len(r.publisher.Streams()) == 0 })
	if n := r.server.gate.Connections(); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// TestLively: who is connected but gets nothing makes nobody else wait.
func TestLively(t *testing.T) {
	server := &Server{}
	s := newShard(server)
	for _, c := range []struct{ wrote, want int }{{2, 2}, {1000, 251}, {2, 2}, {100, 26}, {100, 44}, {0, 0}} {
		if s.noteLively(c.wrote); int(server.lively.Load()) != c.want {
			t.Errorf("after a pass that wrote to %d: %d, want %d", c.wrote, server.lively.Load(), c.want)
		}
	}
	for range 40 {
		s.noteLively(1000)
	}
	if n := server.lively.Load(); n < 990 {
		t.Errorf("%d of 1,000", n)
	}
}
