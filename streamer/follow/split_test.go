package follow

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// split has a log show every so many tree heads of a fork off its last ten entries, which is so many entries ahead and grows as
// fast. Entries and proofs stay the main tree's.
type split struct {
	ahead, every int
	poll         time.Duration
}

// grower appends entries of the pool, again and again.
func grower(l *testlog.Log, seed int) func(n int) {
	return func(n int) {
		for range n {
			l.Append(pool()[seed%len(pool())])
			seed++
		}
		l.Publish()
	}
}

// begin splits the log's view. It returns what makes both trees grow for so long, at twenty entries a second.
func (s split) begin(l *testlog.Log) func(time.Duration) {
	fork := l.Fork(l.Size() - 10)
	grow, growFork := grower(l, 300), grower(fork, 700)
	growFork(10 + s.ahead)
	for _, kind := range []string{testlog.GetSTH, testlog.Checkpoint} {
		l.Faults.Add(testlog.Fault{Kind: kind, Every: s.every, Do: testlog.ServeOther(fork.Handler())})
	}
	return func(d time.Duration) {
		for range d / (100 * time.Millisecond) {
			grow(2)
			growFork(2)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// TestGrowingSplitView holds that a split view of a growing log is proved within a few polls after the log's own tree has reached
// the fork's first head, and by few requests for proofs.
func TestGrowingSplitView(t *testing.T) {
	for _, poll := range []time.Duration{300 * time.Millisecond, 2 * time.Second} {
		for _, ahead := range []int{-6, 6, 24, 100, 2000} {
			for _, every := range []int{2, 3} {
				s := split{ahead, every, poll}
				t.Run(fmt.Sprintf("%+d, every %d, %v", ahead, every, poll), func(t *testing.T) {
					each(t, func(t *testing.T, o testlog.Options) { bubble(t, func(r *rig) { s.test(r, o) }) })
				})
			}
		}
	}
}

func (s split) test(r *rig, o testlog.Options) {
	log, spec := r.serve(o, pool()[:500]...)
	store := r.keep()
	r.paced(s.poll)
	r.start(spec)
	r.caughtUp(time.Minute, log)
	grow := s.begin(log)
	reached := time.Duration(max(s.ahead, 0)/20) * time.Second
	// Entries come by the tile, or are not there yet for the larger head: then polls are rarer.
	r.grown(grow, reached+12*s.poll+40*time.Second, "caught", func() bool { return r.status().Misbehaviours > 0 })
	r.provedSplit(store)
	if n := proofRequests(log); n > 40 {
		r.Errorf("%d requests for proofs", n)
	}
	if n := r.status().Mismatches; n > 3 {
		r.Errorf("%d mismatches", n)
	}
	r.close()
	must(r.T, store.Close())
}

// provedSplit is proved for a split view, two heads of which may be of one size by chance.
func (r *rig) provedSplit(store *Store) {
	r.Helper()
	kind := evidence.Fork
	if m := r.status().Misbehaviour; m != nil && m.Kind == evidence.TwoRoots {
		kind = m.Kind
	}
	r.proved(store, kind)
}

// paced sets the time between two polls.
func (r *rig) paced(poll time.Duration) {
	before := r.options
	r.options = func(o *Options) {
		if before != nil {
			before(o)
		}
		o.Settings.PollMin = poll
	}
}

// grown lets a log grow until a condition holds.
func (r *rig) grown(grow func(time.Duration), limit time.Duration, what string, condition func() bool) {
	r.Helper()
	for end := time.Now().Add(limit); !condition(); grow(100 * time.Millisecond) {
		if time.Now().After(end) {
			r.Fatalf("after %v: not %s; status %+v", limit, what, r.status())
		}
	}
}

func proofRequests(l *testlog.Log) (n int) {
	for _, kind := range []string{
		testlog.GetConsistency, testlog.GetEntryAndProof, testlog.GetProofByHash, testlog.HashTile, testlog.PartialHashTile,
	} {
		n += l.Stats.Kind(kind).Requests
	}
	return n
}

// TestSplitViewWithoutProofs holds that a log that gives no proofs cannot hide a fork from who reads its entries.
func TestSplitViewWithoutProofs(t *testing.T) {
	each(t, func(t *testing.T, o testlog.Options) {
		bubble(t, func(r *rig) {
			log, spec := r.serve(o, pool()[:500]...)
			store := r.keep()
			r.start(spec)
			r.caughtUp(time.Minute, log)
			for _, kind := range []string{
				testlog.GetConsistency, testlog.GetEntryAndProof, testlog.GetProofByHash, testlog.HashTile, testlog.PartialHashTile,
			} {
				log.Faults.Add(testlog.Fault{Kind: kind, Do: testlog.Status(404, "")})
			}
			grow := split{ahead: 24, every: 2}.begin(log)
			r.grown(grow, 2*time.Minute, "caught", func() bool { return r.status().Misbehaviours > 0 })
			r.provedSplit(store)
			r.close()
			must(r.T, store.Close())
		})
	})
}

// TestSplitViewByConsistency holds that the heads alone give a split view away, in some minutes.
func TestSplitViewByConsistency(t *testing.T) {
	for _, ahead := range []int{-6, 6, 24, 100} {
		t.Run(fmt.Sprintf("%+d", ahead), func(t *testing.T) {
			each(t, func(t *testing.T, o testlog.Options) {
				bubble(t, func(r *rig) {
					log, spec := r.serve(o, pool()[:500]...)
					spec.Verification = VerifyConsistency
					store := r.keep()
					r.start(spec)
					r.until(time.Minute, "read", func() bool { return r.status().Position == 500 && r.status().ConsistentSize == 500 })
					grow := split{ahead: ahead, every: 2}.begin(log)
					r.grown(grow, 10*time.Minute, "caught", func() bool { return r.status().Misbehaviours > 0 })
					r.provedSplit(store)
					r.close()
					must(r.T, store.Close())
				})
			})
		})
	}
}

// TestSplitViewOverRestarts holds that restarts do not help: what is to be compared is kept.
func TestSplitViewOverRestarts(t *testing.T) {
	each(t, func(t *testing.T, o testlog.Options) {
		bubble(t, func(r *rig) {
			log, spec := r.serve(o, pool()[:500]...)
			store := r.keep()
			r.start(spec)
			r.caughtUp(time.Minute, log)
			grow := split{ahead: 400, every: 2}.begin(log)
			for range 12 {
				if r.status().Misbehaviour != nil {
					break
				}
				grow(7 * time.Second)
				r.stop()
				r.start(spec)
				grow(time.Second)
			}
			r.provedSplit(store)
			r.close()
			must(r.T, store.Close())
		})
	})
}

// TestHonestDisorderIsNoMisbehaviour holds that heads out of order, frontends that lag, lost proofs and restarts are no misbehaviour,
// and stop no verification.
func TestHonestDisorderIsNoMisbehaviour(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			each(t, func(t *testing.T, o testlog.Options) { bubble(t, func(r *rig) { honest(r, o, seed) }) })
		})
	}
}

