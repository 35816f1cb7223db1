package testlog

import (
	"math/rand/v2"
	"net/http"
	"regexp"
	"sync"
	"time"
)

// Action answers a request in some wrong way; next answers it rightly.
type Action func(w http.ResponseWriter, r *http.Request, next http.Handler)

// Fault says which requests go wrong, and how.
type Fault struct {
	// Kind is the kind of request (GetSTH, DataTile, …); empty for all. Path narrows it down, on path and query.
	Kind string
	Path *regexp.Regexp
	// Skip lets the first matching requests pass; Times bounds how many go wrong (0: no bound); Every lets only each n-th go
	// wrong; For ends the fault so long after Add; Probability, when set, is the chance of each request to go wrong.
	Skip, Times, Every int
	For                time.Duration
	Probability        float64
	// Do is what happens.
	Do Action
}

// Active is a fault that has been added.
type Active struct {
	fault  Fault
	faults *Faults
	since  time.Time
	seen   int
	hits   int
}

// Hits is how many requests went wrong by it.
func (a *Active) Hits() int {
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	return a.hits
}

// Remove ends it.
func (a *Active) Remove() {
	a.faults.mu.Lock()
	defer a.faults.mu.Unlock()
	for i, other := range a.faults.active {
		if other == a {
			a.faults.active = append(a.faults.active[:i:i], a.faults.active[i+1:]...)
			return
		}
	}
}

// Faults are the faults of a log. The first that matches a request has it.
type Faults struct {
	mu     sync.Mutex
	active []*Active
}

// Add makes a fault active.
func (f *Faults) Add(fault Fault) *Active {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &Active{fault: fault, faults: f, since: time.Now()}
	f.active = append(f.active, a)
	return a
}

// Clear ends all faults.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.active = nil
}

func (f *Faults) serve(kind string, w http.ResponseWriter, r *http.Request, next http.Handler) {
	if do := f.pick(kind, r); do != nil {
		do(w, r, next)
		return
	}
	next.ServeHTTP(w, r)
}

func (f *Faults) pick(kind string, r *http.Request) Action {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.active {
		if a.matches(kind, r) && a.strikes() {
			a.hits++
			return a.fault.Do
		}
	}
	return nil
}

func (a *Active) matches(kind string, r *http.Request) bool {
	return (a.fault.Kind == "" || a.fault.Kind == kind) &&
		(a.fault.Path == nil || a.fault.Path.MatchString(r.URL.RequestURI())) &&
		(a.fault.For == 0 || time.Since(a.since) < a.fault.For)
}

func (a *Active) strikes() bool {
	a.seen++
	switch f := a.fault; {
	case a.seen <= f.Skip, f.Times > 0 && a.hits >= f.Times:
		return false
	case f.Every > 1 && (a.seen-f.Skip)%f.Every != 0:
		return false
	case f.Probability > 0:
		return rand.Float64() < f.Probability
	}
	return true
}
