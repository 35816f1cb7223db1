package follow

import (
	"bytes"
	"net/http"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// row14: one entry is served wrongly, as Yeti2022 did; after the pause it is read again, and only it is emitted again.
func row14(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:200]...)
	log.Corrupt(77, pool()[500])
	r.start(spec)
	r.until(time.Minute, "doubtful", func() bool { return r.status().Doubt != "" })
	if s := r.status(); s.Position != 200 || s.VerifiedSize != 0 || s.Mismatches != 1 {
		r.Errorf("status %+v", s)
	}
	log.Corrupt(77, nil)
	log.Append(pool()[200:300]...)
	log.Publish()
	r.until(time.Minute, "streamed on during the pause", func() bool { return r.status().Position == 300 })
	begin := time.Now()
	r.caughtUp(6*time.Minute, log)
	if pause := time.Since(begin); pause < 3*time.Minute {
		r.Errorf("read again after %v", pause)
	}
	r.noneLost(log)
	if n := len(r.emitted(log)); n != 301 {
		r.Errorf("%d entries emitted, want 300 and the one that was wrong again", n)
	}
	if s := r.status(); s.Rewinds != 1 || s.Doubt != "" || r.metric("certstream_log_root_mismatches_total") != 1 {
		r.Errorf("status %+v", s)
	}
}

// row14Still: what is wrong stays wrong. The stream goes on unverified until the log proves where it stands.
func row14Still(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:200]...)
	log.Corrupt(77, pool()[500])
	store := r.keep()
	r.start(spec)
	r.until(30*time.Minute, "given up", func() bool { return !r.status().Unverified.IsZero() })
	if s := r.status(); !strings.Contains(s.UnverifiedWhy, "read again 3 times") || s.Mismatches != 4 || s.Rewinds != 3 {
		r.Errorf("status %+v", s)
	}
	if n := len(r.emitted(log)); n != 200 {
		r.Errorf("%d entries emitted, want each once", n)
	}
	log.Append(pool()[200:300]...)
	log.Publish()
	r.caughtUp(15*time.Minute, log)
	if n := len(r.emitted(log)); n != 300 {
		r.Errorf("%d entries emitted", n)
	}
	if e := r.proved(store, evidence.WrongEntry); e.Entry.Index != 77 {
		r.Errorf("entry %d is blamed", e.Entry.Index)
	}
	r.close()
	must(r.T, store.Close())
}

// row15: heads of another tree than the entries. The next head that the entries lead to proves the fork.
func row15(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	store := r.keep()
	r.start(spec)
	r.caughtUp(time.Minute, log)
	fork := log.Fork(100)
	fork.Append(pool()[600:700]...)
	fork.Publish()
	log.Append(pool()[100:200]...)
	fault := log.Faults.Add(testlog.Fault{Kind: testlog.GetSTH, Do: testlog.ServeOther(fork.Handler())})
	log.Publish()
	r.until(time.Minute, "doubtful", func() bool { return r.status().Doubt != "" })
	if s := r.status(); s.VerifiedSize != 100 || s.Mismatches != 1 || s.Misbehaviours != 0 {
		r.Errorf("status %+v", s)
	}
	fault.Remove()
	log.Append(pool()[200:250]...)
	log.Publish()
	r.until(10*time.Minute, "caught", func() bool { return r.status().Misbehaviours == 1 })
	r.until(time.Minute, "streamed on", func() bool { return r.status().Position == 250 })
	r.complete(log, 0)
	r.proved(store, evidence.Fork)
	r.close()
	must(r.T, store.Close())
}

// row16: that a log gives no consistency proof proves nothing. The entries do.
func row16(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[:100]...)
	refused := log.Faults.Add(testlog.Fault{Kind: testlog.GetConsistency, Do: testlog.Status(400, "second tree size cannot be greater than current")})
	spec.MMD = time.Minute
	r.start(spec)
	r.caughtUp(time.Minute, log)
	smaller := log.Faults.Add(testlog.Fault{Kind: testlog.GetSTH, Times: 1, Do: testlog.ServeOther(log.At(60))})
	r.until(time.Minute, "asked to prove the smaller head", func() bool { return smaller.Hits() == 1 && refused.Hits() > 0 })
	log.Append(pool()[100:200]...)
	log.Publish()
	r.caughtUp(time.Minute, log)
	refused.Remove()
	time.Sleep(20 * time.Minute)
	if s := r.status(); s.Misbehaviour != nil || s.ConsistentSize != 200 || log.Stats.Kind(testlog.GetConsistency).Requests != 2 {
		r.Errorf("status %+v; %d proofs asked for", s, log.Stats.Kind(testlog.GetConsistency).Requests)
	}
	r.complete(log, 0)
}

