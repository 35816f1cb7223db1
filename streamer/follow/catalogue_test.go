package follow

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// TestCatalogue injects every row of the failure catalogue: each must end with no entry lost, in order, and show.
func TestCatalogue(t *testing.T) {
	for _, row := range []struct {
		name string
		run  func(r *rig)
	}{
		{"row_01_429_storm", row01},
		{"row_02_retry_after_seconds", row02},
		{"row_03_retry_after_dates", row03},
		{"row_04_short_reads", row04},
		{"row_05_no_entries", row05},
		{"row_06_too_many_entries", row06},
		{"row_07_answer_starts_elsewhere", row07},
		{"row_08_lagging_frontend", row08},
		{"row_09_smaller_head", row09},
		{"row_10_stale_head", row10},
		{"row_11_two_roots", row11},
		{"row_12_bad_signature", row12},
		{"row_13_foreign_signatures_and_origin", row13},
		{"row_14_root_does_not_match", row14},
		{"row_14_still_does_not_match", row14Still},
		{"row_15_fork", row15},
		{"row_16_no_consistency_proof", row16},
		{"row_17_timestamps", row17},
		{"row_18_partial_tile_gone", row18},
		{"row_19_tile_missing_for_a_while", row19},
		{"row_20_tiles_of_wrong_length", row20},
		{"row_21_gzip", row21},
		{"row_22_giant_entry", row22},
		{"row_23_leaf_index", row23},
		{"row_24_unknown_type", row24},
		{"row_25_broken_certificate", row25},
		{"row_26_broken_extra_data", row26},
		{"row_27_issuer_missing", row27},
		{"row_28_not_json", row28},
		{"row_29_reset_mid_body", row29},
		{"row_30_slow_body", row30},
		{"row_31_no_headers", row31},
		{"row_32_dns_gone", row32},
		{"row_33_tls", row33},
		{"row_34_redirect", row34},
		{"row_35_forbidden", row35},
		{"row_36_server_errors", row36},
		{"row_37_read_only", row37},
		{"row_38_removed", row38},
		{"row_39_new_key", row39},
		{"row_41_duplicates", row41},
		{"row_42_backlog_reported", row42},
		{"row_42_backlog_skipped", row42Skip},
		{"row_43_kill", row43},
	} {
		t.Run(row.name, func(t *testing.T) { bubble(t, row.run) })
	}
}

func row01(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:600]...)
	log.Faults.Add(testlog.Fault{For: time.Minute, Do: testlog.TooManyRequests("")})
	r.start(spec)
	time.Sleep(time.Minute)
	if n := log.Stats.Total(); n < 3 || n > 20 {
		r.Errorf("%d requests in a minute of 429, want a few", n)
	}
	r.failedAs(ctlog.RateLimited)
	slow := r.status()
	if slow.Rate > 5 || slow.Breaker == BreakerClosed {
		r.Errorf("rate %v, breaker %v after a minute of 429", slow.Rate, slow.Breaker)
	}
	r.caughtUp(2*time.Minute, log)
	r.complete(log, 0)
	r.counted(ctlog.RateLimited)
	if s := r.status(); s.Breaker != BreakerClosed {
		r.Errorf("breaker %v in the end", s.Breaker)
	}
}

// row02: what one log of an operator asks for, all its logs get.
func row02(r *rig) {
	a, specA := r.serve(testlog.Options{Name: "A"}, pool()[:100]...)
	b, specB := r.serve(testlog.Options{Name: "B"}, pool()[:100]...)
	r.start(specA, specB)
	r.caughtUp(time.Minute, a)
	r.caughtUp(time.Minute, b)
	fault := a.Faults.Add(testlog.Fault{Times: 1, Do: testlog.TooManyRequests("47")})
	r.until(time.Minute, "told to wait", func() bool { return fault.Hits() == 1 })
	time.Sleep(50 * time.Millisecond)
	before := a.Stats.Total() + b.Stats.Total()
	if until := time.Until(r.statusOf(b).PausedUntil); until < 45*time.Second {
		r.Errorf("the operator's other log is paused for %v", until)
	}
	time.Sleep(46 * time.Second)
	if n := a.Stats.Total() + b.Stats.Total() - before; n != 0 {
		r.Errorf("%d requests during the pause", n)
	}
	a.Append(pool()[100:200]...)
	a.Publish()
	r.caughtUp(time.Minute, a)
	r.complete(a, 0)
	r.complete(b, 0)
}

