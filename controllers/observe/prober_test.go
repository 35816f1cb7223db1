package observe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// redirector connects elsewhere.
type redirector struct{ to string }

func (r *redirector) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, r.to)
}

// cluster plays all pods, by host name, and notes who was asked and whose news was told.
type cluster struct {
	t *testing.T
	p *Prober

	mu      sync.Mutex
	pods    map[string]func(context.Context) (string, error)
	asked   map[string][]time.Time
	told    map[string]int
	running int
	most    int
}

func newCluster(t *testing.T, o Options) *cluster {
	c := &cluster{t: t, pods: map[string]func(context.Context) (string, error){}, asked: map[string][]time.Time{}, told: map[string]int{}}
	o.Notify = func(key types.NamespacedName) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.told[key.Name]++
	}
	c.p = New(o)
	c.p.client.Transport = c
	return c
}

// RoundTrip answers for a pod.
func (c *cluster) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	host := r.URL.Hostname()
	c.asked[host] = append(c.asked[host], time.Now())
	answer := c.pods[host]
	c.running++
	c.most = max(c.most, c.running)
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running--
	}()
	text, err := answer(r.Context())
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(text)), Request: r}, nil
}

// start runs the prober; stop ends it and waits for its end.
func (c *cluster) start() (stop func()) {
	ctx, cancel := context.WithCancel(c.t.Context())
	done := make(chan error)
	go func() { done <- c.p.Start(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	}
}

func (c *cluster) set(host string, answer func(context.Context) (string, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pods[host] = answer
}

// says has a pod answer with a hash, a number of clients and logs' states.
func (c *cluster) says(host, hash string, clients int, logs ...string) {
	var all []string
	for i, state := range logs {
		all = append(all, fmt.Sprintf(`{"name":"log %d","state":%q,"breaker":"open"}`, i, state))
	}
	text := fmt.Sprintf(`{"version":"1","config":{"hash":%q},"clients":[{"count":%d}],"logs":[%s]}`, hash, clients, strings.Join(all, ","))
	c.set(host, func(context.Context) (string, error) { return text, nil })
}

func (c *cluster) fails(host string, err error) {
	c.set(host, func(context.Context) (string, error) { return "", err })
}

func (c *cluster) hangs(host string) {
	c.set(host, func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
}

// expect says how often a pod was asked and its news told since the last time.
func (c *cluster) expect(what, host string, asked, told int) {
	c.t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.asked[host]) != asked || c.told[host] != told {
		c.t.Errorf("%s: asked %d times, told %d times; want %d and %d", what, len(c.asked[host]), c.told[host], asked, told)
	}
	delete(c.asked, host)
	delete(c.told, host)
}

func named(host string) types.NamespacedName {
	return types.NamespacedName{Namespace: "ct", Name: host}
}

func at(host, uid, want string) Target {
	return Target{PodUID: types.UID(uid), URL: "http://" + host + ":9090/status", WantHash: want}
}

func (c *cluster) report(host, uid string) Report {
	c.t.Helper()
	r, ok := c.p.Report(named(host), types.UID(uid))
	if !ok {
		c.t.Errorf("there is no report of %s", host)
	}
	return r
}

// exact is no jitter.
const exact = -1

func TestProberAsksAndTellsNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact})
		stop := c.start()
		defer stop()
		c.says("a", "h1", 1, "following")
		if _, ok := c.p.Report(named("a"), "pod"); ok {
			t.Error("a report before it was asked")
		}
		c.p.Watch(named("a"), at("a", "pod", "h1"))
		c.expect("at once", "a", 1, 1)
		if r := c.report("a", "pod"); r.ConfigHash != "h1" || r.PodUID != "pod" || !r.At.Equal(time.Now()) || r.Err != nil {
			t.Errorf("%+v", r)
		}
		if _, ok := c.p.Report(named("a"), "another pod"); ok {
			t.Error("a report of a pod that was not asked")
		}
		time.Sleep(61 * time.Second)
		c.expect("three times a minute, without news", "a", 3, 0)
		c.says("a", "h2", 1, "following")
		time.Sleep(19500 * time.Millisecond)
		c.expect("another hash", "a", 1, 1) // and from then on often, for it is not the one wanted
		c.p.Forget(named("a"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, ok := c.p.Report(named("a"), "pod"); ok {
			t.Error("a report of what was forgotten")
		}
	})
}

