package filter

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Options bound all filters of a process together; all are live settings. A zero number means its default.
type Options struct {
	// Classes is the number of distinct filters; default 20,000.
	Classes int
	// Values is the number of expressions and suffixes of all classes together, those that need the regular expression engine
	// counted by their instructions; default 200,000.
	Values int
	// RegexpClasses is the number of classes with expressions that need the regular expression engine; default 1,000.
	RegexpClasses int
	// RegexpBudget is the share of a core that the regular expressions of all classes may take. With 0 there are none.
	RegexpBudget float64
	// MemoryBytes bounds what deduplication remembers; default 32 MiB.
	MemoryBytes int
}

// DefaultOptions are those that hold where nothing else is configured.
func DefaultOptions() Options {
	return Options{Classes: 20000, Values: 200000, RegexpClasses: 1000, RegexpBudget: 0.25, MemoryBytes: DefaultMemory}
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	for _, field := range []struct{ have, want *int }{
		{&o.Classes, &d.Classes}, {&o.Values, &d.Values}, {&o.RegexpClasses, &d.RegexpClasses}, {&o.MemoryBytes, &d.MemoryBytes},
	} {
		if *field.have <= 0 {
			*field.have = *field.want
		}
	}
	return o
}

// OverloadError says that the server takes no more filters of this kind for now: the client gets it as a 503.
type OverloadError struct {
	// Budget says that it is the processor time of regular expressions that is used up, else it is a number of filters.
	Budget bool
	// Reason is for the client.
	Reason string
}

// Error is the text for the client.
func (e *OverloadError) Error() string { return e.Reason }

// Class is a filter in use: all clients with equal filters share it.
type Class struct {
	filter *Filter
	slot   int
	users  int

	// Of a class with deduplication: its number in the memory, how many notes are its own, which the memory guards, and the
	// offset that the last of its clients began at.
	number uint32
	noted  int
	floor  atomic.Uint64
}

// Filter is the class's filter.
func (c *Class) Filter() *Filter { return c.filter }

// Key is the filter's key.
func (c *Class) Key() string { return c.filter.key }

// Set holds the classes in use and evaluates all of them at once. Its methods are safe for concurrent use.
type Set struct {
	memory  *Memory
	meter   meter
	sampler sampler
	matches sync.Pool // of *match

	mu      sync.RWMutex
	options Options
	classes map[string]*Class
	index   *index
	values  int
	regexps int // classes with regular expressions
	pending pending
}

// NewSet makes an empty set.
func NewSet(options Options) *Set {
	options = options.withDefaults()
	return &Set{options: options, classes: map[string]*Class{}, index: newIndex(), memory: newMemory(options.MemoryBytes)}
}

// Memory is what deduplication remembers.
func (s *Set) Memory() *Memory { return s.memory }

// Update sets new bounds. Classes in use stay, even beyond them.
func (s *Set) Update(options Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options = options.withDefaults()
	s.memory.resize(s.options.MemoryBytes)
}

// Add registers a user of a filter and returns its class: the same one for equal filters, until each of its users has called
// Remove. f must not be nil. The error is an *OverloadError.
func (s *Set) Add(f *Filter) (*Class, error) {
	load := 0.0
	if f.regexps > 0 && !s.has(f) {
		load = s.estimate(f)
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.classes[f.key]; c != nil {
		c.users++
		return c, nil
	}
	if err := s.admit(f, now, load); err != nil {
		return nil, err
	}
	c := &Class{filter: f, users: 1}
	s.classes[f.key] = c
	s.index.add(c)
	if f.dedup {
		s.memory.open(c)
	}
	s.values += f.size()
	if f.regexps > 0 {
		s.regexps++
		s.pending.add(c, now, load)
	}
	return c, nil
}

func (s *Set) has(f *Filter) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.classes[f.key] != nil
}

