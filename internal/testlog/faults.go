package testlog

import (
	"math/rand/v2"
	"net/http"
	"regexp"
	"sync"
	"time"
)

// How each kind of misbehaviour that logs have been seen with is made; the numbers are the rows of the failure catalogue:
//
//	 1 TooManyRequests(""), RateLimit      2, 3 TooManyRequests("7"), with a date
//	 4 ShortRead, Options.MaxGetEntries       5 EmptyEntries
//	 6 ExtraEntry                             7 Shift
//	 8, 9 ServeOther(log.At(size))           10 Freeze
//	11 PublishHead with another root         12 BadSignature
//	13 CheckpointAs, Rewrite                 14 Corrupt
//	15 Become, SplitView, Rollback           16 Status(400) for GetConsistency
//	17 Entry.Timestamp, PublishHead          18 Options.DropPartials
//	19 Status(404) with Fault.For            20 Truncate, Trail, FlipBit
//	21 GzipUnannounced, GzipFalse, GzipDouble, GzipBomb
//	22 Shape.Filler                          23 SwapTileEntries
//	24, 26 Entry.LeafInput, Entry.ExtraData  25 Entry.DER
//	27 Entry.Issuers without Chain           28 HTML, Rewrite
//	29 Reset   30 Slow   31 Hang, Delay      33 CA.TLSConfig
//	34 Redirect   35 Forbidden               36 Status(503) with Fault.Probability
//	41 Cycle                                 42 RateLimit below the rate of Grow

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
