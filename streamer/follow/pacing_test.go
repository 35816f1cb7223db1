package follow

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPacerFindsTheLimit: against servers of any limit, nearly all of it is used, and few requests are refused.
func TestPacerFindsTheLimit(t *testing.T) {
	for _, limit := range []float64{35.0 / 60, 3, 20} {
		synctest.Test(t, func(t *testing.T) {
			p := newPacer(Pace{Rate: 10, Max: 50})
			var wg sync.WaitGroup
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
			var mu sync.Mutex
			tokens, last := limit, time.Now()
			served, refused := 0, 0
			request := func() ctlog.Outcome {
				mu.Lock()
				defer mu.Unlock()
				now := time.Now()
				tokens = min(max(limit, 1), tokens+limit*now.Sub(last).Seconds())
				if last = now; tokens < 1 {
					refused++
					return ctlog.Outcome{Kind: ctlog.RateLimited}
				}
				tokens--
				served++
				return ctlog.Outcome{}
			}
			for range 4 { // logs
				wg.Go(func() {
					for p.wait(ctx) == nil {
						p.learn(request())
						sleep(ctx, 50*time.Millisecond)
					}
				})
			}
			wg.Wait()
			cancel()
			used := float64(served) / (20 * 60) / limit
			share := float64(refused) / float64(served+refused)
			t.Logf("limit %.2f/s: %.0f %% used, %.1f %% refused", limit, 100*used, 100*share)
			if used < 0.7 || share > 0.08 {
				t.Errorf("limit %.2f/s: %.0f %% used, %.1f %% refused", limit, 100*used, 100*share)
			}
		})
	}
}

func TestPacerHalvesOnceForRequestsInFlightTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(Pace{Rate: 16, Max: 50})
		for range 5 {
			p.learn(ctlog.Outcome{Kind: ctlog.RateLimited})
		}
		if rate, _ := p.now(); rate != 8 {
			t.Errorf("rate %v after five 429 at once, want 8", rate)
		}
		for range 100 {
			time.Sleep(2 * time.Minute)
			p.learn(ctlog.Outcome{Kind: ctlog.RateLimited})
		}
		if rate, _ := p.now(); rate != minRate {
			t.Errorf("rate %v, want the floor %v", rate, minRate)
		}
	})
}

func TestPacerSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(Pace{Rate: 10, Max: 50})
		p.learn(ctlog.Outcome{Kind: ctlog.RateLimited})
		p.set(Pace{Rate: 10, Max: 20})
		if rate, _ := p.now(); rate != 5 {
			t.Errorf("rate %v: what was found was forgotten", rate)
		}
		p.set(Pace{Rate: 2, Max: 20, PerLog: time.Second})
		if rate, _ := p.now(); rate != 2 || p.perLog() != time.Second {
			t.Errorf("rate %v, want the new start", rate)
		}
		p.learn(ctlog.Outcome{Kind: ctlog.RateLimited, RetryAfter: time.Hour})
		if _, until := p.now(); time.Until(until) != maxRetryAfter {
			t.Errorf("paused for %v, want at most %v", time.Until(until), maxRetryAfter)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("wait: %v", err)
		}
	})
}

// TestPerLogPace: DigiCert's way, one request per two seconds and log.
func TestPerLogPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &fakeLog{page: 8, size: 5000}, &fakeLog{page: 8, size: 5000}
		settings := Settings{Operators: map[string]Pace{"operator": {PerLog: 2 * time.Second}}}
		_, stop := start(t, &fakeEngine{}, func(o *Options) { o.Settings = settings }, a.spec("a"), b.spec("b"))
		time.Sleep(10 * time.Minute)
		stop()
		for _, l := range []*fakeLog{a, b} {
			if n := len(l.served) + l.heads; n < 290 || n > 301 {
				t.Errorf("%d requests in 600 s, want 300", n)
			}
		}
	})
}