// estimate is the share of a core that a filter's regular expressions will take.
func (s *Set) estimate(f *Filter) float64 {
	rate, _ := s.meter.read(time.Now())
	return costPerRecord(f.regexpsOnly(), s.sampler.samples()).Seconds() * max(rate, minRate)
}

// maxShare keeps one filter from taking more than this part of the budget from all others.
const maxShare = 4

// admit says why a new class cannot be had.
func (s *Set) admit(f *Filter, now time.Time, load float64) error {
	o := s.options
	switch {
	case len(s.classes) >= o.Classes:
		return &OverloadError{Reason: fmt.Sprintf("the server has %d different filters already, its limit; try again later", o.Classes)}
	case s.values+f.size() > o.Values:
		return &OverloadError{Reason: fmt.Sprintf("the server's filters hold %d values already; try fewer, or later", s.values)}
	case f.regexps == 0:
		return nil
	case s.regexps >= o.RegexpClasses:
		return &OverloadError{Reason: fmt.Sprintf("the server has %d filters with regular expressions already, its limit; "+
			"use suffix= or plain text, or try again later", o.RegexpClasses)}
	}
	return s.admitLoad(now, load)
}

// admitLoad says why the budget is not enough for a class with regular expressions.
func (s *Set) admitLoad(now time.Time, load float64) error {
	budget := s.options.RegexpBudget
	_, busy := s.meter.read(now)
	switch {
	case budget <= 0:
		return &OverloadError{Budget: true, Reason: "the server takes no regular expressions; use suffix= or plain text"}
	case load > budget/maxShare:
		return &OverloadError{Budget: true, Reason: "this filter's regular expressions alone would take too much of the processor; " +
			"put plain text into them, use suffix=, or split them"}
	case busy+s.pending.sum(now)+load > budget:
		return &OverloadError{Budget: true, Reason: fmt.Sprintf("regular expressions have used up their budget of %g of a "+
			"processor core; use suffix= or plain text, or try again later", budget)}
	}
	return nil
}

// Remove ends one use of a class.
func (s *Set) Remove(c *Class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.users--; c.users > 0 {
		return
	}
	delete(s.classes, c.filter.key)
	s.index.remove(c)
	if c.filter.dedup {
		s.memory.close(c)
	}
	s.values -= c.filter.size()
	if c.filter.regexps > 0 {
		s.regexps--
		s.pending.remove(c)
	}
}

// Match adds the classes that match a record to dst, in no order. It evaluates each pattern at most once for each text.
func (s *Set) Match(record *Subject, dst []*Class) []*Class {
	m, _ := s.matches.Get().(*match)
	if m == nil {
		m = &match{}
	}
	defer s.matches.Put(m)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.classes) == 0 {
		return dst
	}
	busy := m.run(s.index, record)
	s.meter.add(time.Now(), busy)
	s.sampler.offer(record)
	return m.appendMatching(dst)
}

// Stats is what a set holds.
type Stats struct {
	// Classes is the number of distinct filters, RegexpClasses that of those with regular expressions; Values is as in Options.
	Classes       int `json:"classes"`
	RegexpClasses int `json:"regexp_classes"`
	Values        int `json:"values"`
	// RegexpLoad is the share of a core that regular expressions took over the last ten seconds, RegexpBudget what they may;
	// RegexpSeconds is their time since the start.
	RegexpLoad    float64 `json:"regexp_load"`
	RegexpBudget  float64 `json:"regexp_budget"`
	RegexpSeconds float64 `json:"regexp_seconds"`
	// Dedup is deduplication.
	Dedup MemoryStats `json:"dedup"`
}

// Stats returns the present figures.
func (s *Set) Stats() Stats {
	_, load := s.meter.read(time.Now())
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Stats{
		Classes: len(s.classes), RegexpClasses: s.regexps, Values: s.values,
		RegexpLoad: load, RegexpBudget: s.options.RegexpBudget, RegexpSeconds: s.meter.total().Seconds(),
		Dedup: s.memory.Stats(),
	}
}
