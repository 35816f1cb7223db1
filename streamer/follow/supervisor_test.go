package follow

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// TestBacklogAndLiveEntriesInterleave: a backlog is emitted at the catch-up rate, and the live entries of another log never wait
// for it.
func TestBacklogAndLiveEntriesInterleave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		window := engine.NewWindow(engine.WindowOptions{MaxBytes: engine.MinWindow, Numbering: engine.Numbering{Epoch: "e"}})
		live, backlog := &fakeLog{page: 256, size: 1000}, &fakeLog{page: 256, size: 200_000}
		liveSpec, backlogSpec := live.spec("live"), backlog.spec("backlog")
		backlogSpec.Start, backlogSpec.Source.Operator = Start{Kind: StartAtIndex}, "another"
		pace := Pace{Rate: 100, Max: 100}
		s, stop := start(t, window, func(o *Options) { o.Settings.Pace = pace }, liveSpec, backlogSpec)
		publisher := consume(window)
		time.Sleep(10 * time.Second)
		before, worst := statusOf(s, backlogSpec).Position, uint64(0)
		for range 20 {
			live.set(func() { live.size += 100 })
			time.Sleep(2500 * time.Millisecond)
			worst = max(worst, statusOf(s, liveSpec).LagEntries)
		}
		rate := float64(statusOf(s, backlogSpec).Position-before) / 50
		stop()
		publisher.end()
		if rate < 1800 || rate > 2200 {
			t.Errorf("the backlog was emitted at %.0f/s, want 2,000/s", rate)
		}
		if worst > 100 {
			t.Errorf("the live log was %d entries behind", worst)
		}
	})
}

// TestLogsStartStaggered: not all at once.
func TestLogsStartStaggered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var specs []LogSpec
		var mu sync.Mutex
		var starts []time.Time
		for i := range 20 {
			spec := (&fakeLog{page: 8, size: 5}).spec(fmt.Sprint("log ", i))
			open := spec.Open
			spec.Open = func(h ctlog.Hooks) (ctlog.Log, error) {
				mu.Lock()
				defer mu.Unlock()
				starts = append(starts, time.Now())
				return open(h)
			}
			specs = append(specs, spec, spec) // twice in the list is once followed
		}
		s, stop := start(t, &fakeEngine{}, nil, specs...)
		time.Sleep(time.Minute)
		all := s.Status()
		stop()
		if len(starts) != 20 || starts[19].Sub(starts[0]) != 19*100*time.Millisecond {
			t.Errorf("%d starts within %v", len(starts), starts[len(starts)-1].Sub(starts[0]))
		}
		if len(all) != 20 || !slices.IsSortedFunc(all, func(a, b LogStatus) int { return compareNames(a, b) }) {
			t.Errorf("%d logs in the status, or in no order", len(all))
		}
	})
}

func compareNames(a, b LogStatus) int {
	if a.Source.Name < b.Source.Name {
		return -1
	}
	return 1
}

// TestSettingsChangeWhileRunning: a log that was asked rarely is asked often from the next rest on.
func TestSettingsChangeWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &fakeLog{page: 8, size: 5}
		s, stop := start(t, &fakeEngine{}, nil, log.spec("log"))
		time.Sleep(10 * time.Minute)
		before, _, _ := log.counts()
		s.Update(Settings{PollMin: 500 * time.Millisecond, PollMax: 500 * time.Millisecond, Pace: Pace{Rate: 5}})
		time.Sleep(time.Minute)
		after, _, _ := log.counts()
		polls := after - before
		rate := statusOf(s, log.spec("log")).Rate
		stop()
		if polls < 110 || polls > 140 || rate != 5 {
			t.Errorf("%d polls in a minute, want 120; rate %v", polls, rate)
		}
	})
}

// TestMetricsComeAndGo: two logs of one name are told apart; a log that is gone leaves no series.
func TestMetricsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		a, b := (&fakeLog{page: 8, size: 5}).spec("a"), (&fakeLog{page: 8, size: 7}).spec("b")
		source := *b.Source
		source.Name = "a"
		b.Source = &source
		s, stop := start(t, &fakeEngine{}, func(o *Options) { o.Metrics = telemetry.NewFollow(registry) }, a, b)
		time.Sleep(time.Minute)
		count := func() int {
			n, err := testutil.GatherAndCount(registry, "certstream_log_position", "certstream_operator_request_rate")
			if err != nil {
				t.Error(err)
			}
			return n
		}
		both := count()
		s.SetLogs([]LogSpec{a})
		time.Sleep(time.Minute)
		one := count()
		s.SetLogs(nil)
		time.Sleep(time.Minute)
		none := count()
		stop()
		if both != 3 || one != 2 || none != 0 {
			t.Errorf("%d, %d, %d series; want 2 logs and an operator, 1 and an operator, none", both, one, none)
		}
	})
}

// TestCheckpointCoversNoMoreThanTheEngineHas: positions are read before the engine's head, so each entry numbered above the
// saved offset is above the saved positions.
func TestCheckpointCoversNoMoreThanTheEngineHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng, store := &fakeLog{page: 16, size: 3000, latency: 30 * time.Millisecond}, &fakeEngine{}, openStore(t, t.TempDir())
		spec := log.spec("log")
		s, stop := start(t, eng, func(o *Options) { o.Store = store }, spec)
		for range 200 {
			time.Sleep(7 * time.Millisecond)
			must(t, s.Checkpoint(t.Context()))
			state, ok := store.Log(spec.Source.LogID)
			_, offset, _, _, _ := store.Numbering()
			if ok && state.Position > offset {
				t.Fatalf("position %d is saved with offset %d", state.Position, offset)
			}
		}
		stop()
		if n := numbering(store); n.Checkpoint != eng.Head() {
			t.Errorf("numbering %+v after a clean stop at offset %d", n, eng.Head())
		}
		must(t, store.Close())
	})
}

// publisher reads an engine as the real one does.
type publisher struct{ end func() }

func consume(w *engine.Window) publisher {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		buf, at := make([]engine.Entry, 512), w.Head()
		for {
			n, _ := w.Read(at, buf)
			at += uint64(n)
			w.Consumed(at)
			if n == len(buf) {
				continue
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return publisher{func() { close(stop); <-done }}
}
