package access

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	tableShards = 64
	// maxIdle is how many addresses without a connection a shard remembers, for the sake of their rate.
	maxIdle = 1024
)

// table remembers addresses: their connections, regular expressions and rate. Its size is bounded: by the connections there
// are, plus maxIdle a shard.
type table struct {
	seed   maphash.Seed
	shards [tableShards]shard
}

type shard struct {
	mu      sync.Mutex
	entries map[netip.Addr]*entry
	idle    int
}

type entry struct {
	connections int
	// regexps counts the connections by filter class with regular expressions.
	regexps map[uint64]int
	// tokens is what the bucket held at the time filled; the time is zero before the first use.
	tokens float64
	filled time.Time
}

func newTable() *table {
	t := &table{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].entries = map[netip.Addr]*entry{}
	}
	return t
}

func (t *table) shard(key netip.Addr) *shard {
	return &t.shards[maphash.Comparable(t.seed, key)%tableShards]
}

// entry returns the key's entry, made if need be. The shard is locked.
func (s *shard) entry(key netip.Addr) *entry {
	e := s.entries[key]
	if e == nil {
		if s.idle >= maxIdle {
			s.forgetOne()
		}
		e = &entry{}
		s.entries[key] = e
		s.idle++
	}
	return e
}

// forgetOne drops an entry without connections: any, since maps are walked in random order.
func (s *shard) forgetOne() {
	for key, e := range s.entries {
		if e.connections == 0 {
			delete(s.entries, key)
			s.idle--
			return
		}
	}
}

// rate is a token bucket's setting; perSecond 0 is no limit.
type rate struct {
	perSecond float64
	burst     float64
}

// take takes a token out of the key's bucket, or says how long until there is one.
func (t *table) take(key netip.Addr, r rate, now time.Time) (wait time.Duration, ok bool) {
	if r.perSecond <= 0 {
		return 0, true
	}
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(key)
	if e.filled.IsZero() {
		e.tokens = r.burst
	} else if passed := now.Sub(e.filled); passed > 0 {
		e.tokens += passed.Seconds() * r.perSecond
	}
	e.tokens, e.filled = min(e.tokens, r.burst), now
	if e.tokens < 1 {
		return time.Duration((1 - e.tokens) / r.perSecond * float64(time.Second)), false
	}
	e.tokens--
	return 0, true
}

// enter counts a connection of the key, unless the limit is reached; a limit of 0 is none.
func (t *table) enter(key netip.Addr, limit int) bool {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(key)
	if limit > 0 && e.connections >= limit {
		return false
	}
	if e.connections == 0 {
		s.idle--
	}
	e.connections++
	return true
}

// claim counts a filter class of a connection of the key, unless it is a new one and the limit is reached; 0 is none.
func (t *table) claim(key netip.Addr, class uint64, limit int) bool {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entry(key)
	if e.regexps[class] == 0 && limit > 0 && len(e.regexps) >= limit {
		return false
	}
	if e.regexps == nil {
		e.regexps = map[uint64]int{}
	}
	e.regexps[class]++
	return true
}

// leave takes back what enter and, unless class is 0, claim counted.
func (t *table) leave(key netip.Addr, class uint64) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil {
		return
	}
	if class != 0 {
		if e.regexps[class]--; e.regexps[class] <= 0 {
			delete(e.regexps, class)
		}
	}
	if e.connections--; e.connections > 0 {
		return
	}
	s.idle++
	if e.filled.IsZero() || s.idle > maxIdle {
		delete(s.entries, key)
		s.idle--
	}
}

// size is the number of addresses remembered.
func (t *table) size() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.entries)
		s.mu.Unlock()
	}
	return n
}
