package serve

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/publish"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// rig is a whole server from the engine to sockets on loopback.
type rig struct {
	testing.TB
	window    *engine.Window
	segments  *engine.Segments // nil without
	publisher *publish.Publisher
	server    *Server
	metrics   *telemetry.Fanout
	http      *httptest.Server
	tcp       net.Listener
	index     uint64
}

// rigOptions are what tests vary.
type rigOptions struct {
	window, feed int
	segments     string // folder to keep entries in
	heartbeat    time.Duration
	access       access.Options
	settings     func(*Settings)
	tls          bool
	sendBuffer   int // of the server's sockets; 0 is the system's
	noRegexps    bool
	filters      *filter.Set // nil for one of its own
	patience     func(*patience)
	dice         *dice                             // makes sockets and engine hesitate; nil does not
	engine       func(engine.Engine) engine.Engine // what stands before the engine; nil is nothing
}

// smallBuffers makes the server's sockets fill early.
type smallBuffers struct {
	net.Listener
	size int
	dice *dice
}

func (l smallBuffers) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil && l.size > 0 {
		err = nc.(interface{ SetWriteBuffer(size int) error }).SetWriteBuffer(l.size)
	}
	if err == nil && l.dice != nil {
		if nc = net.Conn(hesitant{nc.(*net.UnixConn), l.dice}); l.dice.blocking {
			nc = blocking{nc.(hesitant).UnixConn, l.dice}
		}
	}
	return nc, err
}

