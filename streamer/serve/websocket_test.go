package serve

import "testing"

func TestWebSocketGetsEveryMessageInOrder(t *testing.T) {
	r := newRig(t, rigOptions{})
	ws := r.dial("/")
	if h := r.next(ws); h.Type != "heartbeat" || h.Cursor != "e1-0" {
		t.Fatalf("first came %+v, want a heartbeat", h)
	}
	for range 10 {
		r.add(33)
	}
	for want := uint64(1); want <= 330; want++ {
		h := r.next(ws)
		if h.Type != "certificate_update" || h.index(t) != want {
			t.Fatalf("got %s %d, want message %d", h.Type, h.index(t), want)
		}
	}
}
