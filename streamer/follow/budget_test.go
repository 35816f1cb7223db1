package follow

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// asked is what a log has been asked for.
type asked struct {
	heads, data, partials, proofs int
	entries                       uint64 // in the answers
}

func askedOf(l *testlog.Log) asked {
	s := &l.Stats
	return asked{
		heads:    s.Kind(testlog.GetSTH).Requests + s.Kind(testlog.Checkpoint).Requests,
		data:     s.Kind(testlog.GetEntries).Requests + s.Kind(testlog.DataTile).Requests,
		partials: s.Kind(testlog.PartialDataTile).Requests,
		proofs: s.Kind(testlog.GetConsistency).Requests + s.Kind(testlog.GetEntryAndProof).Requests +
			s.Kind(testlog.GetProofByHash).Requests + s.Kind(testlog.HashTile).Requests + s.Kind(testlog.PartialHashTile).Requests,
		entries: s.Kind(testlog.GetEntries).Entries + s.Kind(testlog.DataTile).Entries + s.Kind(testlog.PartialDataTile).Entries,
	}
}

// grow adds entries to a log at a rate, published each second at most, for so long.
func grow(l *testlog.Log, perSecond float64, d time.Duration) {
	for begin, n := time.Now(), 0; time.Since(begin) < d; {
		time.Sleep(time.Second)
		due := int(perSecond * time.Since(begin).Seconds())
		if due == n {
			continue
		}
		for ; n < due; n++ {
			l.Append(pool()[n%len(pool())])
		}
		l.Publish()
	}
}

// TestBudgetOfLiveFollowing holds what an hour of following costs a log that answers: docs/politeness.md states these numbers. Of
// fast logs, a tenth of an hour tells.
func TestBudgetOfLiveFollowing(t *testing.T) {
	for _, tc := range []struct {
		static bool
		rate   float64
		verify Verification
		most   asked   // in the hour
		twice  float64 // entries fetched per entry, at most
	}{
		{false, 0, VerifyFull, asked{heads: 140}, 0},
		{false, 1.0 / 60, VerifyFull, asked{heads: 500, data: 61}, 1},
		{false, 1, VerifyFull, asked{heads: 1700, data: 2000}, 1},
		{false, 50, VerifyFull, asked{heads: 1700, data: 2600}, 1},
		{false, 1, VerifyConsistency, asked{heads: 1700, data: 2000, proofs: 121}, 1},
		{true, 0, VerifyFull, asked{heads: 140}, 0},
		{true, 1.0 / 60, VerifyFull, asked{heads: 500, partials: 61, data: 1}, 131},
		{true, 1, VerifyFull, asked{heads: 1700, data: 15, partials: 200}, 6},
		{true, 5, VerifyFull, asked{heads: 1700, data: 80, partials: 380}, 3.2},
		{true, 10, VerifyFull, asked{heads: 1700, data: 150, partials: 340}, 1.7},
		{true, 50, VerifyFull, asked{heads: 1700, data: 720, partials: 50}, 1.02},
		{true, 1, VerifyConsistency, asked{heads: 1700, data: 15, partials: 200, proofs: 480}, 6},
	} {
		t.Run(fmt.Sprintf("%s/%.3g a second/%s", map[bool]string{false: "RFC 6962", true: "static"}[tc.static], tc.rate, tc.verify), func(t *testing.T) {
			bubble(t, func(r *rig) {
				log, spec := r.serve(testlog.Options{Static: tc.static}, pool()[:100]...)
				spec.Verification = tc.verify
				r.start(spec)
				r.until(time.Minute, "read", func() bool { return r.status().Position == 100 })
				time.Sleep(time.Minute)
				log.Stats.Reset()
				share := 1
				if tc.rate >= 5 {
					share = 10
				}
				grow(log, tc.rate, time.Hour/time.Duration(share))
				got, size := askedOf(log), log.Size()-100
				t.Logf("%+v for %d entries", got, size)
				if most := tc.most; got.heads*share > most.heads || got.data*share > most.data || got.partials*share > most.partials ||
					got.proofs*share > most.proofs {
					t.Errorf("asked for %+v in 1/%d hour, want at most %+v in an hour", got, share, most)
				}
				if float64(got.entries) > tc.twice*float64(size) {
					t.Errorf("%d entries fetched for %d, want at most %.3g times as many", got.entries, size, tc.twice)
				}
				for _, kind := range []string{testlog.GetEntries, testlog.DataTile, testlog.PartialDataTile} {
					if twice := log.Stats.Repeated(kind); len(twice) > 0 {
						t.Errorf("asked for more than once: %v", twice)
					}
				}
				if anonymous, unpacked := log.Stats.Rude(); anonymous+unpacked > 0 {
					t.Errorf("%d requests without a contact, %d that take no gzip", anonymous, unpacked)
				}
				if n := r.hosts["log.example"].dials(); n > 2 {
					t.Errorf("%d connections, want them kept", n)
				}
			})
		})
	}
}

