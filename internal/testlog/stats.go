package testlog

import (
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// Stats count what a log was asked, so that a test can assert politeness.
type Stats struct {
	mu             sync.Mutex
	kinds          map[string]KindStats
	paths          map[string]int
	inFlight, most int
	anonymous      int
	unpacked       int
}

// KindStats are the counts of one kind of request.
type KindStats struct {
	// Requests were made, Errors answered with a status of 400 or more, Bytes sent as bodies.
	Requests, Errors int
	Bytes            int64
	// Entries were in the answers.
	Entries uint64
}

// Kind gives the counts of one kind of request.
func (s *Stats) Kind(kind string) KindStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kinds[kind]
}

// AtOnce is the greatest number of requests that were being answered at the same time.
func (s *Stats) AtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// Rude counts requests without a contact in their User-Agent, as Skylight tells them, and those that did not accept gzip.
func (s *Stats) Rude() (anonymous, unpacked int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.anonymous, s.unpacked
}

// Total is the number of all requests.
func (s *Stats) Total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, k := range s.kinds {
		n += k.Requests
	}
	return n
}

// Path is how often a path with its query ("/tile/data/000", "/ct/v1/get-entries?start=0&end=255") was asked for.
func (s *Stats) Path(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.paths[path]
}

// Repeated gives the paths of a kind that were asked for more than once, with their counts.
func (s *Stats) Repeated(of string) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for path, n := range s.paths {
		if n > 1 && kind(trimQuery(path)) == of {
			out[path] = n
		}
	}
	return out
}

// Reset forgets all counts.
func (s *Stats) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kinds, s.paths, s.most, s.anonymous, s.unpacked = nil, nil, s.inFlight, 0, 0
}

func trimQuery(path string) string {
	for i := range path {
		if path[i] == '?' {
			path = path[:i]
			break
		}
	}
	if path != "" && path[0] == '/' {
		path = path[1:]
	}
	return path
}

// maxPaths bounds the counted paths, for logs that run for days.
const maxPaths = 100_000

// begin counts a request as it comes in, end what was answered.
func (s *Stats) begin(kind string, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kinds == nil {
		s.kinds, s.paths = map[string]KindStats{}, map[string]int{}
	}
	k := s.kinds[kind]
	k.Requests++
	s.kinds[kind] = k
	s.inFlight++
	s.most = max(s.most, s.inFlight)
	if !contact.MatchString(r.UserAgent()) {
		s.anonymous++
	}
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		s.unpacked++
	}
	if path := r.URL.RequestURI(); len(s.paths) < maxPaths || s.paths[path] > 0 {
		s.paths[path]++
	}
}

func (s *Stats) end(kind string, w *countingWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	k, ok := s.kinds[kind]
	if !ok {
		return // Reset since
	}
	k.Bytes += w.bytes
	if w.status >= 400 {
		k.Errors++
	}
	s.kinds[kind] = k
}

// contact is what Skylight takes for one.
var contact = regexp.MustCompile(`@|https://|github\.com/`)

// served counts entries in an answer.
func (s *Stats) served(kind string, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.kinds[kind]; ok {
		k.Entries += n
		s.kinds[kind] = k
	}
}

// countingWriter notes what is answered.
type countingWriter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