// While a configuration is awaited the pod is asked ten times a second for 5 s, then every second for two minutes.
func TestProberAwaitsAConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact})
		defer c.start()()
		c.says("a", "old", 1, "following")
		c.p.Watch(named("a"), at("a", "pod", "old"))
		time.Sleep(10*time.Second + time.Microsecond)
		c.expect("confirmed", "a", 1, 1)
		c.p.Watch(named("a"), at("a", "pod", "new"))
		c.expect("at once", "a", 1, 0)
		time.Sleep(5*time.Second - time.Millisecond)
		c.expect("often", "a", 49, 0)
		time.Sleep(30 * time.Second)
		c.expect("then every second", "a", 30, 0)
		c.says("a", "new", 1, "following")
		time.Sleep(time.Second)
		c.expect("confirmed", "a", 1, 1)
		time.Sleep(19 * time.Second)
		c.expect("no more", "a", 0, 0)

		c.p.Watch(named("a"), at("a", "pod", "never"))
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		c.mu.Lock()
		c.asked = map[string][]time.Time{}
		c.mu.Unlock()
		time.Sleep(time.Minute)
		c.expect("in vain", "a", 3, 0)
	})
}

// Another pod or address is asked at once, and the old one's late answer counts for nothing.
func TestProberFollowsThePod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact})
		defer c.start()()
		c.set("old", func(context.Context) (string, error) {
			time.Sleep(2 * time.Second)
			return `{"version":"old"}`, nil
		})
		c.says("new", "h", 0, "following")
		c.p.Watch(named("a"), at("old", "1", ""))
		time.Sleep(time.Second)
		c.p.Watch(named("a"), at("new", "2", ""))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if r := c.report("a", "2"); r.Version != "1" {
			t.Errorf("%+v", r)
		}
		if _, ok := c.p.Report(named("a"), "1"); ok {
			t.Error("the old pod's report is still there")
		}
		for range 5 {
			c.p.Watch(named("a"), at("new", "2", ""))
		}
		c.expect("asked once for all calls", "new", 1, 0)
		c.expect("news of the new pod alone", "a", 0, 1)
	})
}

// A container that was started anew is asked at once; what it said before is known until it answers.
func TestProberAsksARestartedContainer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact})
		defer c.start()()
		c.says("a", "old", 1, "following")
		target := at("a", "pod", "")
		c.p.Watch(named("a"), target)
		c.expect("first", "a", 1, 1)
		c.says("a", "new", 1, "following")
		target.Restarts = 1
		c.p.Watch(named("a"), target)
		if r := c.report("a", "pod"); r.ConfigHash != "old" {
			t.Errorf("%+v", r)
		}
		c.expect("started anew", "a", 1, 1)
	})
}

// A pod is unreadable after two failures in a row; what it said stays known.
func TestProberUnreadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact})
		defer c.start()()
		c.says("a", "h", 5, "following")
		c.p.Watch(named("a"), at("a", "pod", "h"))
		c.expect("readable", "a", 1, 1)
		c.fails("a", errors.New("gone"))
		time.Sleep(20100 * time.Millisecond)
		c.expect("one failure", "a", 1, 0)
		if r := c.report("a", "pod"); r.Err != nil {
			t.Errorf("after one failure: %+v", r)
		}
		time.Sleep(200 * time.Millisecond)
		c.expect("the second, soon after", "a", 1, 1)
		if r := c.report("a", "pod"); !errors.Is(r.Err, Unreachable) || r.ConfigHash != "h" || r.Clients != 5 {
			t.Errorf("after two: %+v", r)
		}
		c.p.Watch(named("a"), at("a", "pod", "")) // so that it is asked at its usual pace
		c.expect("at once", "a", 1, 0)
		time.Sleep(16 * time.Second)
		c.expect("unreadable as before, less and less often", "a", 6, 0) // after 0.25 s, 0.75, 1.75, 3.75, 7.75, 15.75
		time.Sleep(time.Minute)
		c.expect("at the usual pace at last", "a", 3, 0)
		c.hangs("a")
		time.Sleep(23 * time.Second)
		c.expect("for another reason", "a", 1, 1)
		c.says("a", "h", 5, "following")
		time.Sleep(21 * time.Second)
		c.expect("readable again", "a", 1, 1)
	})
}