func honest(r *rig, o testlog.Options, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	log, spec := r.serve(o, pool()[:500]...)
	store := r.keep()
	r.paced([]time.Duration{300 * time.Millisecond, 2 * time.Second}[seed%2])
	if seed%4 > 1 {
		spec.Verification = VerifyConsistency
	}
	r.start(spec)
	grow := grower(log, 500)
	for range 300 {
		switch random.IntN(12) {
		case 0: // a frontend that lags, asked for whatever there is
			log.Faults.Add(testlog.Fault{
				Probability: 0.5, For: time.Duration(random.IntN(20)) * time.Second,
				Do: testlog.ServeOther(log.At(log.Size() - min(log.Size(), random.Uint64N(60)))),
			})
		case 1: // tree heads out of order
			kind := []string{testlog.GetSTH, testlog.Checkpoint}[random.IntN(2)]
			log.Faults.Add(testlog.Fault{
				Kind: kind, Times: 1 + random.IntN(3), Do: testlog.ServeOther(log.At(log.Size() - random.Uint64N(200))),
			})
		case 2: // no proofs
			kinds := []string{testlog.GetConsistency, testlog.GetEntryAndProof, testlog.HashTile, testlog.PartialHashTile}
			log.Faults.Add(testlog.Fault{
				Kind: kinds[random.IntN(len(kinds))], Times: 2, Do: testlog.Status([]int{400, 404, 503}[random.IntN(3)], ""),
			})
		case 3: // a restart
			if random.IntN(4) == 0 {
				r.stop()
				r.start(spec)
			}
		default:
			grow(random.IntN(40))
		}
		time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
		if m := r.status().Misbehaviour; m != nil {
			r.Fatalf("accused: %+v", m)
		}
	}
	log.Faults.Clear()
	r.until(30*time.Minute, "read and proved", func() bool {
		s := r.status()
		return s.Position == log.Size() && s.ConsistentSize == log.Size() && s.Mismatches == 0 && s.Misbehaviour == nil
	})
	r.close()
	must(r.T, store.Close())
}
