package streamer_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// TestBacklogPushesNoLiveClientOut lets one log bring a backlog while the other grows, under 100 clients: each gets every entry,
// without a gap, and live ones do not wait for the backlog's end.
func TestBacklogPushesNoLiveClientOut(t *testing.T) {
	const clients, backlog = 100, 2500
	w := newWorld(t)
	entries := testlog.NewCA("CA").Pool(64)
	again := testlog.Cycle(entries)
	for range backlog {
		w.logs[0].Append(again())
	}
	w.configure(t, "ct_log: {poll_interval_ms: 100, requests_per_second: 1000, catch_up_rate: 1000, start: 'index:0'}\n")
	held := w.logs[0].Faults.Add(testlog.Fault{Do: testlog.Status(503, "")}) // until all clients are there
	w.logs[0].Publish()
	r := w.start(t)
	var all sync.WaitGroup
	var before [clients]int // live entries seen before the backlog's end
	for i := range clients {
		ws := r.dial(t, "/")
		next(t, ws)
		all.Go(func() { before[i] = readBacklog(t, ws, backlog) })
	}
	held.Remove()
	growing := time.NewTicker(20 * time.Millisecond)
	defer growing.Stop()
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	for {
		select {
		case <-growing.C:
			w.logs[1].Append(again())
			w.logs[1].Publish()
			continue
		case <-done:
		}
		break
	}
	for i, n := range before {
		if n == 0 {
			t.Fatalf("client %d got no live entry before the backlog's end", i)
		}
	}
}

// readBacklog reads until the last entry of the backlog and counts those of the other log. It does not decode: a hundred
// clients that do are more than this machine's servers are tested for here.
func readBacklog(t *testing.T, ws *websocket.Conn, backlog int) (live int) {
	for want := 0; want < backlog; {
		_ = ws.SetReadDeadline(time.Now().Add(patience))
		_, m, err := ws.ReadMessage()
		switch {
		case err != nil || bytes.HasPrefix(m, []byte(`{"message_type":"gap"`)):
			t.Errorf("after %d of the backlog: %s, %v", want, m, err)
			return live
		case !bytes.HasPrefix(m, []byte(`{"message_type":"certificate_update"`)):
		case bytes.Contains(m, []byte(`"name":"Tiled"`)):
			live++
		case !bytes.Contains(m, fmt.Appendf(nil, `"cert_index":%d,`, want)):
			t.Errorf("not index %d but %s", want, m)
			return live
		default:
			want++
		}
	}
	return live
}
