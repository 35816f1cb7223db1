package follow

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

func statusOf(s *Supervisor, spec LogSpec) LogStatus {
	for _, status := range s.Status() {
		if status.Source.LogID == spec.Source.LogID {
			return status
		}
	}
	return LogStatus{}
}

func wantIndexes(t *testing.T, e *fakeEngine, spec LogSpec, want []uint64) {
	t.Helper()
	if diff := cmp.Diff(want, e.indexes(spec.Source.LogID)); diff != "" {
		t.Errorf("entries emitted (-want +got):\n%.2000s", diff)
	}
}

func TestFollowsASmallLogFromItsBeginningAndThenItsGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 32, size: 1000, latency: 10 * time.Millisecond}, &fakeEngine{}
		spec := log.spec("small")
		s, stop := start(t, eng, nil, spec)
		time.Sleep(time.Minute)
		log.set(func() { log.size = 1100 })
		time.Sleep(time.Minute)
		status := statusOf(s, spec)
		stop()
		wantIndexes(t, eng, spec, sequence(0, 1100))
		if status.Position != 1100 || status.VerifiedSize != 1100 || status.State != "following" || !status.Unverified.IsZero() {
			t.Errorf("status: %+v", status)
		}
		if log.most != 3 {
			t.Errorf("%d requests in flight at most, want 3 while behind", log.most)
		}
		if log.proofs != 0 {
			t.Errorf("%d proofs asked for, but the tree of a log that is read from 0 is known", log.proofs)
		}
	})
}

func TestStartPositions(t *testing.T) {
	const size = 20_000
	for name, c := range map[string]struct {
		start Start
		size  uint64
		from  uint64
	}{
		"head":              {Start{}, size, size},
		"head of small log": {Start{Kind: StartAtHead}, 9_999, 0},
		"before head":       {Start{Kind: StartBeforeHead, N: 100}, size, size - 100},
		"before beginning":  {Start{Kind: StartBeforeHead, N: 30_000}, size, 0},
		"index":             {Start{Kind: StartAtIndex, N: 19_000}, size, 19_000},
		"index beyond head": {Start{Kind: StartAtIndex, N: 30_000}, size, size},
		"time":              {Start{Kind: StartAtTime, Time: time.UnixMilli(15_000_500)}, size, 15_001 - timeStartSafety},
		"time long ago":     {Start{Kind: StartAtTime, Time: time.Unix(-5, 0)}, size, 0},
		"time to come":      {Start{Kind: StartAtTime, Time: time.Unix(1e9, 0)}, size, size - timeStartSafety},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, eng := &fakeLog{page: 256, size: c.size}, &fakeEngine{}
				spec := log.spec("log")
				spec.Start = c.start
				s, stop := start(t, eng, nil, spec)
				time.Sleep(time.Minute)
				log.set(func() { log.size += 10 })
				time.Sleep(time.Minute)
				status := statusOf(s, spec)
				stop()
				wantIndexes(t, eng, spec, sequence(c.from, c.size+10))
				if status.Start.Index != c.from || status.VerifiedSize != c.size+10 || !status.Unverified.IsZero() {
					t.Errorf("status %+v", status)
				}
			})
		})
	}
}

// TestUnverifiedUntilTheLogProves: streaming does not wait for a proof that the log refuses.
func TestUnverifiedUntilTheLogProves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 256, size: 20_000, noProofs: true}, &fakeEngine{}
		spec := log.spec("log")
		s, stop := start(t, eng, nil, spec)
		time.Sleep(time.Minute)
		log.set(func() { log.size += 100 })
		time.Sleep(time.Minute)
		status := statusOf(s, spec)
		if status.Position != 20_100 || status.Unverified.IsZero() ||
			!strings.Contains(status.UnverifiedWhy, "not offered; it is asked for a proof again, every 10m0s at least") {
			t.Errorf("status %+v", status)
		}
		if _, _, proofs := log.counts(); proofs != 1 {
			t.Errorf("%d proofs asked for in two minutes", proofs)
		}
		log.set(func() { log.noProofs = false })
		time.Sleep(10 * time.Minute)
		log.set(func() { log.size += 100 })
		time.Sleep(time.Minute)
		status = statusOf(s, spec)
		stop()
		if status.VerifiedSize != 20_200 || !status.Unverified.IsZero() {
			t.Errorf("status %+v", status)
		}
		wantIndexes(t, eng, spec, sequence(20_000, 20_200))
	})
}

