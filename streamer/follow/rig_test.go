package follow

import (
	"bytes"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// pool is what the test logs hold.
var pool = sync.OnceValue(func() []*testlog.Entry { return testlog.NewCA("Catalogue").Pool(1500) })

// rig is a supervisor with real clients of real servers. Everything runs in a synctest bubble: HTTP goes over net.Pipe, so
// that the production's waits pass at once.
type rig struct {
	*testing.T
	eng      *fakeEngine
	issuers  *fakeIssuers
	sup      *Supervisor
	registry *prometheus.Registry
	gaps     [][2]uint64
	hosts    map[string]*host
	stop     func()
	options  func(*Options)
	clients  []*http.Client
	// expectErr lets Run fail: the store is gone.
	expectErr bool
}

// host is a server reached by its name.
type host struct {
	conns  chan net.Conn
	server *http.Server
	done   sync.WaitGroup

	mu      sync.Mutex
	dialErr error
	dialled int
}

// dials is how many connections were made.
func (h *host) dials() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dialled
}

func (h *host) setDialError(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dialErr = err
}

func (h *host) Accept() (net.Conn, error) {
	if c, ok := <-h.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// Close ends Accept; http.Server calls it once.
func (h *host) Close() error {
	close(h.conns)
	return nil
}

func (h *host) Addr() net.Addr { return &net.TCPAddr{} }

func (h *host) dial() (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.dialErr != nil {
		return nil, h.dialErr
	}
	h.dialled++
	client, server := net.Pipe()
	h.conns <- server
	return client, nil
}

// bubble runs a test in a bubble, with a supervisor that follows nothing yet.
func bubble(t *testing.T, fn func(r *rig)) {
	t.Helper()
	pool()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, eng: &fakeEngine{}, issuers: &fakeIssuers{}, hosts: map[string]*host{}}
		defer r.close()
		fn(r)
	})
}

func (r *rig) close() {
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
	for _, c := range r.clients {
		c.CloseIdleConnections()
	}
	for _, h := range r.hosts {
		_ = h.server.Close()
		h.done.Wait()
	}
	r.hosts, r.clients = map[string]*host{}, nil
}

// start runs a supervisor over some logs.
func (r *rig) start(specs ...LogSpec) {
	r.registry = prometheus.NewRegistry()
	o := Options{
		Engine: r.eng, Issuers: r.issuers, Logger: quiet(r.T), Metrics: telemetry.NewFollow(r.registry),
		OnGap: func(_ *engine.Source, from, to uint64) { r.gaps = append(r.gaps, [2]uint64{from, to}) },
	}
	if r.options != nil {
		r.options(&o)
	}
	r.sup = New(o)
	r.sup.SetLogs(specs)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.sup.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-done; (err != nil) != r.expectErr {
			r.Errorf("Run: %v", err)
		}
	}
}

// serve makes a log with entries of the pool and a server for it.
func (r *rig) serve(o testlog.Options, entries ...*testlog.Entry) (*testlog.Log, LogSpec) {
	if o.Name == "" {
		o.Name = "Log"
	}
	l := testlog.New(o)
	name := strings.ToLower(strings.ReplaceAll(o.Name, " ", "-")) + ".example"
	l.SetURL("http://" + name + "/")
	l.Append(entries...)
	l.Publish()
	r.listen(name, l.Handler())
	return l, r.spec(l)
}

func (r *rig) listen(name string, handler http.Handler) *host {
	h := &host{conns: make(chan net.Conn, 16), server: &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}}
	r.hosts[name] = h
	h.done.Go(func() { _ = h.server.Serve(h) })
	return h
}

// spec follows a log.
func (r *rig) spec(l *testlog.Log) LogSpec {
	client := &http.Client{Transport: &http.Transport{DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
		name, _, _ := net.SplitHostPort(addr)
		h := r.hosts[name]
		if h == nil {
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
		return h.dial()
	}}}
	r.clients = append(r.clients, client)
	protocol := engine.RFC6962
	if l.Static() {
		protocol = engine.Tiled
	}
	return LogSpec{
		Source: &engine.Source{
			LogID: engine.Fingerprint(l.ID()), Name: l.Name(), Operator: "Operator", URL: strings.TrimSuffix(l.URL(), "/"), Protocol: protocol,
		},
		MMD: 24 * time.Hour,
		Key: l.Key(),
		Open: func(hooks ctlog.Hooks) (ctlog.Log, error) {
			o := ctlog.Options{URL: l.URL(), Key: l.Key(), Client: client, Hooks: hooks, UserAgent: "test (ops@example.com)", MaxBody: 32 << 20}
			if l.Static() {
				return ctlog.NewStatic(o)
			}
			return ctlog.NewRFC6962(o)
		},
	}
}

