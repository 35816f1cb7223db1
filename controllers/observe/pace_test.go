package observe

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// Hundreds of pods that hang, all awaited, delay none that answers or is new.
func TestProberStarvation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact})
		defer c.start()()
		hang := func(i int) {
			host := fmt.Sprintf("hangs%d", i)
			c.hangs(host)
			c.p.Watch(named(host), at(host, "pod", "h"))
		}
		for i := range 500 {
			hang(i)
		}
		time.Sleep(10 * time.Second) // 64 at a time are given up the first time
		c.says("good", "old", 1, "following")
		c.p.Watch(named("good"), at("good", "pod", "old"))
		time.Sleep(time.Second)
		c.expect("new", "good", 1, 1)
		time.Sleep(time.Minute)
		c.expect("at its pace", "good", 3, 0)
		for i := range 500 {
			host := fmt.Sprintf("hangs%d", i)
			c.p.Watch(named(host), at(host, "pod", "another"))
		}
		c.says("good", "new", 1, "following")
		c.p.Watch(named("good"), at("good", "pod", "new"))
		time.Sleep(time.Second)
		c.expect("another configuration", "good", 1, 1)
		if c.p.asking > c.p.options.Workers/2 {
			t.Errorf("%d of those that failed are asked at a time", c.p.asking)
		}
	})
}

// A pod that refuses connections while it starts is asked every second at least.
func TestProberAwaitsTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact})
		defer c.start()()
		c.fails("a", syscall.ECONNREFUSED)
		c.p.Watch(named("a"), at("a", "pod", "h"))
		time.Sleep(30 * time.Second)
		c.says("a", "h", 1, "following")
		time.Sleep(time.Second)
		if r := c.report("a", "pod"); r.Err != nil || r.ConfigHash != "h" {
			t.Errorf("%+v", r)
		}
		synctest.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		if n := len(c.asked["a"]); n < 30 || n > 35 {
			t.Errorf("asked %d times in 31 s", n)
		}
	})
}

// A streamer that has just started is asked again when its figures mean something, and that they do is news.
func TestProberSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, Options{Jitter: exact})
		defer c.start()()
		began := time.Now()
		c.set("a", func(context.Context) (string, error) {
			return fmt.Sprintf(`{"version":"1","config":{"hash":"h"},"uptime_seconds":%g,"logs":[{}]}`, 3+time.Since(began).Seconds()), nil
		})
		c.p.Watch(named("a"), at("a", "pod", "h"))
		c.expect("at once", "a", 1, 1)
		time.Sleep(6900 * time.Millisecond)
		c.expect("settling", "a", 0, 0)
		time.Sleep(200 * time.Millisecond)
		c.expect("settled", "a", 1, 1)
		time.Sleep(20 * time.Second)
		c.expect("from then on", "a", 1, 0)
	})
}
