package follow

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// fakeLog is a log without a network: entry i has the certificate and the leaf that content says.
type fakeLog struct {
	page    uint64
	latency time.Duration

	mu       sync.Mutex
	hooks    ctlog.Hooks
	size     uint64
	changed  map[uint64]byte                          // entries served with another content
	fail     func(op string, start, end uint64) error // what goes wrong
	noProofs bool
	proofs   int
	served   []uint64 // starts of the ranges served
	heads    int
	inFlight int
	most     int
}

func (l *fakeLog) set(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn()
}

// counts is how often a head, a range, a proof has been asked for.
func (l *fakeLog) counts() (heads, ranges, proofs int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.heads, len(l.served), l.proofs
}

func content(i uint64, variant byte) []byte {
	return append(binary.BigEndian.AppendUint64(nil, i), variant)
}

// frontier is the true one of a size.
func (l *fakeLog) frontier(size uint64) *ctlog.Frontier {
	fakeTree.Lock()
	defer fakeTree.Unlock()
	best := &ctlog.Frontier{}
	for at, f := range fakeTree.sizes {
		if at <= size && at > best.Size {
			best = f
		}
	}
	f := best.Clone()
	for f.Size < size {
		f.Append(ctlog.LeafHash(content(f.Size, 0)))
	}
	fakeTree.sizes[size] = f.Clone()
	return f
}

// fakeTree remembers frontiers; all fake logs hold the same entries.
var fakeTree = struct {
	sync.Mutex
	sizes map[uint64]*ctlog.Frontier
}{sizes: map[uint64]*ctlog.Frontier{}}

func (l *fakeLog) request(ctx context.Context, op string, start, end uint64) error {
	if err := l.hooks.Before(ctx, ctlog.Request{What: op}); err != nil {
		return err
	}
	l.mu.Lock()
	l.inFlight++
	l.most = max(l.most, l.inFlight)
	var err error
	if l.fail != nil {
		err = l.fail(op, start, end)
	}
	latency := l.latency
	l.mu.Unlock()
	if !sleep(ctx, latency) {
		err = ctx.Err()
	}
	l.mu.Lock()
	l.inFlight--
	l.mu.Unlock()
	outcome := ctlog.Outcome{Request: ctlog.Request{What: op}}
	if e, ok := err.(*ctlog.Error); ok {
		outcome.Kind, outcome.RetryAfter = e.Kind, e.RetryAfter
	}
	l.hooks.After(outcome)
	return err
}