func row03(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:10]...)
	r.start(spec)
	r.caughtUp(time.Minute, log)
	for _, c := range []struct {
		name string
		at   string
		want time.Duration
	}{
		{"GMT", time.Now().Add(100 * time.Second).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), 60 * time.Second},
		{"UTC", time.Now().Add(250 * time.Second).UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"), 60 * time.Second},
		{"past", "Fri, 31 Dec 1999 23:59:59 GMT", 0},
		{"absurd", "Fri, 31 Dec 2099 23:59:59 GMT", 9 * time.Minute},
	} {
		fault := log.Faults.Add(testlog.Fault{Times: 1, Do: testlog.TooManyRequests(c.at)})
		r.until(10*time.Minute, "hit by "+c.name, func() bool { return fault.Hits() == 1 })
		synctest.Wait()
		if wait := time.Until(r.status().PausedUntil); wait < c.want || wait > 10*time.Minute {
			r.Errorf("%s: paused for %v, want %v at least", c.name, wait, c.want)
		}
		log.Append(pool()[10:20]...)
		log.Publish()
		r.caughtUp(12*time.Minute, log)
	}
	r.complete(log, 0)
}

func row04(r *rig) {
	log, spec := r.serve(testlog.Options{MaxGetEntries: 32}, pool()[:1000]...)
	short := log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Probability: 0.3, Do: testlog.EditEntries(
		func(e []json.RawMessage) []json.RawMessage { return e[:1+rand.IntN(len(e))] })})
	r.start(spec)
	r.caughtUp(5*time.Minute, log)
	r.complete(log, 0)
	if short.Hits() == 0 || r.status().LastError != "" {
		r.Errorf("%d short reads, error %q: a short read is no error", short.Hits(), r.status().LastError)
	}
	short.Remove()
	log.Append(pool()[1000:1400]...)
	log.Publish()
	r.caughtUp(time.Minute, log)
	if page := r.status().Page; page == 0 || page > 64 {
		r.Errorf("page learned: %d, the log serves 32", page)
	}
}

func row05(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:300]...)
	log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Times: 3, Do: testlog.EmptyEntries()})
	log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Times: 2, Do: testlog.Status(200, "{}")})
	r.start(spec)
	r.caughtUp(10*time.Minute, log)
	r.complete(log, 0)
	r.failedAs(ctlog.Malformed)
}

func row06(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:300]...)
	fault := log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Skip: 1, Times: 3, Do: testlog.ExtraEntry()})
	r.start(spec)
	r.caughtUp(10*time.Minute, log)
	r.complete(log, 0)
	if fault.Hits() != 3 {
		r.Errorf("%d answers had an entry too many", fault.Hits())
	}
	r.failedAs(ctlog.Malformed)
}

// row07: on classic logs only the root tells. What was wrong is read again past the cache and emitted again.
func row07(r *rig) {
	log, spec := r.serve(testlog.Options{MaxGetEntries: 32}, pool()[:128]...)
	var fresh atomic.Int32
	log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Skip: 2, Times: 1, Do: testlog.Shift(-32)})
	log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Do: func(w http.ResponseWriter, q *http.Request, next http.Handler) {
		if q.Header.Get("Cache-Control") == "no-cache" {
			fresh.Add(1)
		}
		next.ServeHTTP(w, q)
	}})
	r.start(spec)
	r.until(time.Minute, "doubtful", func() bool { return r.status().Doubt != "" })
	emitted := len(r.emitted(log))
	r.caughtUp(6*time.Minute, log)
	r.noneLost(log)
	if again := len(r.emitted(log)) - emitted; again != 32 || fresh.Load() == 0 {
		r.Errorf("%d entries emitted again, %d requests past caches; want 32, some", again, fresh.Load())
	}
	if s := r.status(); s.Rewinds != 1 || s.Mismatches != 1 || s.Doubt != "" || r.metric("certstream_log_rewinds_total") != 1 {
		r.Errorf("status %+v", s)
	}
}

// row08: a frontend that lags refuses what another one promised; the peer that skipped to the head lost entries.
func row08(r *rig) {
	log, spec := r.serve(testlog.Options{MaxGetEntries: 64}, pool()[:200]...)
	r.start(spec)
	r.caughtUp(time.Minute, log)
	lagging := log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, For: time.Minute, Do: testlog.ServeOther(log.At(230))})
	log.Append(pool()[200:400]...)
	log.Publish()
	time.Sleep(30 * time.Second)
	if s := r.status(); s.Position > 230 || s.LagEntries < 170 || lagging.Hits() < 2 {
		r.Errorf("status %+v", s)
	}
	r.failedAs(ctlog.NotYet)
	r.caughtUp(3*time.Minute, log)
	r.complete(log, 0)
}

func row09(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:200]...)
	spec.MMD = time.Hour
	log.Faults.Add(testlog.Fault{Kind: testlog.GetSTH, Every: 2, Do: testlog.ServeOther(log.At(150))})
	r.start(spec)
	r.caughtUp(time.Minute, log)
	for range 5 {
		log.Append(pool()[200:210]...)
		log.Publish()
		r.caughtUp(time.Minute, log)
	}
	r.complete(log, 0)
	if s := r.status(); s.Regressed || s.TreeSize != log.Size() || s.LastError != "" {
		r.Errorf("status %+v", s)
	}
	log.Faults.Clear()
	log.Faults.Add(testlog.Fault{Kind: testlog.GetSTH, Do: testlog.ServeOther(log.At(150))})
	time.Sleep(2 * time.Hour)
	if s := r.status(); !s.Regressed || s.TreeSize != log.Size() {
		r.Errorf("after the merge delay: %+v", s)
	}
}