// ledger notes when requests come in.
type ledger struct {
	next http.Handler

	mu sync.Mutex
	at []time.Time
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.at = append(l.at, time.Now())
	l.mu.Unlock()
	l.next.ServeHTTP(w, r)
}

// between counts requests in a span.
func (l *ledger) between(from, to time.Time) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.at {
		if !t.Before(from) && t.Before(to) {
			n++
		}
	}
	return n
}

// TestBudgetOfABacklog holds that a backlog costs each page once, few at a time, no faster than the pace.
func TestBudgetOfABacklog(t *testing.T) {
	each(t, func(t *testing.T, o testlog.Options) {
		bubble(t, func(r *rig) {
			o.MaxGetEntries, o.DropPartials = 256, true
			log, spec := r.serve(o)
			for range 20 {
				log.Append(pool()[:1000]...)
			}
			log.Publish()
			spec.Start = Start{Kind: StartAtIndex}
			seen := r.watch("log.example")
			begin := time.Now()
			r.start(spec)
			r.caughtUp(time.Minute, log)
			got := askedOf(log)
			t.Logf("%+v for 20,000 entries in %v", got, time.Since(begin))
			if got.heads > 4 || got.data > 82 || got.partials > 1 || got.proofs > 15 || !o.Static && got.proofs > 5 || got.entries > 20_500 {
				t.Errorf("asked for %+v", got)
			}
			if n := log.Stats.AtOnce(); n > 4 { // three ranges and a head
				t.Errorf("%d requests at once", n)
			}
			seen.within(t, begin, time.Now(), 1.3*12+3)
		})
	})
}

// TestBudgetOfARestart holds that what was read is not read again, but for the beginning of the tile at the head.
func TestBudgetOfARestart(t *testing.T) {
	each(t, func(t *testing.T, o testlog.Options) {
		bubble(t, func(r *rig) {
			log, spec := r.serve(o, pool()[:700]...)
			store := r.keep()
			r.start(spec)
			r.caughtUp(time.Minute, log)
			log.Stats.Reset()
			for range 10 {
				r.stop()
				r.start(spec)
				time.Sleep(time.Second)
			}
			if got, want := askedOf(log), (asked{heads: 10}); got != want {
				t.Errorf("ten restarts at the head ask for %+v, want %+v", got, want)
			}
			r.stop()
			log.Append(pool()[700:720]...)
			log.Publish()
			log.Stats.Reset()
			r.start(spec)
			r.caughtUp(time.Minute, log)
			got := askedOf(log)
			if got.data+got.partials != 1 || got.proofs > 0 || got.entries > 255 || !o.Static && got.entries > 20 {
				t.Errorf("20 entries after a restart ask for %+v", got)
			}
			r.close()
			must(r.T, store.Close())
		})
	})
}

// TestBudgetWhenRefused holds how seldom a log that refuses, or fails, is asked.
func TestBudgetWhenRefused(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   testlog.Action
		span time.Duration
		most int
	}{
		{"Retry-After: 60", testlog.TooManyRequests("60"), 10 * time.Minute, 11},
		{"429 without it", testlog.TooManyRequests(""), 10 * time.Minute, 25},
		{"429 for a day", testlog.TooManyRequests(""), 24 * time.Hour, 400},
		{"500 for a day", testlog.Status(500, "oops"), 24 * time.Hour, 400},
		{"503 with a long page, for a day", testlog.Status(503, strings.Repeat("Down for maintenance. ", 1000)), 24 * time.Hour, 400},
		{"403 for a day", testlog.Forbidden(), 24 * time.Hour, 400},
		{"connections that break, for a day", testlog.Reset(0), 24 * time.Hour, 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			each(t, func(t *testing.T, o testlog.Options) {
				bubble(t, func(r *rig) {
					log, spec := r.serve(o, pool()[:100]...)
					r.start(spec)
					r.caughtUp(time.Minute, log)
					log.Append(pool()[100:110]...)
					log.Publish()
					log.Stats.Reset()
					log.Faults.Add(testlog.Fault{Do: tc.do})
					time.Sleep(tc.span)
					n := log.Stats.Total()
					t.Logf("%d requests in %v", n, tc.span)
					if n > tc.most {
						t.Errorf("%d requests in %v, want at most %d", n, tc.span, tc.most)
					}
					if dials := r.hosts["log.example"].dials(); dials > 2 && !strings.Contains(tc.name, "break") {
						t.Errorf("%d connections for %d requests, want them kept", dials, n)
					}
					log.Faults.Clear()
					r.caughtUp(21*time.Minute, log)
				})
			})
		})
	}
}