func TestBackoffIsJitteredAndBounded(t *testing.T) {
	s := Settings{}.withDefaults()
	for n := 1; n <= 40; n++ {
		limit := s.BackoffFloor * time.Duration(math.Pow(2, float64(min(n, 16))))
		limit = min(limit, s.BackoffCap)
		if n > longAfter {
			limit = s.BackoffLong
		}
		low, high := limit, time.Duration(0)
		for range 300 {
			d := s.backoff(n)
			low, high = min(low, d), max(high, d)
			if d < s.BackoffFloor || d > limit {
				t.Fatalf("wait %v after %d failures, want %v to %v", d, n, s.BackoffFloor, limit)
			}
		}
		if high-low < (limit-s.BackoffFloor)/2 {
			t.Errorf("after %d failures all waits are between %v and %v: no jitter", n, low, high)
		}
	}
}

func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Settings{BreakerAfter: 3}.withDefaults()
		var b breaker
		want := func(what string, state BreakerState) {
			t.Helper()
			if got := b.now(); got != state {
				t.Errorf("%s: %s, want %s", what, got, state)
			}
		}
		want("new", BreakerClosed)
		b.failed(&s, 0)
		b.failed(&s, 0)
		want("after two failures", BreakerClosed)
		wait := b.failed(&s, 7*time.Second)
		want("after three", BreakerOpen)
		if wait < 7*time.Second || b.probing() || b.now() == BreakerClosed {
			t.Errorf("wait %v", wait)
		}
		time.Sleep(wait)
		if !b.probing() {
			t.Error("no probe when the wait is over")
		}
		want("probing", BreakerHalfOpen)
		wait = b.failed(&s, time.Hour)
		want("after a failed probe", BreakerOpen)
		if wait != maxRetryAfter {
			t.Errorf("wait %v, want %v at most", wait, maxRetryAfter)
		}
		time.Sleep(wait)
		b.probing()
		b.succeeded()
		want("after a good probe", BreakerClosed)
	})
}

func TestCatchUpRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c catchUp
		s := Settings{}.withDefaults()
		if r := c.rate(&s); r != 2000 {
			t.Errorf("rate %v without live entries, want 2000", r)
		}
		for range 60 {
			c.live(1600)
			time.Sleep(time.Second)
		}
		if r := c.rate(&s); r < 6200 || r > 6400 {
			t.Errorf("rate %v at 1,600 live entries/s, want 4 times that", r)
		}
		time.Sleep(time.Minute)
		if r := c.rate(&s); r != 2000 {
			t.Errorf("rate %v a minute later, want 2000", r)
		}
		fixed := Settings{CatchUpRate: 500}.withDefaults()
		var wg sync.WaitGroup
		begin, ranges := time.Now(), 0
		var mu sync.Mutex
		for range 5 { // backlogs
			wg.Go(func() {
				for time.Since(begin) < 100*time.Second {
					for d := c.take(&fixed, 256); d > 0; d = c.take(&fixed, 256) {
						time.Sleep(d)
					}
					mu.Lock()
					ranges++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if rate := float64(ranges) * 256 / 100; rate < 450 || rate > 560 {
			t.Errorf("%.0f entries/s of all backlogs, want 500", rate)
		}
	})
}

// TestPacerProperties lets logs of one operator ask in random patterns, with refusals in between, and holds over the whole time: no
// window has more requests than the greatest rate allows and a burst; every log makes progress, in the order in which its requests
// came; and no request goes out in a pause.
func TestPacerProperties(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) { pacerProperties(t, rand.New(rand.NewPCG(seed, 1))) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func pacerProperties(t *testing.T, chance *rand.Rand) {
	pace := Pace{Rate: 0.5 + 20*chance.Float64()}
	pace.Max = pace.Rate * (1 + chance.Float64())
	p := newPacer(pace)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	const logs = 6
	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		went     []time.Time
		byLog    [logs]int
		longest  time.Duration
		inPauses int
	)
	for i := range logs {
		own, parallel := rand.New(rand.NewPCG(chance.Uint64(), 2)), 1
		if i == 0 {
			parallel = 4 // has a backlog
		}
		for range parallel {
			mine := rand.New(rand.NewPCG(own.Uint64(), 3))
			wg.Go(func() {
				for {
					asked := time.Now()
					if p.wait(ctx) != nil {
						return
					}
					mu.Lock()
					went, longest = append(went, time.Now()), max(longest, time.Since(asked))
					byLog[i]++
					if _, until := p.now(); until.After(time.Now()) {
						inPauses++
					}
					mu.Unlock()
					sleep(ctx, time.Duration(mine.Int64N(int64(300*time.Millisecond))))
					o := ctlog.Outcome{}
					if mine.IntN(200) == 0 {
						o.Kind, o.RetryAfter = ctlog.RateLimited, time.Duration(mine.IntN(10))*time.Second
					}
					p.learn(o)
				}
			})
		}
	}
	wg.Wait()
	for _, window := range []time.Duration{time.Second, 10 * time.Second, time.Minute} {
		allowed := pace.Max*window.Seconds() + max(minBurst, pace.Max*burst) + 1
		for from, to := 0, 0; from < len(went); from++ {
			for to < len(went) && went[to].Sub(went[from]) < window {
				to++
			}
			if n := float64(to - from); n > allowed {
				t.Fatalf("%.0f requests in %v at %.1f to %.1f/s, want at most %.0f", n, window, pace.Rate, pace.Max, allowed)
			}
		}
	}
	least, most := slices.Min(byLog[1:]), slices.Max(byLog[1:])
	if least == 0 || most > 2*least+10 {
		t.Errorf("requests of the logs without a backlog: %d", byLog[1:])
	}
	if queue := time.Duration((logs + 3) / minRate * float64(time.Second)); longest > queue+time.Minute {
		t.Errorf("a request waited for %v", longest)
	}
	if inPauses > 0 {
		t.Errorf("%d requests in pauses", inPauses)
	}
}

// TestPacerKeepsTheOrder holds that requests get their turn in the order in which they came, and that one which gives up holds up
// nobody.
func TestPacerKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(Pace{Rate: 1, Max: 1})
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 8 {
			ctx, cancel := t.Context(), func() {}
			if i == 3 {
				ctx, cancel = context.WithTimeout(ctx, 1500*time.Millisecond)
			}
			wg.Go(func() {
				defer cancel()
				if p.wait(ctx) == nil {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
				}
			})
			synctest.Wait()
		}
		begin := time.Now()
		wg.Wait()
		if want := []int{0, 1, 2, 4, 5, 6, 7}; !slices.Equal(order, want) {
			t.Errorf("the order is %v, want %v", order, want)
		}
		if took := time.Since(begin).Round(time.Second); took > 8*time.Second {
			t.Errorf("eight requests at one a second took %v", took)
		}
	})
}

// TestPacerRecoversFromAStorm: refusals for a while, whatever the rate, say nothing about the limit.
func TestPacerRecoversFromAStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(Pace{Rate: 10, Max: 50})
		for range 60 {
			p.learn(ctlog.Outcome{Kind: ctlog.RateLimited})
			time.Sleep(5 * time.Second)
		}
		begin := time.Now()
		for {
			if rate, _ := p.now(); rate >= 5 {
				break
			}
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.learn(ctlog.Outcome{})
		}
		if d := time.Since(begin); d > time.Minute {
			t.Errorf("half the old rate is reached after %v", d)
		}
	})
}

// TestPacerRecoversFromOneLogsRefusals: while one log of an operator refuses everything and another answers, each success makes the
// next refusal look like a limit that was found. That must not leave both at a trickle for an hour.
func TestPacerRecoversFromOneLogsRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(Pace{Rate: 10, Max: 50})
		ask := func(kind ctlog.Kind) {
			if err := p.wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.learn(ctlog.Outcome{Kind: kind})
		}
		for begin := time.Now(); time.Since(begin) < 5*time.Minute; {
			ask("")
			ask(ctlog.Forbidden)
		}
		low, _ := p.now()
		begin := time.Now()
		for rate, _ := p.now(); rate < 5; rate, _ = p.now() {
			ask("")
		}
		if d := time.Since(begin); d > 6*time.Minute {
			t.Errorf("from %.2f/s, half the first rate is reached after %v", low, d)
		}
	})
}