// until waits for a condition, for at most so long.
func (r *rig) until(limit time.Duration, what string, condition func() bool) {
	r.Helper()
	for end := time.Now().Add(limit); !condition(); {
		if time.Now().After(end) {
			r.Fatalf("after %v: not %s; status %+v", limit, what, r.status())
		}
		time.Sleep(100 * time.Millisecond)
	}
	synctest.Wait()
}

// caughtUp waits until all of the log's entries have been emitted and verified.
func (r *rig) caughtUp(limit time.Duration, l *testlog.Log) {
	r.Helper()
	r.until(limit, "caught up and verified", func() bool {
		s := r.statusOf(l)
		return s.Position == l.Size() && s.VerifiedSize == l.Size() && s.Unverified.IsZero()
	})
}

func (r *rig) status() LogStatus {
	if all := r.sup.Status(); len(all) > 0 {
		return all[0]
	}
	return LogStatus{}
}

func (r *rig) statusOf(l *testlog.Log) LogStatus {
	for _, s := range r.sup.Status() {
		if s.Source.LogID == engine.Fingerprint(l.ID()) {
			return s
		}
	}
	return LogStatus{}
}

// emitted are a log's entries in order of emission.
func (r *rig) emitted(l *testlog.Log) []engine.Entry {
	r.eng.mu.Lock()
	defer r.eng.mu.Unlock()
	var all []engine.Entry
	for _, e := range r.eng.entries {
		if e.Source.LogID == engine.Fingerprint(l.ID()) {
			all = append(all, e)
		}
	}
	return all
}

// complete fails unless each entry from an index on was emitted once, in order, as the log holds it.
func (r *rig) complete(l *testlog.Log, from uint64) {
	r.Helper()
	got := r.emitted(l)
	if uint64(len(got)) != l.Size()-from {
		r.Fatalf("%d entries emitted, want %d", len(got), l.Size()-from)
	}
	for i, e := range got {
		want, timestamp := l.Entry(from + uint64(i))
		if e.Index != from+uint64(i) || !bytes.Equal(e.DER, want.DER) || e.Timestamp != timestamp {
			r.Fatalf("entry %d emitted in place %d is not the log's", e.Index, i)
		}
	}
}

// noneLost fails unless each entry was emitted as the log holds it, at least once, in order but for rewinds.
func (r *rig) noneLost(l *testlog.Log) {
	r.Helper()
	right := make([]bool, l.Size())
	for _, e := range r.emitted(l) {
		if want, _ := l.Entry(e.Index); bytes.Equal(e.DER, want.DER) {
			right[e.Index] = true
		}
	}
	if i := slices.Index(right, false); i >= 0 {
		r.Fatalf("entry %d was lost", i)
	}
}

// metric is the value of a metric's series that has all the given label values.
func (r *rig) metric(name string, labels ...string) float64 {
	r.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if hasLabels(m, labels) {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return 0
}

func hasLabels(m *dto.Metric, values []string) bool {
	for _, want := range values {
		if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool { return l.GetValue() == want }) {
			return false
		}
	}
	return true
}

// failedAs fails unless the log's last error was of this kind and counted.
func (r *rig) failedAs(kind ctlog.Kind) {
	r.Helper()
	s := r.status()
	if s.LastErrorKind != string(kind) || s.LastError == "" || len(s.LastError) > maxErrorText+8 {
		r.Errorf("last error is %q of kind %q, want kind %q", s.LastError, s.LastErrorKind, kind)
	}
}

// counted fails unless requests with this outcome were counted.
func (r *rig) counted(outcome ctlog.Kind) {
	r.Helper()
	if r.metric("certstream_log_requests_total", string(outcome)) == 0 {
		r.Errorf("no requests counted with outcome %q", outcome)
	}
}

// keep gives the supervisor to come a state directory.
func (r *rig) keep() *Store {
	store := openStore(r.T, r.TempDir())
	r.options = func(o *Options) { o.Store = store }
	return store
}

// proved fails unless there is just one file of evidence, of this kind, which proves the lie by itself, and the log is marked.
func (r *rig) proved(store *Store, kind evidence.Kind) *evidence.Evidence {
	r.Helper()
	all := kept(r.T, store)
	if len(all) != 1 || all[0].Kind != kind {
		r.Fatalf("evidence kept: %+v, want one of %s", all, kind)
	}
	if err := all[0].Prove(); err != nil {
		r.Errorf("%s: %v", kind, err)
	}
	m := r.status().Misbehaviour
	if m == nil || m.Kind != kind || m.Since.IsZero() || !store.HasEvidence(m.Evidence) || r.metric("certstream_log_misbehaved") != 1 {
		r.Errorf("the log is marked %+v", m)
	}
	return all[0]
}