func (l *fakeLog) Head(ctx context.Context) (ctlog.TreeHead, error) {
	if err := l.request(ctx, "head", 0, 0); err != nil {
		return ctlog.TreeHead{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heads++
	return ctlog.TreeHead{Size: l.size, Timestamp: uint64(time.Now().UnixMilli()), Root: l.frontier(l.size).Root()}, nil
}

func (l *fakeLog) Entries(ctx context.Context, _ ctlog.TreeHead, start, end uint64) (*ctlog.Batch, error) {
	if err := l.request(ctx, "entries", start, end); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.served = append(l.served, start)
	b := &ctlog.Batch{}
	for i := start; i < min(end, start+l.page); i++ {
		c := content(i, l.changed[i])
		b.Entries = append(b.Entries, ctlog.Entry{Index: i, Timestamp: 1000 * i, LeafHash: ctlog.LeafHash(c), Certificate: c})
	}
	return b, nil
}

func (l *fakeLog) Page() uint64 { return l.page }

func (l *fakeLog) Frontier(ctx context.Context, head ctlog.TreeHead) (*ctlog.Frontier, error) {
	return l.FrontierAt(ctx, head, head.Size)
}

func (l *fakeLog) FrontierAt(ctx context.Context, _ ctlog.TreeHead, size uint64) (*ctlog.Frontier, error) {
	l.mu.Lock()
	refused := l.noProofs
	l.proofs++
	l.mu.Unlock()
	if refused {
		return nil, &ctlog.Error{Kind: ctlog.NoProof, Op: "proof", Detail: "not offered"}
	}
	if err := l.request(ctx, "proof", size, 0); err != nil {
		return nil, err
	}
	return l.frontier(size), nil
}

func (l *fakeLog) Consistency(context.Context, ctlog.TreeHead, ctlog.TreeHead) ([]ctlog.Hash, error) {
	return nil, &ctlog.Error{Kind: ctlog.NoProof}
}

func (l *fakeLog) Inclusion(context.Context, ctlog.TreeHead, uint64) (ctlog.Inclusion, error) {
	return ctlog.Inclusion{}, &ctlog.Error{Kind: ctlog.NoProof}
}

func (l *fakeLog) Issuer(context.Context, ctlog.Hash) ([]byte, error) {
	return nil, &ctlog.Error{Kind: ctlog.NoProof}
}

func (l *fakeLog) Close() {}

// fakeEngine keeps what is appended.
type fakeEngine struct {
	mu      sync.Mutex
	entries []engine.Entry
	block   chan struct{} // when not nil, Append waits for it
}

func (e *fakeEngine) Append(ctx context.Context, batch []engine.Entry) (uint64, int, error) {
	if e.block != nil {
		select {
		case <-e.block:
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, entry := range batch {
		entry.Offset = uint64(len(e.entries)) + 1
		entry.DER = bytes.Clone(entry.DER)
		entry.Chain = slices.Clone(entry.Chain)
		e.entries = append(e.entries, entry)
	}
	return uint64(len(e.entries)), len(batch), nil
}

func (e *fakeEngine) Head() uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return uint64(len(e.entries))
}

// indexes of a log's entries in the order they were emitted.
func (e *fakeEngine) indexes(id engine.Fingerprint) []uint64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []uint64
	for _, entry := range e.entries {
		if entry.Source.LogID == id {
			all = append(all, entry.Index)
		}
	}
	return all
}

// fakeIssuers remembers issuers.
type fakeIssuers struct {
	mu    sync.Mutex
	known map[engine.Fingerprint][]byte
}

func (s *fakeIssuers) Intern(der []byte) engine.Fingerprint {
	s.mu.Lock()
	defer s.mu.Unlock()
	fp := engine.Fingerprint(sha256.Sum256(der))
	if s.known == nil {
		s.known = map[engine.Fingerprint][]byte{}
	}
	s.known[fp] = bytes.Clone(der)
	return fp
}

func (s *fakeIssuers) Has(fp engine.Fingerprint) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.known[fp]
	return ok
}

func (l *fakeLog) spec(name string) LogSpec {
	return LogSpec{
		Source: &engine.Source{
			LogID: engine.Fingerprint(ctlog.LeafHash([]byte(name))), Name: name, Operator: "operator", URL: "https://" + name + ".example",
		},
		MMD: 24 * time.Hour,
		Open: func(h ctlog.Hooks) (ctlog.Log, error) {
			l.set(func() { l.hooks = h })
			return l, nil
		},
	}
}

func quiet(tb testing.TB) *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(testWriter{tb}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

type testWriter struct{ tb testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.tb.Logf("%s", bytes.TrimSpace(b))
	return len(b), nil
}

// start runs a supervisor over logs with fast settings changed by fn; the function returned stops it and waits.
func start(t *testing.T, eng Appender, fn func(*Options), specs ...LogSpec) (s *Supervisor, stop func()) {
	t.Helper()
	o := Options{Engine: eng, Issuers: &fakeIssuers{}, Logger: quiet(t)}
	if fn != nil {
		fn(&o)
	}
	s = New(o)
	s.SetLogs(specs)
	return s, run(t, s)
}

// run runs a supervisor; the function returned stops it and waits.
func run(t *testing.T, s *Supervisor) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

// sequence is from, from+1, … to-1.
func sequence(from, to uint64) []uint64 {
	var s []uint64
	for i := from; i < to; i++ {
		s = append(s, i)
	}
	return s
}

// failingEngine takes some entries and then fails, again and again.
type failingEngine struct {
	fakeEngine
	every, taken int
}

func (e *failingEngine) Append(ctx context.Context, batch []engine.Entry) (uint64, int, error) {
	n := min(len(batch), e.every-e.taken)
	last, n, err := e.fakeEngine.Append(ctx, batch[:n])
	if e.taken += n; e.taken == e.every {
		e.taken = 0
		if n < len(batch) {
			return last, n, errors.New("the disk is full")
		}
	}
	return last, n, err
}
