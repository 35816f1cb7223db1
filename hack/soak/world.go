package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// The names in certificates say which entry they are of, so that a stream of names alone can be held against the logs.
// placeholder stands for one in the certificates that entries are made from; all names are as long.
const (
	placeholder = "i0000000000.l00.wanted.test"
	wantedShare = 5 // one name in so many is below wanted.test, the others below passed.test
	oddShare    = 40
)

// truth is what a log holds at an index.
type truth struct {
	name   string // "" where the certificate has none
	wanted bool
	sum    [32]byte // SHA-256 of the certificate
	opaque bool     // no certificate can be read from the entry
}

// ref is an entry of a log.
type ref struct {
	log   int
	index uint64
}

// String names the entry in messages.
func (r ref) String() string { return fmt.Sprintf("log %d entry %d", r.log, r.index) }

// growing is a test log that grows, and the truth about it.
type growing struct {
	*testlog.Log
	id        int
	templates []*testlog.Entry
	nameless  []*testlog.Entry
	ca        *testlog.CA
	secure    bool // speaks TLS and HTTP/2
	hits      int  // requests that went wrong
	server    *testlog.Server
	address   string
	turn      sync.Mutex // held by what happens to the log

	mu    sync.Mutex
	rng   *rand.Rand
	truth []truth
}

// world is all logs.
type world struct {
	logs []*growing
	ca   *testlog.CA
}

// newWorld makes logs. What they hold depends on the seed, but for keys and signatures.
func newWorld(seed uint64, options []testlog.Options) *world {
	w := &world{ca: testlog.NewCA("Soak CA")}
	var templates, nameless []*testlog.Entry
	for i := range 24 {
		shape := testlog.Shape{Precert: i%3 != 0, DNS: []string{placeholder}}
		if i%2 == 0 {
			shape.Subject = pkix.Name{CommonName: placeholder}
		}
		if i == 23 {
			shape.Filler = 64 << 10
		}
		templates = append(templates, w.ca.Issue(shape))
		nameless = append(nameless, w.ca.Issue(testlog.Shape{Precert: i%2 == 0, Subject: pkix.Name{CommonName: "No host"}}))
	}
	for i, o := range options {
		w.logs = append(w.logs, &growing{Log: testlog.New(o), id: i, templates: templates, nameless: nameless, ca: w.ca,
			rng: rand.New(rand.NewPCG(seed, uint64(i)))})
	}
	return w
}

// serve listens for each log on a port of its own.
func (w *world) serve() error {
	for _, l := range w.logs {
		l.address = "127.0.0.1:0"
		if err := l.listen(0); err != nil {
			return err
		}
		u, err := url.Parse(l.server.URL)
		if err != nil {
			return err
		}
		l.address = u.Host
	}
	return nil
}

// listen begins to serve; a lifetime below zero makes the TLS certificate one that has expired.
func (l *growing) listen(lifetime time.Duration) error {
	var config *tls.Config
	if l.secure {
		config = l.ca.TLSConfig(lifetime, "127.0.0.1")
	}
	server, err := testlog.Serve(l.address, config, l.Log)
	if err != nil {
		return err
	}
	l.server = server
	return nil
}

func (w *world) close() {
	for _, l := range w.logs {
		if l.server != nil {
			l.server.Close()
		}
	}
}

// list is the log list.
func (w *world) list() []byte {
	var logs []*testlog.Log
	for _, l := range w.logs {
		logs = append(logs, l.Log)
	}
	return testlog.LogList(logs...)
}

// grow lets all logs grow until ctx ends.
func (w *world) grow(ctx context.Context, perSecond float64) {
	var wait sync.WaitGroup
	for _, l := range w.logs {
		wait.Go(func() {
			begin, done := time.Now(), 0
			for pause(ctx, 100*time.Millisecond) {
				due := int(perSecond * time.Since(begin).Seconds())
				l.add(due - done)
				done = due
			}
		})
	}
	wait.Wait()
}

// add appends n entries and publishes them.
func (l *growing) add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		e, t := l.next(uint64(len(l.truth)))
		l.truth = append(l.truth, t) // before anybody can be sent it
		l.Append(e)
	}
	l.Publish()
}

// appendOdd appends an entry without a name.
func (l *growing) appendOdd(e *testlog.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.truth = append(l.truth, truth{sum: sha256.Sum256(e.DER)})
	l.Append(e)
	l.Publish()
}

// next makes the entry of an index. Most have a name; the others are what logs hold that fits no mould (rows 17, 24, 25, 26, 41 of
// the failure catalogue).
func (l *growing) next(index uint64) (*testlog.Entry, truth) {
	if l.rng.IntN(oddShare) == 0 {
		return l.odd(index)
	}
	t := truth{wanted: l.rng.IntN(wantedShare) == 0}
	t.name = fmt.Sprintf("i%010d.l%02d.passed.test", index, l.id)
	if t.wanted {
		t.name = fmt.Sprintf("i%010d.l%02d.wanted.test", index, l.id)
	}
	e := *l.templates[l.rng.IntN(len(l.templates))]
	e.DER = bytes.ReplaceAll(e.DER, []byte(placeholder), []byte(t.name))
	e.TBS = bytes.ReplaceAll(e.TBS, []byte(placeholder), []byte(t.name))
	for i := len(e.DER) - 60; i < len(e.DER); i++ { // the signature: nobody checks it, but it compresses as a real one does
		e.DER[i] = byte(l.rng.Uint32())
	}
	t.sum = sha256.Sum256(e.DER)
	return &e, t
}

func (l *growing) odd(index uint64) (*testlog.Entry, truth) {
	e := *l.nameless[l.rng.IntN(len(l.nameless))]
	switch l.rng.IntN(5) {
	case 0: // the same certificate once more
	case 1:
		e.Timestamp = []uint64{1, uint64(time.Now().Unix()), 1 << 62}[l.rng.IntN(3)]
	case 2:
		e = testlog.Entry{DER: fmt.Appendf(nil, "not a certificate %d", index), Chain: e.Chain}
	case 3:
		e.Chain = nil
	case 4:
		if l.Static() {
			break
		}
		e.LeafInput = fmt.Appendf(nil, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x07of a type that nobody knows: %d", index)
		return &e, truth{opaque: true}
	}
	return &e, truth{sum: sha256.Sum256(e.DER)}
}

// at is the truth about an entry.
func (l *growing) at(index uint64) (truth, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if index >= uint64(len(l.truth)) {
		return truth{}, false
	}
	return l.truth[index], true
}

// find reads a name of a certificate back.
func (w *world) find(name string) (ref, bool) {
	var r ref
	var zone string
	if n, err := fmt.Sscanf(name, "i%d.l%d.%s", &r.index, &r.log, &zone); err != nil || n != 3 || r.log >= len(w.logs) {
		return r, false
	}
	t, ok := w.logs[r.log].at(r.index)
	return r, ok && t.name == name
}

// entries counts those of all logs.
func (w *world) entries() (n uint64) {
	for _, l := range w.logs {
		n += l.Size()
	}
	return n
}

// pause waits; it says whether the time passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
