package streamer_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// publishTwins has both logs publish n certificates, each after its precertificate: four entries of each.
func (w *world) publishTwins(ca *testlog.CA, n int) {
	for range n {
		precert := ca.Issue(testlog.Shape{Precert: true, DNS: []string{"twins.example"}})
		for _, l := range w.logs {
			l.Append(precert)
			l.Append(ca.Final(precert, make([]byte, 120)))
		}
	}
	for _, l := range w.logs {
		l.Publish()
	}
}

// serials counts the messages of each certificate, n messages in all.
func serials(t *testing.T, ws *websocket.Conn, n int) map[string]int {
	t.Helper()
	seen := map[string]int{}
	for total := 0; total < n; {
		m := next(t, ws)
		if m.Type != "certificate_update" {
			continue
		}
		var data struct {
			Leaf struct {
				Serial string `json:"serial_number"`
			} `json:"leaf_cert"`
		}
		if err := json.Unmarshal(m.Data, &data); err != nil {
			t.Fatal(err)
		}
		seen[data.Leaf.Serial]++
		total++
	}
	return seen
}

// TestEachCertificateOnce runs the whole: logs that overlap, a stream's default, its change while running, and a restart.
func TestEachCertificateOnce(t *testing.T) {
	const n = 40
	w := newWorld(t)
	ca := testlog.NewCA("Twins")
	keep := stateIn(filepath.Join(w.dir, "state")) + retained
	w.configure(t, keep+"dedup: {streams: [lite]}\n")
	r := w.start(t)
	lite, full, off := r.dial(t, "/"), r.dial(t, "/full-stream"), r.dial(t, "/?dedup=0")
	first := next(t, lite).Cursor
	w.publishTwins(ca, n)
	once := func(what string, ws *websocket.Conn, certificates, times int) {
		t.Helper()
		seen := serials(t, ws, certificates*times)
		for serial, got := range seen {
			if got != times {
				t.Errorf("%s: %s came %d times, want %d", what, serial, got, times)
			}
		}
		if len(seen) != certificates {
			t.Errorf("%s: %d certificates, want %d", what, len(seen), certificates)
		}
	}
	once("the stream's default", lite, n, 1)
	once("a stream without", full, n, 4)
	once("switched off", off, n, 4)
	if s := r.Status().Filters.Dedup; s.Classes != 1 || s.Certificates != n || s.Suppressed != 3*n {
		t.Errorf("status %+v", s)
	}
	once("resumed", r.dial(t, "/?since="+first), n, 1)

	w.configure(t, keep+"dedup: {streams: [full], memory: 1MiB}\n")
	w.hashIs(t, r)
	once("no default any more", r.dial(t, "/?since="+first), n, 4)
	once("the new default", r.dial(t, "/full-stream?since="+first), n, 1)
	if s := r.Status().Filters.Dedup; s.MaxBytes != 1<<20 {
		t.Errorf("status %+v", s)
	}
	r.kept(t, 4*n)
	r.end()

	r = w.start(t)
	after := r.dial(t, "/?dedup=1&since="+first)
	once("after a restart", after, n, 1)
	w.publishTwins(ca, n)
	once("then live", after, n, 1)
}