// listenOn listens where a rig's clients come. Where sockets hesitate they are not TCP's, which waits for 200 ms when a buffer as
// small as ours is full.
func listenOn(t testing.TB, o rigOptions) (net.Listener, error) {
	if o.dice == nil {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	dir, err := os.MkdirTemp("", "rig") // a name that is short enough
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return net.Listen("unix", filepath.Join(dir, "socket"))
}

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	registry := prometheus.NewRegistry()
	log := slog.New(slog.DiscardHandler)
	filters := filter.DefaultOptions()
	if o.noRegexps {
		filters.RegexpBudget = 0
	}
	if o.filters == nil {
		o.filters = filter.NewSet(filters)
	}
	r := &rig{TB: t, metrics: telemetry.NewFanout(registry)}
	r.window = engine.NewWindow(engine.WindowOptions{MaxBytes: max(o.window, engine.MinWindow),
		Numbering: engine.Numbering{Epoch: "e1"}})
	behind := engine.Engine(r.window)
	if o.segments != "" {
		var err error
		if r.segments, err = engine.NewSegments(engine.SegmentOptions{Dir: o.segments, Limits: engine.SegmentLimits{MaxBytes: 1 << 30},
			Window: r.window, Issuers: engine.NewIssuers(1<<20, nil), Log: log}); err != nil {
			t.Fatal(err)
		}
		behind = engine.NewRetained(r.segments)
	}
	if o.dice != nil {
		behind = hesitantEngine{behind, o.dice}
	}
	if o.engine != nil {
		behind = o.engine(behind)
	}
	r.publisher = publish.New(publish.Options{Engine: behind, Filters: o.filters, FeedBytes: o.feed,
		Heartbeat: o.heartbeat, Metrics: r.metrics, Log: log})
	gate, err := access.New(o.access, log, telemetry.NewAccess(registry, access.Reasons()))
	if err != nil {
		t.Fatal(err)
	}
	settings := DefaultSettings()
	settings.Protocols = [3]bool{true, true, true}
	if o.settings != nil {
		o.settings(&settings)
	}
	r.server = New(Options{Publisher: r.publisher, Engine: behind, Gate: gate, Metrics: r.metrics, Log: log, Settings: settings})
	if o.patience != nil {
		o.patience(&r.server.patience)
	}
	r.http = httptest.NewUnstartedServer(r.server)
	_ = r.http.Listener.Close()
	if r.http.Listener, err = listenOn(t, o); err != nil {
		t.Fatal(err)
	}
	r.http.Listener = smallBuffers{r.http.Listener, o.sendBuffer, o.dice}
	if o.tls {
		r.http.StartTLS()
	} else {
		r.http.Start()
	}
	if r.tcp, err = listenOn(t, o); err != nil {
		t.Fatal(err)
	}
	r.tcp = smallBuffers{r.tcp, o.sendBuffer, o.dice}
	var wait sync.WaitGroup
	wait.Go(func() { r.server.Run(ctx) })
	if r.segments != nil {
		wait.Go(func() { r.segments.Run(ctx) })
	}
	wait.Go(func() {
		if err := r.publisher.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	wait.Go(func() {
		if err := r.server.ServeTCP(ctx, r.tcp); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		wait.Wait()
		r.http.Close()
	})
	return r
}

var source = &engine.Source{Name: "Test log", Operator: "Tests", URL: "https://log.example", Protocol: engine.RFC6962}

// add appends n entries with the names n<index>.example.org.
func (r *rig) add(n int) {
	r.Helper()
	batch := make([]engine.Entry, n)
	for i := range batch {
		r.index++
		batch[i] = engine.Entry{Source: source, Index: r.index, Seen: time.Now().UnixMilli(), Timestamp: uint64(time.Now().UnixMilli()),
			DER: certificateFor(fmt.Sprintf("n%08d.example.org", r.index))}
	}
	if _, _, err := r.window.Append(context.Background(), batch); err != nil {
		r.Error(err)
	}
}

// addBig appends an entry whose message no small socket buffer holds whole, addLarge one of several such buffers.
func (r *rig) addBig()   { r.addCertificate(bigCertificate()) }
func (r *rig) addLarge() { r.addCertificate(largeCertificate()) }

func (r *rig) addCertificate(der []byte) {
	r.Helper()
	r.index++
	batch := []engine.Entry{{Source: source, Index: r.index, DER: der}}
	if _, _, err := r.window.Append(context.Background(), batch); err != nil {
		r.Error(err)
	}
}

var (
	bigCertificate   = sync.OnceValue(func() []byte { return issueMany(3000) })
	largeCertificate = sync.OnceValue(func() []byte { return issueMany(120) })
)

func issueMany(n int) []byte {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("name%d.example.org", i)
	}
	return issue(names)
}

// template is a certificate with a name of 20 characters, which certificateFor replaces: a broken signature is of no interest.
var template = sync.OnceValue(func() []byte { return issue([]string{placeholder}) })

func issue(names []string) []byte {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(4711), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(2e9, 0)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return der
}

const placeholder = "nxxxxxxxx.example.org"

func certificateFor(name string) []byte {
	return []byte(strings.ReplaceAll(string(template()), placeholder, name))
}

// heard is a message as clients see it.
type heard struct {
	Type   string          `json:"message_type"`
	Cursor string          `json:"cursor"`
	Data   json.RawMessage `json:"data"`
}

// index is the log's index of a certificate message.
func (h heard) index(t testing.TB) uint64 {
	t.Helper()
	var data struct {
		Index uint64 `json:"cert_index"`
	}
	if err := json.Unmarshal(h.Data, &data); err != nil {
		t.Fatalf("%s: %v", h.Data, err)
	}
	return data.Index
}

// into reads the message's data.
func (h heard) into(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(h.Data, v); err != nil {
		t.Errorf("%s: %v", h.Data, err)
	}
}

func parseHeard(t testing.TB, text []byte) heard {
	t.Helper()
	var h heard
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatalf("%q is no message: %v", text, err)
	}
	return h
}

// dial opens a WebSocket.
func (r *rig) dial(path string) *websocket.Conn {
	r.Helper()
	ws, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(r.http.URL, "http")+path, nil)
	if err != nil {
		r.Fatalf("dialling %s: %v, %+v", path, err, response)
	}
	r.Cleanup(func() { _ = ws.Close() })
	_ = ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	return ws
}

// next reads a WebSocket's next message.
func (r *rig) next(ws *websocket.Conn) heard {
	r.Helper()
	_, text, err := ws.ReadMessage()
	if err != nil {
		r.Fatal(err)
	}
	return parseHeard(r, text)
}

// await polls until something holds.
func (r *rig) await(what string, holds func() bool) {
	r.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("waited in vain for: %s", what)
		}
	}
}
