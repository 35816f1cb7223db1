package follow

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFollowsASmallLogFromItsBeginningAndThenItsGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, eng := &fakeLog{page: 32, size: 1000, latency: 10 * time.Millisecond}, &fakeEngine{}
		s := New(Options{Engine: eng, Issuers: &fakeIssuers{}, Logger: quiet(t)})
		spec := log.spec("small")
		s.SetLogs([]LogSpec{spec})
		stop := run(t, s)
		time.Sleep(time.Minute)
		log.set(func() { log.size = 1100 })
		time.Sleep(time.Minute)
		status := s.Status()[0]
		stop()
		if diff := cmp.Diff(sequence(0, 1100), eng.indexes(spec.Source.LogID)); diff != "" {
			t.Errorf("entries emitted (-want +got):\n%s", diff)
		}
		if status.Position != 1100 || status.VerifiedSize != 1100 || status.State != "following" || !status.Unverified.IsZero() {
			t.Errorf("status: %+v", status)
		}
		if log.most != 3 {
			t.Errorf("%d requests in flight at most, want 3 while behind", log.most)
		}
	})
}