// TestRetryAfterHoldsForTheOperator holds that no log of an operator is asked while one of them has asked for a pause, and that they
// do not all come back at once.
func TestRetryAfterHoldsForTheOperator(t *testing.T) {
	bubble(t, func(r *rig) {
		var specs []LogSpec
		var first *testlog.Log
		var seen []*ledger
		for i := range 12 {
			log, spec := r.serve(testlog.Options{Name: fmt.Sprintf("Log %d", i), Static: i%2 == 1}, pool()[:100]...)
			specs, seen = append(specs, spec), append(seen, r.watch(fmt.Sprintf("log-%d.example", i)))
			if i == 0 {
				first = log
			}
		}
		r.start(specs...)
		time.Sleep(time.Minute)
		first.Faults.Add(testlog.Fault{Times: 1, Do: testlog.TooManyRequests("90")})
		r.until(time.Minute, "refused", func() bool { return r.statusOf(first).Failures > 0 })
		begin := time.Now()
		time.Sleep(2 * time.Minute)
		all := merge(seen)
		if n := all.between(begin, begin.Add(85*time.Second)); n > 0 {
			t.Errorf("%d requests in the pause", n)
		}
		if n := all.between(begin, begin.Add(2*time.Minute)); n == 0 {
			t.Error("no request after the pause")
		}
		all.within(t, begin, time.Now(), 8) // the rate is halved, to 5/s, and creeps up
	})
}

// TestPollsAreSpread holds that sixty logs are asked evenly, not all at once, in quiet times and after an outage.
func TestPollsAreSpread(t *testing.T) {
	for _, tc := range []struct {
		name         string
		grow, outage bool
	}{{"busy", true, false}, {"quiet", false, false}, {"after an outage", true, true}} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(r *rig) {
				var specs []LogSpec
				var logs []*testlog.Log
				var seen []*ledger
				for i := range 60 {
					log, spec := r.serve(testlog.Options{Name: fmt.Sprintf("Log %d", i), Static: i%2 == 1}, pool()[:10]...)
					spec.Source.Operator = fmt.Sprint(i % 8)
					specs, logs, seen = append(specs, spec), append(logs, log), append(seen, r.watch(fmt.Sprintf("log-%d.example", i)))
				}
				r.start(specs...)
				time.Sleep(5 * time.Minute)
				if tc.outage {
					r.outage(10 * time.Minute)
				}
				begin := time.Now()
				for i := 0; time.Since(begin) < 3*time.Minute; i++ {
					time.Sleep(2 * time.Second / 60)
					if l := logs[i%60]; tc.grow {
						l.Append(pool()[500])
						l.Publish()
					}
				}
				all := merge(seen)
				mean, most := float64(all.between(begin, time.Now()))/180, all.most(begin, time.Now(), time.Second)
				t.Logf("%.1f requests a second on average, %d at most", mean, most)
				if float64(most) > 2*mean+15 {
					t.Errorf("%d requests in a second, %.1f on average", most, mean)
				}
			})
		})
	}
}

// outage lets no connection be made, and ends those that there are.
func (r *rig) outage(d time.Duration) {
	for _, h := range r.hosts {
		h.setDialError(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("network is unreachable")})
	}
	for _, c := range r.clients {
		c.CloseIdleConnections()
	}
	time.Sleep(d)
	for _, h := range r.hosts {
		h.setDialError(nil)
	}
}

// most is the greatest number of requests in a window of some length.
func (l *ledger) most(from, to time.Time, window time.Duration) (most int) {
	for at := from; at.Before(to); at = at.Add(window / 4) {
		most = max(most, l.between(at, at.Add(window)))
	}
	return most
}

// within fails if any second has more requests.
func (l *ledger) within(t *testing.T, from, to time.Time, most float64) {
	t.Helper()
	if n := l.most(from, to, time.Second); float64(n) > most {
		t.Errorf("%d requests in a second, want at most %.3g", n, most)
	}
}

// merge makes one ledger of many.
func merge(all []*ledger) *ledger {
	var one ledger
	for _, l := range all {
		l.mu.Lock()
		one.at = append(one.at, l.at...)
		l.mu.Unlock()
	}
	return &one
}

// watch notes the requests that a host gets from now on. It is called before there are any.
func (r *rig) watch(name string) *ledger {
	l := &ledger{next: r.hosts[name].server.Handler}
	r.hosts[name].server.Handler = l
	return l
}
