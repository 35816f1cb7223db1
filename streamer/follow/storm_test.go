package follow

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// TestStorm lets everything go wrong at random on two growing logs, with kills and clean restarts in between. In the end nothing
// is lost, all is verified, and within each run the order was kept.
func TestStorm(t *testing.T) {
	for i := range 2 {
		seed := rand.Uint64()
		bubble(t, func(r *rig) { storm(r, rand.New(rand.NewPCG(seed, 1)), i%2 == 1) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestHonestLogsAreNotAccused: what frontends, caches and networks do to proofs and heads of an honest log proves nothing.
func TestHonestLogsAreNotAccused(t *testing.T) {
	each(t, func(t *testing.T, o testlog.Options) {
		seed := rand.Uint64()
		bubble(t, func(r *rig) {
			chance := rand.New(rand.NewPCG(seed, 1))
			log, spec := r.serve(o, pool()[:100]...)
			spec.Verification = VerifyConsistency
			store := r.keep()
			r.start(spec)
			wrong(log, chance)
			for range 200 {
				at := chance.IntN(1200)
				log.Append(pool()[at : at+chance.IntN(20)]...)
				log.Publish()
				time.Sleep(time.Duration(1+chance.IntN(20)) * time.Second)
				if chance.IntN(20) == 0 {
					r.stop()
					r.start(spec)
				}
			}
			log.Faults.Clear()
			r.until(30*time.Minute, "read and proved", func() bool {
				s := r.status()
				return s.Position == log.Size() && s.ConsistentSize == log.Size()
			})
			if accused := kept(r.T, store); len(accused) > 0 || r.status().Misbehaviour != nil {
				r.Errorf("an honest log is accused: %+v", accused)
			}
			r.noneLost(log)
			r.close()
			must(r.T, store.Close())
		})
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
}

// storm may serve wrong entries too, which only a root shows: they lead to rewinds, which change the order.
func storm(r *rig, chance *rand.Rand, wrongEntries bool) {
	classic, classicSpec := r.serve(testlog.Options{Name: "Classic", MaxGetEntries: 64}, pool()[:100]...)
	static, staticSpec := r.serve(testlog.Options{Name: "Static", Static: true, DropPartials: true}, pool()[:100]...)
	staticSpec.Source.Operator = "Another"
	logs := []*testlog.Log{classic, static}
	dir := r.TempDir()
	for round := range 5 {
		store := openStore(r.T, dir)
		r.options = func(o *Options) { o.Store = store }
		runStart := len(r.eng.entries)
		r.start(classicSpec, staticSpec)
		for _, l := range logs {
			wrong(l, chance)
		}
		if wrongEntries {
			classic.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Skip: chance.IntN(5), Times: 1, Do: testlog.Shift(-3)})
		}
		for range 20 { // some minutes
			for _, l := range logs {
				at := chance.IntN(1200)
				l.Append(pool()[at : at+chance.IntN(40)]...)
				l.Publish()
			}
			time.Sleep(time.Duration(1+chance.IntN(30)) * time.Second)
		}
		for _, l := range logs {
			l.Faults.Clear()
		}
		if round == 4 {
			r.caughtUp(30*time.Minute, classic)
			r.caughtUp(30*time.Minute, static)
		}
		if accused := kept(r.T, store); len(accused) > 0 {
			r.Fatalf("an honest log is accused: %+v", accused[0])
		}
		if chance.IntN(2) == 0 && round < 4 {
			r.abandon(store)
		} else {
			r.stop()
			r.stop = nil
			must(r.T, store.Close())
		}
		if !wrongEntries {
			inOrder(r, runStart)
		}
	}
	for _, l := range logs {
		r.noneLost(l)
	}
}

// wrong adds faults of all kinds that show at once.
func wrong(l *testlog.Log, chance *rand.Rand) {
	for _, f := range []testlog.Fault{
		{Do: testlog.TooManyRequests("")}, {Do: testlog.TooManyRequests("3")}, {Do: testlog.Status(500, "oops")},
		{Do: testlog.Status(404, "")}, {Do: testlog.HTML()}, {Do: testlog.Reset(300)}, {Do: testlog.Hang()}, {Do: testlog.Truncate(7)},
		{Do: testlog.Delay(2 * time.Second)},
		{Kind: testlog.GetEntries, Do: testlog.EmptyEntries()},
		{Kind: testlog.GetEntries, Do: testlog.EditEntries(func(e []json.RawMessage) []json.RawMessage { return e[:(len(e)+1)/2] })},
		{Kind: testlog.GetSTH, Do: testlog.BadSignature()}, {Kind: testlog.Checkpoint, Do: testlog.BadSignature()},
		{Kind: testlog.DataTile, Do: testlog.SwapTileEntries()},
		{Kind: testlog.GetConsistency, Do: testlog.Status(200, `{"consistency":[]}`)},
		{Kind: testlog.HashTile, Do: testlog.FlipBit(77)}, {Kind: testlog.PartialHashTile, Do: testlog.FlipBit(5)},
		{Do: func(w http.ResponseWriter, q *http.Request, _ http.Handler) { l.At(l.Size()*9/10).ServeHTTP(w, q) }},
	} {
		f.Probability = 0.01 + 0.03*chance.Float64()
		l.Faults.Add(f)
	}
}

// inOrder fails unless the entries emitted in a run are in index order, per log.
func inOrder(r *rig, from int) {
	r.Helper()
	next := map[string]uint64{}
	for _, e := range r.eng.entries[from:] {
		if want, seen := next[e.Source.Name]; seen && e.Index != want {
			r.Fatalf("%s: index %d after %d", e.Source.Name, e.Index, want-1)
		}
		next[e.Source.Name] = e.Index + 1
	}
}
