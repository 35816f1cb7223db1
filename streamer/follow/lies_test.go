package follow

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// lies are the ways in which a log of 100 entries can lie. Each makes the log go on as a liar.
var lies = []struct {
	name string
	kind evidence.Kind
	// needs is the least verification that finds it.
	needs Verification
	tell  func(l *testlog.Log)
}{
	{"two roots", evidence.TwoRoots, VerifyConsistency, func(l *testlog.Log) {
		root := l.Root(100)
		root[0] ^= 1
		l.PublishHead(100, uint64(time.Now().UnixMilli()), root)
	}},
	{"forked tree", evidence.Fork, VerifyConsistency, func(l *testlog.Log) {
		fork := l.Fork(50)
		fork.Append(pool()[600:750]...)
		fork.Publish()
		l.Become(fork)
	}},
	{"split view", evidence.Fork, VerifyConsistency, func(l *testlog.Log) {
		fork := l.Fork(100)
		fork.Append(pool()[600:650]...)
		fork.Publish()
		l.Append(pool()[100:200]...)
		l.Publish()
		l.SplitView(fork)
	}},
	{"rollback", evidence.Rollback, VerifyConsistency, func(l *testlog.Log) {
		l.Rollback(60, 48*time.Hour)
	}},
	{"altered entry", evidence.WrongEntry, VerifyFull, func(l *testlog.Log) {
		l.Append(pool()[100:200]...)
		l.Corrupt(137, pool()[500])
		l.Publish()
	}},
}

// each runs a test for both protocols.
func each(t *testing.T, run func(t *testing.T, o testlog.Options)) {
	t.Run("RFC 6962", func(t *testing.T) { run(t, testlog.Options{}) })
	t.Run("static", func(t *testing.T) { run(t, testlog.Options{Static: true}) })
}

// TestLies holds that every lie is found by the verification that can, proved by what is kept, and stops no entry.
func TestLies(t *testing.T) {
	for _, lie := range lies {
		for _, v := range []Verification{VerifyConsistency, VerifyFull} {
			if v == VerifyConsistency && lie.needs == VerifyFull {
				continue
			}
			t.Run(lie.name+"/"+string(v), func(t *testing.T) {
				each(t, func(t *testing.T, o testlog.Options) {
					bubble(t, func(r *rig) {
						log, spec := r.serve(o, pool()[:100]...)
						spec.Verification = v
						store := r.keep()
						r.start(spec)
						r.until(time.Minute, "read", func() bool { return r.status().Position == 100 && r.status().ConsistentSize == 100 })
						lie.tell(log)
						r.caught(log, store, lie.kind)
					})
				})
			})
		}
	}
}

// caught waits for the log to be caught and to be streamed on, and holds that the mark and the proof outlive a restart.
func (r *rig) caught(log *testlog.Log, store *Store, kind evidence.Kind) {
	r.Helper()
	r.until(40*time.Minute, "caught", func() bool { return r.status().Misbehaviours > 0 })
	e := r.proved(store, kind)
	if e.Log.Name != log.Name() || len(e.Heads) == 0 {
		r.Errorf("evidence against %+v with %d heads", e.Log, len(e.Heads))
	}
	before := r.status().Misbehaviour
	spec := r.sup.specs[0]
	r.stop()
	r.start(spec)
	r.until(time.Minute, "marked after a restart", func() bool { return r.status().Misbehaviour != nil })
	if after := r.status().Misbehaviour; !after.Since.Equal(before.Since) || after.Kind != before.Kind || after.Evidence != before.Evidence {
		r.Errorf("marked %+v, after a restart %+v", before, after)
	}
	r.stop()
	must(r.T, os.RemoveAll(filepath.Join(store.Dir(), evidenceDir)))
	log.Faults.Clear()
	log.Append(pool()[900:1000]...)
	log.Publish()
	r.start(spec)
	r.until(time.Minute, "streamed on", func() bool { return r.status().Position >= log.Size() })
	if m := r.status().Misbehaviour; m != nil && m.Since.Equal(before.Since) {
		r.Errorf("still marked though the evidence was removed: %+v", m)
	}
	r.close()
	must(r.T, store.Close())
}