func row10(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	spec.MMD = time.Hour
	log.Freeze()
	r.start(spec)
	r.caughtUp(time.Minute, log)
	if r.status().Stale {
		r.Error("stale within the merge delay")
	}
	time.Sleep(2 * time.Hour)
	before := log.Stats.Total()
	time.Sleep(10 * time.Minute)
	if s := r.status(); !s.Stale || r.metric("certstream_log_stale") != 1 {
		r.Errorf("status %+v", s)
	}
	if n := log.Stats.Total() - before; n < 10 || n > 30 {
		r.Errorf("%d polls of a frozen log in 10 min, want about 20", n)
	}
	log.Thaw()
	log.Append(pool()[100:200]...)
	log.Publish()
	r.caughtUp(time.Minute, log)
	r.complete(log, 0)
	if r.status().Stale {
		r.Error("still stale")
	}
}

func row11(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	store := openStore(r.T, r.TempDir())
	r.options = func(o *Options) { o.Store = store }
	r.start(spec)
	r.caughtUp(time.Minute, log)
	root := log.Root(100)
	root[0] ^= 1
	log.PublishHead(100, uint64(time.Now().UnixMilli()), root)
	r.until(2*time.Minute, "caught lying", func() bool { return r.status().Misbehaviours == 1 })
	log.Append(pool()[100:200]...)
	log.Publish()
	r.until(2*time.Minute, "streamed on", func() bool { return r.status().Position == 200 })
	r.complete(log, 0)
	s := r.status()
	if s.Unverified.IsZero() || !strings.Contains(s.UnverifiedWhy, "two roots") || strings.Contains(s.UnverifiedWhy, "again") ||
		r.metric("certstream_log_unverified") != 1 {
		r.Errorf("status %+v", s)
	}
	r.proved(store, evidence.TwoRoots)
	r.close()
	must(r.T, store.Close())
}

func row12(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	r.start(spec)
	r.caughtUp(time.Minute, log)
	log.Faults.Add(testlog.Fault{Kind: testlog.GetSTH, Times: 3, Do: testlog.BadSignature()})
	log.Append(pool()[100:200]...)
	log.Publish()
	r.until(time.Minute, "refused", func() bool { return r.status().LastErrorKind != "" })
	if s := r.status(); s.TreeSize != 100 {
		r.Errorf("a head with a bad signature was used: %+v", s)
	}
	r.caughtUp(3*time.Minute, log)
	r.complete(log, 0)
	r.failedAs(ctlog.BadSignature)
}

func row13(r *rig) {
	log, spec := r.serve(testlog.Options{Static: true}, pool()[:300]...)
	log.Faults.Add(testlog.Fault{Kind: testlog.Checkpoint, Times: 3, Do: testlog.RewritePlain(func(b []byte) []byte {
		return []byte(strings.Replace(string(b), "log.example", "other.example", 1))
	})})
	log.Faults.Add(testlog.Fault{Kind: testlog.Checkpoint, Do: testlog.Trail(
		[]byte("\u2014 witness.example/w1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\u2014 log.example BBBBBBBBBBBBBBBBBBBB\n"))})
	r.start(spec)
	r.until(time.Minute, "refused", func() bool { return r.status().LastErrorKind != "" })
	r.caughtUp(5*time.Minute, log)
	r.complete(log, 0)
	r.failedAs(ctlog.BadSignature)
}

// TestBusyTiledLogIsReadByFullTiles: a tile that fills within seconds is not waited for as a partial one would be, and no tile
// is fetched twice.
func TestBusyTiledLogIsReadByFullTiles(t *testing.T) {
	bubble(t, func(r *rig) {
		log, spec := r.serve(testlog.Options{Static: true}, pool()[:100]...)
		r.start(spec)
		r.caughtUp(time.Minute, log)
		worst := uint64(0)
		for i := range 120 {
			log.Append(pool()[10*i : 10*i+100]...)
			log.Publish()
			time.Sleep(time.Second)
			worst = max(worst, r.status().LagEntries)
		}
		r.caughtUp(time.Minute, log)
		r.complete(log, 0)
		if worst > 900 {
			r.Errorf("%d entries behind at 100 entries/s", worst)
		}
		if again := log.Stats.Repeated(testlog.DataTile); len(again) > 0 {
			r.Errorf("tiles fetched more than once: %v", again)
		}
		if n := log.Stats.Kind(testlog.PartialDataTile).Requests; n > 15 {
			r.Errorf("%d partial tiles in two minutes, want one in ten seconds at most", n)
		}
	})
}
