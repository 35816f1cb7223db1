package follow

import (
	"net/http"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// keyless is a spec of a log whose key is not known.
func (r *rig) keyless(l *testlog.Log) LogSpec {
	spec := r.spec(l)
	client := r.clients[len(r.clients)-1]
	spec.Key, spec.Unsigned = nil, true
	spec.Open = func(hooks ctlog.Hooks) (ctlog.Log, error) { return openUnsigned(l, client, hooks) }
	return spec
}

func openUnsigned(l *testlog.Log, client *http.Client, hooks ctlog.Hooks) (ctlog.Log, error) {
	o := ctlog.Options{URL: l.URL(), Unsigned: true, Client: client, Hooks: hooks, UserAgent: "test (ops@example.com)"}
	if l.Static() {
		return ctlog.NewStatic(o)
	}
	return ctlog.NewRFC6962(o)
}

// TestLogWithoutKey holds that nothing of such a log is called verified, at once and for good, from wherever it is followed; with
// verification off nobody has asked.
func TestLogWithoutKey(t *testing.T) {
	each(t, func(t *testing.T, o testlog.Options) {
		for v, says := range map[Verification]bool{VerifyFull: true, VerifyConsistency: true, VerifyOff: false} {
			for _, start := range []uint64{0, 40} {
				bubble(t, func(r *rig) {
					log, _ := r.serve(o, pool()[:100]...)
					spec := r.keyless(log)
					spec.Verification, spec.Start = v, Start{Kind: StartAtIndex, N: start}
					r.start(spec)
					for _, size := range []int{100, 150} {
						if size > 100 {
							log.Append(pool()[100:size]...)
							log.Publish()
						}
						r.until(2*time.Minute, "caught up", func() bool { return r.status().Position == log.Size() })
						time.Sleep(time.Minute)
						s := r.status()
						if s.VerifiedSize != 0 || s.Unverified.IsZero() == says || (s.UnverifiedWhy == noKey) != says {
							t.Errorf("%s from %d: %+v", v, start, s)
						}
						if got := r.metric("certstream_log_unverified"); (got == 1) != says {
							t.Errorf("%s from %d: the metric is %v", v, start, got)
						}
					}
					r.complete(log, start)
				})
			}
		}
	})
}

// TestLogWithoutKeyIsComparedWithItself: two trees are two trees, whoever made them; and that is what is said then.
func TestLogWithoutKeyIsComparedWithItself(t *testing.T) {
	each(t, func(t *testing.T, o testlog.Options) {
		bubble(t, func(r *rig) {
			log, _ := r.serve(o, pool()[:100]...)
			r.start(r.keyless(log))
			r.until(2*time.Minute, "caught up", func() bool { return r.status().Position == log.Size() })
			lies[0].tell(log)
			r.until(time.Minute, "marked", func() bool { return r.status().Misbehaviour != nil })
			if s := r.status(); s.Misbehaviour.Kind != evidence.TwoRoots || s.UnverifiedWhy == noKey {
				t.Errorf("%+v", s)
			}
		})
	})
}
