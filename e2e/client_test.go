//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// reader is a client of a stream that keeps account of what it got.
type reader struct {
	t    *testing.T
	name string

	mu         sync.Mutex
	seen       map[string]map[uint64]int // by log and index
	messages   int
	gaps       int     // told
	lost       []error // connections
	last       time.Time
	longest    time.Duration // time without a message
	firstEvent chan struct{}
}

// read connects a client that reads until the test ends. It reconnects and resumes by itself.
func read(t *testing.T, o client.Options) *reader {
	t.Helper()
	o.Stream, o.MinBackoff, o.MaxBackoff = client.Lite, 50*time.Millisecond, time.Second
	c, err := client.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, name: o.URL, seen: map[string]map[uint64]int{}, firstEvent: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for message, err := range c.Messages(ctx) {
			if err == nil {
				err = r.note(message)
			}
			if err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", r.name, err)
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return r
}

// note keeps account of a message. Of a certificate it reads no more than it needs: many clients share the machine with the rest.
func (r *reader) note(m client.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if lost := m.Reconnecting(); lost != nil {
		r.lost = append(r.lost, lost.Err)
		return nil
	}
	switch m.Type {
	case "certificate_update":
		var certificate struct {
			Index  uint64 `json:"cert_index"`
			Source struct {
				Name string `json:"name"`
			} `json:"source"`
		}
		if err := json.Unmarshal(m.Data, &certificate); err != nil {
			return err
		}
		r.count(certificate.Source.Name, certificate.Index)
	case "gap":
		r.gaps++
	}
	return nil
}

func (r *reader) count(log string, index uint64) {
	if r.seen[log] == nil {
		r.seen[log] = map[uint64]int{}
	}
	r.seen[log][index]++
	now := time.Now()
	if r.messages == 0 {
		close(r.firstEvent)
	} else {
		r.longest = max(r.longest, now.Sub(r.last))
	}
	r.messages, r.last = r.messages+1, now
}

// first waits for the first certificate.
func (r *reader) first() {
	r.t.Helper()
	select {
	case <-r.firstEvent:
	case <-time.After(time.Minute):
		r.t.Fatalf("%s: no certificate within a minute", r.name)
	}
}

// account is what a client got, summed up.
type account struct {
	messages, missing, repeated, gaps, lost int
	longest                                 time.Duration
}

// account sums up: missing are indices between the first and the last of a log that did not come.
func (r *reader) account() account {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := account{messages: r.messages, gaps: r.gaps, lost: len(r.lost), longest: r.longest}
	for _, indices := range r.seen {
		low, high := ^uint64(0), uint64(0)
		for index, times := range indices {
			low, high = min(low, index), max(high, index)
			a.repeated += times - 1
		}
		a.missing += int(high-low) + 1 - len(indices)
	}
	return a
}

// reaches waits until the clients have got entries of every log up to its present size.
func reaches(t *testing.T, readers []*reader) {
	t.Helper()
	want, err := sizes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readers {
		r.reaches(t, want)
	}
}

func (r *reader) reaches(t *testing.T, want map[string]uint64) {
	t.Helper()
	eventually(t, 2*time.Minute, "reaching the logs' heads", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		for name, size := range want {
			if _, there := r.seen[name][size-1]; !there {
				return &missingEntry{log: name, index: size - 1}
			}
		}
		return nil
	})
}

type missingEntry struct {
	log   string
	index uint64
}

func (e *missingEntry) Error() string { return "entry of " + e.log + " did not come" }

// crowd is clients of all protocols.
func (s *stream) crowd(t *testing.T, each int) []*reader {
	t.Helper()
	var readers []*reader
	for range each {
		readers = append(readers,
			read(t, client.Options{URL: "ws://" + s.host() + ":8080"}),
			read(t, client.Options{URL: "http://" + s.host() + ":8080"}),
			read(t, client.Options{URL: "tcp://" + s.host() + ":8081"}))
	}
	refused := 0
	for _, r := range readers {
		r.first()
		// Where the pod is ready the node's own rules for the Service may follow a moment later.
		r.mu.Lock()
		refused += len(r.lost)
		r.lost = nil
		r.mu.Unlock()
	}
	if refused > 0 {
		t.Logf("%d attempts of %d clients before all were in", refused, len(readers))
	}
	return readers
}

// sum adds up the accounts of clients, after each has reached the logs' present heads.
func sum(t *testing.T, readers []*reader) account {
	t.Helper()
	reaches(t, readers)
	var all account
	for _, r := range readers {
		a := r.account()
		all.messages += a.messages
		all.missing += a.missing
		all.repeated += a.repeated
		all.gaps += a.gaps
		all.lost += a.lost
		all.longest = max(all.longest, a.longest)
	}
	return all
}

// probe opens connections to an address until it is stopped, and then tells the longest time in which none was accepted, and how
// many were not.
func probe(t *testing.T, address string) (stop func() (longest time.Duration, refused int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var longest time.Duration
	refused := 0
	var done sync.WaitGroup
	done.Go(func() {
		last := time.Now()
		for ctx.Err() == nil {
			dialer := net.Dialer{Timeout: time.Second}
			conn, err := dialer.DialContext(ctx, "tcp", address)
			switch {
			case err == nil:
				conn.Close()
				longest, last = max(longest, time.Since(last)), time.Now()
			case ctx.Err() == nil:
				refused++
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	t.Cleanup(func() { cancel(); done.Wait() })
	return func() (time.Duration, int) {
		cancel()
		done.Wait()
		return longest, refused
	}
}