// What a status depends on is news, what it does not depend on is none.
func TestProberNews(t *testing.T) {
	const calm = `"version":"1","config":{"hash":"h"},"logs":[{"name":"a","state":"following"},{"name":"b","state":"following"}]`
	for name, c := range map[string]struct {
		answer string
		news   int
	}{
		"the same":             {`{` + calm + `}`, 0},
		"figures":              {`{` + calm + `,"entries_per_second":9,"clients":[{"count":7}]}`, 0},
		"version":              {`{"version":"2","config":{"hash":"h"},"logs":[{"name":"a"}]}`, 1},
		"hash":                 {`{"version":"1","config":{"hash":"i"},"logs":[{"name":"a"}]}`, 1},
		"refused":              {`{"version":"1","config":{"hash":"h","last_error":"no"},"logs":[{"name":"a"}]}`, 1},
		"refused another":      {`{"version":"1","config":{"hash":"h","rejected_hash":"x"},"logs":[{"name":"a"}]}`, 1},
		"restart needed":       {`{"version":"1","config":{"hash":"h","restart_needed":["port"]},"logs":[{"name":"a"}]}`, 1},
		"warnings":             {`{"version":"1","config":{"hash":"h","warnings":["w"]},"logs":[{"name":"a"}]}`, 1},
		"draining":             {`{"draining":true,` + calm + `}`, 1},
		"the list fails":       {`{"log_list":{"error":"503"},` + calm + `}`, 1},
		"checkpoints fail":     {`{"state":{"last_error":"full"},` + calm + `}`, 1},
		"one log fails":        {`{"version":"1","config":{"hash":"h"},"logs":[{"name":"a"},{"name":"b","status":"unhealthy"}]}`, 0},
		"all logs fail":        {`{"version":"1","config":{"hash":"h"},"logs":[{"name":"b","status":"unhealthy"}]}`, 1},
		"no logs":              {`{"version":"1","config":{"hash":"h"}}`, 1},
		"unknown fields alone": {`{"novel":{"a":[1,2,{"b":null}]},` + calm + `}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := newCluster(t, Options{Jitter: exact})
				defer cluster.start()()
				cluster.set("a", func(context.Context) (string, error) { return `{` + calm + `}`, nil })
				cluster.p.Watch(named("a"), at("a", "pod", ""))
				cluster.expect("first", "a", 1, 1)
				cluster.set("a", func(context.Context) (string, error) { return c.answer, nil })
				time.Sleep(41 * time.Second)
				cluster.expect("then", "a", 2, c.news)
			})
		})
	}
}

// Figures are news when they differ enough and what is published is a minute old.
func TestProberFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact, Significant: func(f v1alpha1.Figures, r Report) bool { return f.Clients != r.Clients }})
		defer c.start()()
		c.says("a", "h", 10, "following")
		target := at("a", "pod", "h")
		target.Published = &v1alpha1.Figures{Clients: 10, ObservedTime: metav1.Now()}
		c.p.Watch(named("a"), target)
		c.expect("first", "a", 1, 1)
		c.says("a", "h", 20, "following")
		time.Sleep(59 * time.Second)
		c.expect("too soon", "a", 2, 0)
		time.Sleep(time.Second + time.Millisecond)
		c.expect("a minute old", "a", 1, 1)
		time.Sleep(5 * time.Second)
		target.Published = &v1alpha1.Figures{Clients: 10, ObservedTime: metav1.Now()}
		c.p.Watch(named("a"), target)
		time.Sleep(59 * time.Second)
		c.expect("too soon again", "a", 3, 0)
		time.Sleep(time.Second + time.Millisecond)
		c.expect("exactly when the minute is over", "a", 1, 1)
		target.Published = &v1alpha1.Figures{Clients: 10, ObservedTime: metav1.NewTime(time.Now().Add(time.Hour))}
		c.p.Watch(named("a"), target)
		time.Sleep(20 * time.Second)
		c.expect("of the future", "a", 1, 1)
		target.Published = &v1alpha1.Figures{Clients: 20, ObservedTime: metav1.Now()}
		c.p.Watch(named("a"), target)
		time.Sleep(3*time.Minute + time.Second)
		c.expect("published", "a", 9, 0)
	})
}

// Pods that hang delay no other, as long as there are fewer than workers; and never are more asked at a time.
func TestProberSlowPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact, Workers: 4})
		defer c.start()()
		for i := range 3 {
			host := fmt.Sprintf("slow%d", i)
			c.hangs(host)
			c.p.Watch(named(host), at(host, "pod", "h"))
		}
		c.says("good", "h", 1, "following")
		c.p.Watch(named("good"), at("good", "pod", "h"))
		c.expect("at once", "good", 1, 1)
		time.Sleep(time.Minute + time.Second)
		c.expect("at its pace", "good", 3, 0)
		if r := c.report("slow0", "pod"); !errors.Is(r.Err, TimedOut) {
			t.Errorf("%+v", r)
		}
		if c.most != 3 { // one was good before the others were asked
			t.Errorf("%d pods were asked at a time, want 3", c.most)
		}
	})
}

// Five hundred pods are asked at a steady pace, not all together.
func TestProberSpreadsQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{})
		defer c.start()()
		const pods = 500
		for i := range pods {
			host := fmt.Sprintf("pod%d", i)
			c.says(host, "h", 1, "following")
			c.p.Watch(named(host), at(host, "pod", "h"))
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		bySecond, all := map[int64]int{}, 0
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, times := range c.asked {
			all += len(times)
			for _, at := range times[len(times)-3:] {
				bySecond[at.Unix()]++
			}
			if gap := times[2].Sub(times[1]); gap < 18*time.Second || gap > 22*time.Second {
				t.Fatalf("asked again after %s", gap)
			}
		}
		if all < pods*28 || all > pods*33 {
			t.Errorf("%d questions in ten minutes", all)
		}
		busiest := 0
		for _, n := range bySecond {
			busiest = max(busiest, n)
		}
		if busiest > pods/4 {
			t.Errorf("%d of %d pods were asked in one second", busiest, pods)
		}
	})
}

// A prober that ends leaves nobody waiting, asks nobody any more, and can be called still.
func TestProberEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact})
		c.says("early", "h", 1)
		c.p.Watch(named("early"), at("early", "pod", ""))
		c.expect("before the start", "early", 0, 0)
		stop := c.start()
		c.expect("after it", "early", 1, 1)
		c.hangs("slow")
		c.p.Watch(named("slow"), at("slow", "pod", ""))
		time.Sleep(time.Second)
		stop()
		c.p.Watch(named("late"), at("late", "pod", ""))
		c.p.Forget(named("early"))
		c.p.Forget(named("unknown"))
		time.Sleep(time.Hour)
		c.expect("after the end", "late", 0, 0)
		if !c.p.NeedLeaderElection() {
			t.Error("every replica would ask")
		}
	})
}

// The queue gives out what is due first, whatever was added, moved and removed.
func TestQueue(t *testing.T) {
	var q queue
	now := time.Now()
	var all []*target
	for i := range 50 {
		x := &target{due: now.Add(time.Duration(i*37%50) * time.Second)}
		all = append(all, x)
		q.add(x)
		q.add(x) // once is enough
	}
	q.remove(all[7])
	q.remove(all[7])
	q.move(all[8], now.Add(time.Hour))
	q.move(all[7], now) // it is not in the queue
	var got []time.Time
	for len(q) > 0 {
		x := q[0]
		q.remove(x)
		got = append(got, x.due)
	}
	if len(got) != 49 || !slices.IsSortedFunc(got, time.Time.Compare) || !got[48].Equal(now.Add(time.Hour)) {
		t.Errorf("%d: %v", len(got), got)
	}
}
