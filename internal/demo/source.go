package demo

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

const (
	// issued is how many certificates the demo's own CA makes at the start.
	issued = 2 * testlog.NumShapes
	// varied is the rate up to which every certificate of the own CA is made anew: signing costs.
	varied = 1000.0
	// maxCopies bounds what waits to be logged in the other log too: what is beyond is in one log only.
	maxCopies = 64
	// sctListBytes is the size of two SCTs.
	sctListBytes = 240
)

// copies are entries of one log that the other is still to log: most certificates are in two logs and more.
type copies struct {
	mu                  sync.Mutex
	toClassic, toStatic queue
}

// queue is what waits to be logged in a log; copied says that its last entry was such a copy.
type queue struct {
	waiting []*testlog.Entry
	copied  bool
}

// next is by turns a copy, if one waits for this log, and something new, which then waits for the other.
func (c *copies) next(own, other *queue, source func() *testlog.Entry) *testlog.Entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if own.copied = !own.copied && len(own.waiting) > 0; own.copied {
		e := own.waiting[0]
		own.waiting = own.waiting[1:]
		return e
	}
	e := source()
	if len(other.waiting) < maxCopies {
		other.waiting = append(other.waiting, e)
	}
	return e
}

// withFinals has each precertificate followed by the certificate that a CA makes of it, as it does within a second.
func withFinals(ca *testlog.CA, source func() *testlog.Entry) func() *testlog.Entry {
	var mu sync.Mutex
	var precert *testlog.Entry
	return func() *testlog.Entry {
		mu.Lock()
		defer mu.Unlock()
		if precert != nil {
			final := ca.Final(precert, make([]byte, sctListBytes))
			precert = nil
			return final
		}
		e := source()
		if e.Precert {
			precert = e
		}
		return e
	}
}

func take(n int, source func() *testlog.Entry) []*testlog.Entry {
	entries := make([]*testlog.Entry, n)
	for i := range entries {
		entries[i] = source()
	}
	return entries
}

// readCorpus reads real entries, in the form of a data tile; none without a file.
func readCorpus(path string) ([]*testlog.Entry, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the corpus: %w", err)
	}
	entries, err := testlog.ParseTile(data, func(testlog.Hash) []byte { return nil })
	if err != nil {
		return nil, fmt.Errorf("reading the corpus %s: %w", path, err)
	}
	for _, e := range entries {
		e.Timestamp = 0 // logged now
	}
	return entries, nil
}

// mix is an endless row of entries: mostly real precertificates out of a log's tile, whose issuers are unknown; certificates of
// the demo's own CA with whole chains; and now and then one of the parser vectors, many of them malformed on purpose.
func mix(corpus []*testlog.Entry, ca *testlog.CA, rate float64) func() *testlog.Entry {
	own := withFinals(ca, ca.Source(issued))
	if rate > varied {
		own = testlog.Cycle(take(2*issued, withFinals(ca, testlog.Cycle(ca.Pool(issued)))))
	}
	var logged, vectors []*testlog.Entry
	for _, e := range corpus {
		if e.Precert {
			logged = append(logged, e)
		} else {
			vectors = append(vectors, e)
		}
	}
	if len(logged) == 0 || len(vectors) == 0 {
		return own
	}
	nextLogged, nextVector := testlog.Cycle(logged), testlog.Cycle(vectors)
	var n atomic.Uint64
	return func() *testlog.Entry {
		switch n.Add(1) % 10 {
		case 0:
			return nextVector()
		case 3, 6, 9:
			return own()
		}
		return nextLogged()
	}
}