// row17: times are passed through as they are.
func row17(r *rig) {
	log, spec := r.serve(testlog.Options{})
	now := uint64(time.Now().UnixMilli())
	for i, at := range []uint64{now / 1000, now + 3_600_000, now - 3_600_000, 1, 1 << 62} {
		e := *pool()[i]
		e.Timestamp = at
		log.Append(&e)
	}
	log.PublishHead(5, now/1000, log.Root(5))
	r.start(spec)
	r.caughtUp(time.Minute, log)
	log.PublishHead(5, now+3_600_000, log.Root(5))
	log.Append(pool()[10:20]...)
	time.Sleep(time.Minute)
	log.PublishHead(15, now+3_500_000, log.Root(15))
	r.caughtUp(time.Minute, log)
	log.Append(pool()[20:30]...)
	log.PublishHead(25, 1<<63, log.Root(25))
	r.caughtUp(time.Minute, log)
	r.complete(log, 0)
	if _, err := r.status().HeadTime.MarshalJSON(); err != nil {
		r.Errorf("the head's time cannot be shown: %v", err)
	}
}

// row18: while the checkpoint was on its way, the partial tile filled and vanished.
func row18(r *rig) {
	log, spec := r.serve(testlog.Options{Static: true, DropPartials: true}, pool()[:100]...)
	r.start(spec)
	r.caughtUp(time.Minute, log)
	log.Faults.Add(testlog.Fault{Kind: testlog.PartialDataTile, Times: 1,
		Do: func(w http.ResponseWriter, q *http.Request, next http.Handler) {
			log.Append(pool()[200:500]...)
			log.Publish()
			next.ServeHTTP(w, q)
		}})
	log.Append(pool()[100:200]...)
	log.Publish()
	r.caughtUp(2*time.Minute, log)
	r.complete(log, 0)
	if n := log.Stats.Path("/tile/data/000"); n != 1 {
		r.Errorf("the full tile was fetched %d times", n)
	}
	if again := log.Stats.Repeated(testlog.PartialDataTile); len(again) > 0 {
		r.Errorf("partial tiles fetched more than once: %v", again)
	}
}

func row19(r *rig) {
	log, spec := r.serve(testlog.Options{Static: true}, pool()[:700]...)
	fault := log.Faults.Add(testlog.Fault{Kind: testlog.DataTile, For: time.Minute, Do: testlog.Status(404, "")})
	r.start(spec)
	time.Sleep(50 * time.Second)
	if s := r.status(); s.Position != 0 || fault.Hits() > 30 {
		r.Errorf("position %d after %d requests", s.Position, fault.Hits())
	}
	r.failedAs(ctlog.NotYet)
	r.caughtUp(3*time.Minute, log)
	r.complete(log, 0)
}

func row20(r *rig) {
	log, spec := r.serve(testlog.Options{Static: true}, pool()[:700]...)
	spec.Start = Start{Kind: StartBeforeHead, N: 600}
	for _, do := range []testlog.Action{
		testlog.Truncate(100), testlog.Trail([]byte{0, 1, 2}), testlog.RewritePlain(func(b []byte) []byte { return append(b, b[:len(b)/2]...) }),
	} {
		log.Faults.Add(testlog.Fault{Kind: testlog.DataTile, Times: 1, Do: do})
	}
	log.Faults.Add(testlog.Fault{Kind: testlog.HashTile, Times: 1, Do: testlog.Truncate(16)})
	log.Faults.Add(testlog.Fault{Kind: testlog.PartialHashTile, Times: 1, Do: testlog.Trail(make([]byte, 32))})
	r.start(spec)
	r.caughtUp(10*time.Minute, log)
	r.complete(log, 100)
	r.failedAs(ctlog.Malformed)
}

func row21(r *rig) {
	log, spec := r.serve(testlog.Options{Static: true}, pool()[:1024]...)
	for _, do := range []testlog.Action{
		testlog.GzipUnannounced(), testlog.GzipFalse(), testlog.GzipDouble(), testlog.GzipBomb(40 << 20),
	} {
		log.Faults.Add(testlog.Fault{Kind: testlog.DataTile, Times: 1, Do: do})
	}
	r.start(spec)
	r.caughtUp(10*time.Minute, log)
	r.complete(log, 0)
}

