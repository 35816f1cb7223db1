package follow

import (
	"sync"
	"time"
)

// liveSeconds is the span over which the live rate is the mean.
const liveSeconds = 60

// catchUp limits the entries of all backlogs together, so that a recovery after an outage pushes no live client out of its
// window. Entries of followers at their head are only counted: their rate is what the limit follows.
type catchUp struct {
	mu      sync.Mutex
	tokens  float64
	filled  time.Time
	seconds [liveSeconds]struct {
		unix    int64
		entries int
	}
}

// live counts entries emitted by a follower at its head.
func (c *catchUp) live(entries int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now().Unix()
	s := &c.seconds[now%liveSeconds]
	if s.unix != now {
		s.unix, s.entries = now, 0
	}
	s.entries += entries
}

// rate is the limit in entries per second.
func (c *catchUp) rate(s *Settings) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limit(s, time.Now())
}

func (c *catchUp) limit(s *Settings, now time.Time) float64 {
	if s.CatchUpRate > 0 {
		return s.CatchUpRate
	}
	sum := 0
	for _, second := range c.seconds {
		if now.Unix()-second.unix < liveSeconds {
			sum += second.entries
		}
	}
	return max(s.CatchUpFactor*float64(sum)/liveSeconds, s.CatchUpMin)
}

// take asks for n entries of a backlog: 0 when they may be read now, else how long to wait before asking again. The bucket may
// go into debt, so that a page of any size gets through and pays afterwards.
func (c *catchUp) take(s *Settings, n uint64) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	rate := c.limit(s, now)
	c.tokens = min(c.tokens+now.Sub(c.filled).Seconds()*rate, rate/10)
	c.filled = now
	if c.tokens < 0 {
		return min(time.Duration(-c.tokens/rate*float64(time.Second))+time.Millisecond, time.Second)
	}
	c.tokens -= float64(n)
	return 0
}

// giveBack returns what was taken for entries that the log did not deliver.
func (c *catchUp) giveBack(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens += float64(n)
}
