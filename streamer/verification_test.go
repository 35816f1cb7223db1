package streamer_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// eventually waits for a condition of the status.
func (r *running) eventually(what string, condition func(s serve.Status) bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); !condition(r.Status()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("not %s: %+v", what, r.Status().Logs)
		}
	}
}

// all says whether a condition holds for every one of the world's two logs.
func all(s serve.Status, condition func(l serve.LogStatus) bool) bool {
	for _, l := range s.Logs {
		if !condition(l) {
			return false
		}
	}
	return len(s.Logs) == 2
}

// TestStatusOfALiar: a log that signs two roots is marked, over a restart too, and its entries go on.
func TestStatusOfALiar(t *testing.T) {
	w := newWorld(t)
	w.configure(t, stateIn(t.TempDir()))
	w.grow(50)
	r := w.start(t)
	r.eventually("verified", func(s serve.Status) bool {
		return all(s, func(l serve.LogStatus) bool {
			return l.VerifiedPosition == 50 && l.ConsistentSize == 50 && l.Verification == "full"
		})
	})
	liar := w.logs[0]
	root := liar.Root(50)
	root[0] ^= 1
	liar.PublishHead(50, uint64(time.Now().UnixMilli()), root)
	find := func(s serve.Status) serve.LogStatus {
		for _, l := range s.Logs {
			if l.Name == liar.Name() {
				return l
			}
		}
		return serve.LogStatus{}
	}
	r.eventually("marked", func(s serve.Status) bool { return find(s).Misbehaviour != nil })
	mark := find(r.Status()).Misbehaviour
	if _, err := os.Stat(mark.Evidence); err != nil || mark.Kind != "two_roots" || mark.Since.IsZero() || mark.Count != 1 {
		t.Errorf("%+v: %v", mark, err)
	}
	r.end()
	w.grow(10)
	r = w.start(t)
	r.eventually("streamed on", func(s serve.Status) bool {
		return all(s, func(l serve.LogStatus) bool { return l.Position == 60 })
	})
	for _, l := range r.Status().Logs {
		lied := l.Name == liar.Name()
		if (l.Judge() == serve.Unhealthy) != lied || (l.Misbehaviour != nil) != lied || (l.Unverified != "") != lied {
			t.Errorf("%s: %s, %+v, %q", l.Name, l.Judge(), l.Misbehaviour, l.Unverified)
		}
	}
	if again := find(r.Status()).Misbehaviour; !again.Since.Equal(mark.Since) || again.Evidence != mark.Evidence {
		t.Errorf("after a restart: %+v, before %+v", again, mark)
	}
}

// TestStatusOfALogWithoutKey holds that it says so, beside a log that is verified.
func TestStatusOfALogWithoutKey(t *testing.T) {
	w := newWorld(t)
	keyless := w.logs[0]
	w.configure(t, quick+"custom_logs: [{name: Keyless, url: '"+keyless.URL()+"', protocol: rfc6962}]\n")
	w.grow(50)
	r := w.start(t)
	r.eventually("caught up", func(s serve.Status) bool {
		return all(s, func(l serve.LogStatus) bool {
			return l.Position == 50 && (l.Name == "Keyless" || l.VerifiedPosition == 50)
		})
	})
	for _, l := range r.Status().Logs {
		if (l.Judge() == serve.Degraded) != (l.Name == "Keyless") || strings.Contains(l.Unverified, "no key") != (l.Name == "Keyless") {
			t.Errorf("%s: %s, %q", l.Name, l.Judge(), l.Unverified)
		}
		if l.Name == "Keyless" && (l.VerifiedPosition != 0 || l.UnverifiedSince.IsZero()) {
			t.Errorf("%+v", l)
		}
	}
}

// TestVerificationChangesWhileRunning holds that no entry is lost by it, and that full verification finds its place again.
func TestVerificationChangesWhileRunning(t *testing.T) {
	w := newWorld(t)
	w.configure(t, quick)
	w.grow(20)
	r := w.start(t)
	size := uint64(20)
	for _, v := range []string{"full", "off", "consistency", "full"} {
		w.configure(t, strings.Replace(quick, "{", "{verification: "+v+", ", 1))
		w.hashIs(t, r)
		w.grow(20)
		size += 20
		r.eventually(v, func(s serve.Status) bool {
			return all(s, func(l serve.LogStatus) bool {
				return l.Verification == v && l.Position == size && l.Unverified == "" && (v != "full" || l.VerifiedPosition == size)
			})
		})
		if got := r.Status().Head; got != 2*size {
			t.Errorf("%s: %d entries numbered, want %d", v, got, 2*size)
		}
	}
}