// TestFarHeadIsProvedInBetween: the leaf hashes kept are bounded, so the verified size follows a backlog.
func TestFarHeadIsProvedInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 256, size: 40_000, latency: 100 * time.Millisecond}, &fakeEngine{}
		spec := log.spec("log")
		spec.Start = Start{Kind: StartAtIndex}
		s, stop := start(t, eng, nil, spec)
		most := uint64(0)
		for range 60 {
			time.Sleep(time.Second)
			status := statusOf(s, spec)
			most = max(most, status.Position-status.VerifiedSize)
		}
		stop()
		wantIndexes(t, eng, spec, sequence(0, 40_000))
		if most == 0 || most > maxUnverified {
			t.Errorf("at most %d entries unverified", most)
		}
	})
}

// TestRewindKnowsWhatItEmitted: a wrong entry far behind the head costs one entry more, not a backlog once more.
func TestRewindKnowsWhatItEmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 256, size: 30_000, changed: map[uint64]byte{12_345: 1}, latency: 50 * time.Millisecond}, &fakeEngine{}
		spec := log.spec("log")
		spec.Start = Start{Kind: StartAtIndex}
		s, stop := start(t, eng, nil, spec)
		time.Sleep(8 * time.Second)
		log.set(func() { delete(log.changed, 12_345) })
		time.Sleep(10 * time.Minute)
		status := statusOf(s, spec)
		stop()
		got := eng.indexes(spec.Source.LogID)
		if len(got) < 30_001 || status.Repeats < 1 || uint64(len(got)) != 30_000+status.Repeats || status.Repeats > 1+maxUnverified {
			t.Errorf("%d entries emitted, %d counted as repeats", len(got), status.Repeats)
		}
		if status.Rewinds != 1 || status.VerifiedSize != 30_000 {
			t.Errorf("status %+v", status)
		}
		last := eng.entries[len(eng.entries)-1]
		i := slices.IndexFunc(eng.entries[12_346:], func(e engine.Entry) bool { return e.Index == 12_345 })
		if i < 0 || eng.entries[12_346+i].DER[8] != 0 || last.Index != 29_999 {
			t.Error("the right entry was not emitted")
		}
	})
}

// TestRestartGoesOnVerified: position and tree go on from the checkpoint, without a proof.
func TestRestartGoesOnVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng, dir := &fakeLog{page: 256, size: 500}, &fakeEngine{}, t.TempDir()
		spec := log.spec("log")
		var status LogStatus
		for round := range 3 {
			store := openStore(t, dir)
			s, stop := start(t, eng, func(o *Options) { o.Store = store }, spec)
			log.set(func() { log.size = 500 + 100*uint64(round) })
			time.Sleep(time.Minute)
			status = statusOf(s, spec)
			stop()
			must(t, store.Close())
		}
		wantIndexes(t, eng, spec, sequence(0, 700))
		if status.VerifiedSize != 700 || log.proofs != 0 || status.Start.Kind != StartFromSaved || status.Start.Index != 600 {
			t.Errorf("%d proofs; status %+v", log.proofs, status)
		}
	})
}

// TestRestartInDoubtRepeats: what was emitted unverified before a restart is not remembered, so a rewind repeats it, counted.
func TestRestartInDoubtRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng, dir := &fakeLog{page: 256, size: 500, changed: map[uint64]byte{450: 1}}, &fakeEngine{}, t.TempDir()
		spec := log.spec("log")
		store := openStore(t, dir)
		_, stop := start(t, eng, func(o *Options) { o.Store = store }, spec)
		time.Sleep(time.Minute)
		stop()
		must(t, store.Close())
		log.set(func() { delete(log.changed, 450); log.size = 600 })
		store = openStore(t, dir)
		s, stop := start(t, eng, func(o *Options) { o.Store = store }, spec)
		time.Sleep(10 * time.Minute)
		status := statusOf(s, spec)
		stop()
		must(t, store.Close())
		if status.VerifiedSize != 600 || status.Repeats != 500 || len(eng.indexes(spec.Source.LogID)) != 1100 {
			t.Errorf("%d emitted; status %+v", len(eng.indexes(spec.Source.LogID)), status)
		}
	})
}

func TestImportedPositionIsWhereALogBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng, store := &fakeLog{page: 256, size: 20_000}, &fakeEngine{}, openStore(t, t.TempDir())
		must(t, store.Import(Imported{Kind: "go", Positions: map[string]uint64{"log.example": 19_500, "other.example": 30_000}}))
		spec, other := log.spec("log"), (&fakeLog{page: 256, size: 20_000}).spec("other")
		s, stop := start(t, eng, func(o *Options) { o.Store = store }, spec, other)
		time.Sleep(time.Minute)
		status := statusOf(s, spec)
		stop()
		must(t, store.Close())
		wantIndexes(t, eng, spec, sequence(19_500, 20_000))
		wantIndexes(t, eng, other, nil)
		if status.Start.Kind != StartFromImport || status.VerifiedSize != 20_000 {
			t.Errorf("status %+v", status)
		}
	})
}