// row22: an entry of 2 MiB delays nothing.
func row22(r *rig) {
	giant := *pool()[0]
	giant.DER, giant.Precert, giant.TBS = bytes.Repeat([]byte{0x30}, 2<<20), false, nil
	log, spec := r.serve(testlog.Options{}, &giant, pool()[1], &giant, pool()[2])
	static, specStatic := r.serve(testlog.Options{Name: "Static", Static: true}, &giant, pool()[1], &giant, pool()[2])
	r.start(spec, specStatic)
	r.caughtUp(time.Minute, log)
	r.caughtUp(time.Minute, static)
	r.complete(log, 0)
	r.complete(static, 0)
}

func row23(r *rig) {
	log, spec := r.serve(testlog.Options{Static: true}, pool()[:600]...)
	log.Faults.Add(testlog.Fault{Kind: testlog.DataTile, Times: 2, Do: testlog.SwapTileEntries()})
	r.start(spec)
	r.caughtUp(5*time.Minute, log)
	r.complete(log, 0)
	r.failedAs(ctlog.Malformed)
	r.counted("ok")
}

// row24: what nobody knows is hashed, emitted as malformed, and passed.
func row24(r *rig) {
	strange := *pool()[1]
	strange.LeafInput = append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7}, "something else"...)
	version := *pool()[2]
	version.LeafInput = []byte{9, 9, 9}
	log, spec := r.serve(testlog.Options{}, pool()[0], &strange, &version, pool()[3])
	r.start(spec)
	r.caughtUp(time.Minute, log)
	got := r.emitted(log)
	if len(got) != 4 || got[1].Malformed == "" || got[1].Type != 7 || got[1].DER != nil || got[2].Malformed == "" {
		r.Errorf("emitted %+v", got)
	}
}

// row25: a certificate that cannot be parsed is the business of whoever parses it.
func row25(r *rig) {
	broken, trailing := *pool()[1], *pool()[2]
	broken.DER, broken.Precert, broken.TBS = []byte("not a certificate"), false, nil
	trailing.DER, trailing.Precert, trailing.TBS = append(bytes.Clone(trailing.DER), 1, 2, 3), false, nil
	log, spec := r.serve(testlog.Options{}, pool()[0], &broken, &trailing, pool()[3])
	r.start(spec)
	r.caughtUp(time.Minute, log)
	r.complete(log, 0)
}

func row26(r *rig) {
	cut, none := *pool()[1], *pool()[2]
	cut.Precert, cut.ExtraData = false, []byte{0, 0, 200, 0, 0, 100, 1, 2}
	none.Chain = nil
	log, spec := r.serve(testlog.Options{}, pool()[0], &cut, &none, pool()[3])
	r.start(spec)
	r.caughtUp(time.Minute, log)
	got := r.emitted(log)
	if len(got) != 4 || got[1].Malformed == "" || len(got[1].Chain) != 0 || got[1].DER == nil || len(got[2].Chain) != 0 ||
		got[2].Malformed != "" || len(got[3].Chain) != 2 {
		r.Errorf("emitted %+v", got)
	}
}

// row27: a missing issuer delays nothing, and is asked for again later.
func row27(r *rig) {
	log, spec := r.serve(testlog.Options{Static: true}, pool()[:100]...)
	fault := log.Faults.Add(testlog.Fault{Kind: testlog.Issuer, For: 5 * time.Minute, Do: testlog.Status(404, "")})
	r.start(spec)
	r.caughtUp(10*time.Second, log)
	r.complete(log, 0)
	chain := r.emitted(log)[0].Chain
	time.Sleep(time.Minute)
	if len(chain) != 2 || r.issuers.Has(chain[0]) || fault.Hits() != 2 {
		r.Errorf("chain %x, %d requests for issuers", chain, fault.Hits())
	}
	time.Sleep(issuerRetry)
	log.Append(pool()[100:101]...)
	log.Publish()
	r.caughtUp(time.Minute, log)
	r.until(time.Minute, "given the issuers", func() bool { return r.issuers.Has(chain[0]) && r.issuers.Has(chain[1]) })
	log.Faults.Add(testlog.Fault{Kind: testlog.Issuer, Times: 1, Do: testlog.FlipBit(100)})
	if s := r.status(); s.LastError != "" {
		r.Errorf("a missing issuer is no failure of the log: %q", s.LastError)
	}
}

// row41: the same certificate twice in a log is two entries.
func row41(r *rig) {
	log, spec := r.serve(testlog.Options{}, pool()[0], pool()[0], pool()[1], pool()[0])
	other, otherSpec := r.serve(testlog.Options{Name: "Other", Static: true}, pool()[0], pool()[0])
	r.start(spec, otherSpec)
	r.caughtUp(time.Minute, log)
	r.caughtUp(time.Minute, other)
	r.complete(log, 0)
	r.complete(other, 0)
	if got := r.emitted(log); got[0].Index == got[1].Index {
		r.Error("index is what tells entries apart")
	}
}