// TestLiesWhileAway holds that a lie told while the streamer was not running is found by the heads it has kept.
func TestLiesWhileAway(t *testing.T) {
	for _, lie := range lies {
		t.Run(lie.name, func(t *testing.T) {
			each(t, func(t *testing.T, o testlog.Options) {
				bubble(t, func(r *rig) {
					log, spec := r.serve(o, pool()[:100]...)
					store := r.keep()
					r.start(spec)
					r.until(time.Minute, "read", func() bool { return r.status().Position == 100 && r.status().ConsistentSize == 100 })
					r.stop()
					lie.tell(log)
					r.start(spec)
					r.until(40*time.Minute, "caught", func() bool { return r.status().Misbehaviours > 0 })
					r.proved(store, lie.kind)
					r.close()
					must(r.T, store.Close())
				})
			})
		})
	}
}

// TestVerificationOff holds that nothing is hashed, asked or found.
func TestVerificationOff(t *testing.T) {
	each(t, func(t *testing.T, o testlog.Options) {
		bubble(t, func(r *rig) {
			log, spec := r.serve(o, pool()[:100]...)
			spec.Verification = VerifyOff
			r.start(spec)
			r.until(time.Minute, "read", func() bool { return r.status().Position == 100 })
			log.Append(pool()[100:200]...)
			log.Corrupt(150, pool()[500])
			log.Publish()
			r.until(time.Minute, "read", func() bool { return r.status().Position == 200 })
			s := r.status()
			if s.VerifiedSize != 0 || s.ConsistentSize != 0 || !s.Unverified.IsZero() || s.Mismatches != 0 || s.Verification != VerifyOff {
				r.Errorf("status %+v", s)
			}
			for _, kind := range []string{testlog.GetConsistency, testlog.GetEntryAndProof, testlog.GetProofByHash, testlog.HashTile, testlog.PartialHashTile} {
				if n := log.Stats.Kind(kind).Requests; n != 0 {
					r.Errorf("%d requests of %s", n, kind)
				}
			}
		})
	})
}

// TestConsistencyIsPolite holds that a growing log is asked for no more than a proof in half a minute, and that full
// verification asks for none.
func TestConsistencyIsPolite(t *testing.T) {
	for v, most := range map[Verification]int{VerifyConsistency: 21, VerifyFull: 0} {
		t.Run(string(v), func(t *testing.T) {
			bubble(t, func(r *rig) {
				log, spec := r.serve(testlog.Options{}, pool()[:10]...)
				spec.Verification = v
				r.start(spec)
				for i := range 300 {
					log.Append(pool()[i])
					log.Publish()
					time.Sleep(2 * time.Second)
				}
				r.until(time.Minute, "proved", func() bool { return r.status().ConsistentSize == log.Size() })
				if n := log.Stats.Kind(testlog.GetConsistency).Requests; n > most || (v == VerifyConsistency) != (n > 10) {
					r.Errorf("%d proofs asked for in ten minutes, want at most %d", n, most)
				}
				r.complete(log, 0)
			})
		})
	}
}

// TestAnAlteredEntryDisputesOneHead holds that the heads after a wrong entry, none of which can match, are not all taken for
// suspects, which would push out those that are.
func TestAnAlteredEntryDisputesOneHead(t *testing.T) {
	each(t, func(t *testing.T, o testlog.Options) {
		bubble(t, func(r *rig) {
			log, spec := r.serve(o, pool()[:100]...)
			store := r.keep()
			r.start(spec)
			r.until(time.Minute, "read", func() bool { return r.status().Position == 100 && r.status().ConsistentSize == 100 })
			log.Corrupt(100, pool()[500])
			for i := range 400 {
				log.Append(pool()[600+i])
				log.Publish()
				time.Sleep(3 * time.Second)
			}
			r.until(40*time.Minute, "caught", func() bool { return r.status().Misbehaviours > 0 })
			r.proved(store, evidence.WrongEntry)
			asked := log.Stats.Kind(testlog.GetConsistency).Requests + log.Stats.Kind(testlog.HashTile).Requests +
				log.Stats.Kind(testlog.PartialHashTile).Requests
			if asked > 400 {
				t.Errorf("%d requests for proofs", asked)
			}
			r.close()
			must(r.T, store.Close())
		})
	})
}