// TestPolls: growing logs every two seconds, idle ones ever more rarely.
func TestPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 256, size: 100}, &fakeEngine{}
		_, stop := start(t, eng, nil, log.spec("log"))
		for range 60 {
			time.Sleep(time.Second)
			log.set(func() { log.size++ })
		}
		growing, _, _ := log.counts()
		time.Sleep(10 * time.Minute)
		stop()
		idle := log.heads - growing
		if growing < 24 || growing > 31 {
			t.Errorf("%d polls in a minute of growth, want about 27", growing)
		}
		if idle < 20 || idle > 32 {
			t.Errorf("%d polls in ten idle minutes, want about 26", idle)
		}
	})
}

// TestBackPressure: an engine that takes nothing loses nothing.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 64, size: 1000}, &fakeEngine{block: make(chan struct{})}
		spec := log.spec("log")
		s, stop := start(t, eng, nil, spec)
		time.Sleep(time.Hour)
		if _, ranges, _ := log.counts(); statusOf(s, spec).Position != 0 || ranges > 4 {
			t.Errorf("%d ranges fetched though the engine takes nothing; %+v", ranges, statusOf(s, spec))
		}
		close(eng.block)
		time.Sleep(time.Minute)
		stop()
		wantIndexes(t, eng, spec, sequence(0, 1000))
	})
}

// TestAppendFailsInMidBatch: what was taken is not handed over again.
func TestAppendFailsInMidBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 64, size: 300}, &failingEngine{every: 50}
		spec := log.spec("log")
		_, stop := start(t, eng, nil, spec)
		time.Sleep(time.Hour)
		stop()
		wantIndexes(t, &eng.fakeEngine, spec, sequence(0, 300))
	})
}

// TestOpenFailsAndRecovers: a log that cannot be opened is tried again, in sight.
func TestOpenFailsAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 64, size: 30}, &fakeEngine{}
		spec := log.spec("log")
		open, tries := spec.Open, 0
		spec.Open = func(h ctlog.Hooks) (ctlog.Log, error) {
			if tries++; tries < 4 {
				return nil, errors.New("no such key")
			}
			return open(h)
		}
		s, stop := start(t, eng, nil, spec)
		time.Sleep(time.Second / 2)
		if status := statusOf(s, spec); !strings.Contains(status.LastError, "no such key") || status.State != "failing" {
			t.Errorf("status %+v", status)
		}
		time.Sleep(time.Minute)
		stop()
		wantIndexes(t, eng, spec, sequence(0, 30))
	})
}

// TestOutOfOrderArrivals: ranges that arrive in any order are emitted in index order.
func TestOutOfOrderArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng, failed := &fakeLog{page: 16, size: 2000}, &fakeEngine{}, map[uint64]bool{}
		log.fail = func(op string, start, _ uint64) error {
			if op == "entries" {
				log.latency = time.Duration((start*7919)%13) * 50 * time.Millisecond
			}
			if op == "entries" && start%7 == 0 && !failed[start] {
				failed[start] = true
				return &ctlog.Error{Kind: ctlog.Network, Op: op}
			}
			return nil
		}
		spec := log.spec("log")
		_, stop := start(t, eng, func(o *Options) { o.Settings.Parallel = 4 }, spec)
		time.Sleep(10 * time.Minute)
		stop()
		wantIndexes(t, eng, spec, sequence(0, 2000))
		if slices.IsSorted(log.served) {
			t.Error("everything arrived in order: the test shows nothing")
		}
		if log.most != 4 {
			t.Errorf("%d in flight at most, want 4", log.most)
		}
	})
}

// TestSearchByTimeSurvivesFailures: a search that is interrupted goes on.
func TestSearchByTimeSurvivesFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng, n := &fakeLog{page: 256, size: 20_000}, &fakeEngine{}, 0
		log.fail = func(op string, start, end uint64) error {
			if n++; op == "entries" && end == start+1 && n%3 == 0 {
				return &ctlog.Error{Kind: ctlog.RateLimited, Op: op}
			}
			return nil
		}
		spec := log.spec("log")
		spec.Start = Start{Kind: StartAtTime, Time: time.UnixMilli(15_000_500)}
		_, stop := start(t, eng, nil, spec)
		time.Sleep(time.Hour)
		stop()
		wantIndexes(t, eng, spec, sequence(15_001-timeStartSafety, 20_000))
	})
}

// TestMaximumLagInTime: after two hours down, a user who wants at most one gets a gap and goes on at the head.
func TestMaximumLagInTime(t *testing.T) {
	for _, down := range []time.Duration{30 * time.Minute, 2 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			log, eng, dir := &fakeLog{page: 256, size: 500}, &fakeEngine{}, t.TempDir()
			spec := log.spec("log")
			var gaps [][2]uint64
			options := func(store *Store) func(*Options) {
				return func(o *Options) {
					o.Store, o.Settings.MaxLag = store, time.Hour
					o.OnGap = func(_ *engine.Source, from, to uint64) { gaps = append(gaps, [2]uint64{from, to}) }
				}
			}
			store := openStore(t, dir)
			_, stop := start(t, eng, options(store), spec)
			time.Sleep(time.Minute)
			stop()
			must(t, store.Close())
			time.Sleep(down)
			log.size = 800
			store = openStore(t, dir)
			s, stop := start(t, eng, options(store), spec)
			time.Sleep(time.Minute)
			log.set(func() { log.size = 900 })
			time.Sleep(time.Minute)
			status := statusOf(s, spec)
			stop()
			must(t, store.Close())
			if down < time.Hour {
				wantIndexes(t, eng, spec, sequence(0, 900))
				return
			}
			wantIndexes(t, eng, spec, append(sequence(0, 500), sequence(800, 900)...))
			if len(gaps) != 1 || gaps[0] != [2]uint64{500, 800} || status.Skipped != 300 || status.VerifiedSize != 900 {
				t.Errorf("gaps %v, status %+v", gaps, status)
			}
		})
	}
}

// TestPositionOfAnEarlierRunBeyondTheTree: a frontend that lags behind a saved position is waited for.
func TestPositionOfAnEarlierRunBeyondTheTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng, store := &fakeLog{page: 256, size: 300}, &fakeEngine{}, openStore(t, t.TempDir())
		spec := log.spec("log")
		spec.MMD = time.Minute
		must(t, store.Save(map[engine.Fingerprint]LogState{spec.Source.LogID: stateAt(500)}, 0, true))
		s, stop := start(t, eng, func(o *Options) { o.Store = store }, spec)
		time.Sleep(5 * time.Minute)
		status := statusOf(s, spec)
		if status.Position != 500 || !status.Regressed {
			t.Errorf("status %+v", status)
		}
		log.set(func() { log.size = 600 })
		time.Sleep(time.Minute)
		status = statusOf(s, spec)
		stop()
		must(t, store.Close())
		wantIndexes(t, eng, spec, sequence(500, 600))
		if status.Regressed || status.VerifiedSize != 600 {
			t.Errorf("status %+v", status)
		}
	})
}

// TestSkipInDoubtForgetsTheRewind: a rewind that was planned before a skip must not lead back behind it.
func TestSkipInDoubtForgetsTheRewind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 256, size: 500, changed: map[uint64]byte{450: 1}}, &fakeEngine{}
		spec := log.spec("log")
		s, stop := start(t, eng, func(o *Options) { o.Settings.MaxLagEntries = 600 }, spec)
		time.Sleep(time.Minute)
		if statusOf(s, spec).Doubt == "" {
			t.Error("no doubt about a wrong entry")
		}
		log.set(func() { log.size = 5000 })
		time.Sleep(time.Minute)
		log.set(func() { log.size = 5100 })
		time.Sleep(20 * time.Minute)
		status := statusOf(s, spec)
		stop()
		wantIndexes(t, eng, spec, append(sequence(0, 500), sequence(5000, 5100)...))
		if status.Rewinds != 0 || status.VerifiedSize != 5100 || status.Doubt != "" {
			t.Errorf("status %+v", status)
		}
	})
}

// TestWrongForeverRepeatsNothing: entries that stay wrong are emitted once, though they are read again and proofs in between
// find them before all of what was emitted has been read again.
func TestWrongForeverRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 256, size: 16_000, changed: map[uint64]byte{1000: 1}, latency: 50 * time.Millisecond}, &fakeEngine{}
		spec := log.spec("log")
		spec.Start = Start{Kind: StartAtIndex}
		s, stop := start(t, eng, nil, spec)
		time.Sleep(time.Hour)
		status := statusOf(s, spec)
		stop()
		if n := uint64(len(eng.indexes(spec.Source.LogID))); n != 16_000+status.Repeats || status.Repeats > maxUnverified {
			t.Errorf("%d emitted, %d counted as repeats", n, status.Repeats)
		}
		if status.Rewinds != maxRewinds || status.Mismatches != maxRewinds+1 || status.VerifiedSize != 16_000 {
			t.Errorf("status %+v", status)
		}
	})
}
