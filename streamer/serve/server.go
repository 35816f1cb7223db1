// Package serve brings streams to sockets: WebSocket, server-sent events and raw TCP. A client is a position in a feed. Workers
// write to all clients that keep up, without blocking; who does not is written to by a goroutine of its own until it has
// caught up.
package serve

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/publish"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"

	"net/http"
)

// Options configure a Server. All but Handler must be set.
type Options struct {
	Publisher *publish.Publisher
	Engine    engine.Engine
	Gate      *access.Gate
	Metrics   *telemetry.Fanout
	Log       *slog.Logger
	// Handler answers what is not a stream; nil is 404.
	Handler http.Handler
	// Settings can be changed later by Update.
	Settings Settings
}

// SlowPolicy is what happens to a client that has fallen out of what is kept.
type SlowPolicy string

// The policies.
const (
	// GapSlow tells the client of the gap and goes on at the head; the third gap within a minute ends the connection.
	GapSlow SlowPolicy = "gap"
	// CloseSlow ends the connection.
	CloseSlow SlowPolicy = "close"
)

// Settings are what Update changes under connected clients.
type Settings struct {
	// Protocols and Kinds say what is served; clients of what is switched off are closed.
	Protocols [feed.Framings]bool
	Kinds     [message.Kinds]bool
	// Paths are the WebSocket paths of the stream kinds; SSEPath is that of server-sent events.
	Paths   [message.Kinds]string
	SSEPath string
	// Buffer is how many messages a client may fall behind; 0 is as many as are kept.
	Buffer int
	// SlowClient is what happens then.
	SlowClient SlowPolicy
	// Limits bound a client's filter.
	Limits filter.Limits
	// Dedup says which stream kinds' clients get each certificate once where they say nothing about it.
	Dedup [message.Kinds]bool
}

// DefaultSettings are WebSocket and SSE on the usual paths.
func DefaultSettings() Settings {
	return Settings{
		Protocols:  [feed.Framings]bool{feed.WebSocket: true, feed.EventStream: true},
		Kinds:      [message.Kinds]bool{true, true, true},
		Paths:      [message.Kinds]string{message.Full: "/full-stream", message.Lite: "/", message.Domains: "/domains-only"},
		SSEPath:    "/sse",
		SlowClient: GapSlow,
		Limits:     filter.DefaultLimits(),
	}
}

// Reasons for which connections end, as metrics name them.
const (
	reasonClient      = "client"
	reasonReset       = "reset"
	reasonStuck       = "stuck"
	reasonSlow        = "slow"
	reasonPong        = "no_pong"
	reasonProtocol    = "protocol"
	reasonSwitchedOff = "switched_off"
	reasonRevoked     = "token_revoked"
	reasonDrain       = "drain"
	reasonError       = "error"
)

// What may be spent on making filters, and on making again what clients have missed: shares of all cores, and how much at once
// after a rest.
const (
	filterShare = 1.0 / 8
	filterBurst = 100 * time.Millisecond
	replayShare = 1.0 / 4
	replayBurst = 500 * time.Millisecond
)

// replaySlots is how many replays run at a time.
func replaySlots() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// Server serves streams. Its methods are safe for concurrent use.
type Server struct {
	publisher *publish.Publisher
	engine    engine.Engine
	gate      *access.Gate
	handler   http.Handler
	log       *slog.Logger
	metrics   *telemetry.Fanout
	counters  [feed.Framings]struct{ messages, bytes prometheus.Counter }
	upgrader  upgrader
	settings  atomic.Pointer[Settings]
	shards    []*shard
	writers   sync.Pool
	batches   atomic.Uint64 // published
	clients   atomic.Int64
	lively    atomic.Int64 // clients that workers have written to in their last passes
	draining  atomic.Bool
	patience  patience
	filters   *turnstile // where filters are made
	replays   *turnstile // where what clients have missed is made again

	ctx        context.Context // ends when the server closes
	cancel     context.CancelFunc
	goroutines sync.WaitGroup
	mu         sync.Mutex
	conns      map[*conn]struct{}
	handshakes map[net.Conn]struct{} // TCP connections that have not said what they want
	empty      chan struct{}         // closed when the last client of a drain has left
	closed     bool
}

// New makes a server. Run must be running for clients to be served.
func New(o Options) *Server {
	s := &Server{
		publisher:  o.Publisher,
		engine:     o.Engine,
		gate:       o.Gate,
		handler:    o.Handler,
		log:        o.Log,
		patience:   defaultPatience(),
		filters:    newTurnstile(1, filterShare, filterBurst),
		replays:    newTurnstile(replaySlots(), replayShare, replayBurst),
		metrics:    o.Metrics,
		upgrader:   newUpgrader(),
		conns:      map[*conn]struct{}{},
		handshakes: map[net.Conn]struct{}{},
	}
	if s.handler == nil {
		s.handler = http.NotFoundHandler()
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.writers.New = func() any { return newWriter() }
	for f := range s.counters {
		name := feed.Framing(f).String()
		s.counters[f].messages = s.metrics.Messages.WithLabelValues(name)
		s.counters[f].bytes = s.metrics.Bytes.WithLabelValues(name)
	}
	for range runtime.GOMAXPROCS(0) {
		s.shards = append(s.shards, newShard(s))
	}
	s.settings.Store(&o.Settings)
	o.Publisher.OnPublish(s.published)
	return s
}

// published wakes the workers.
func (s *Server) published() {
	s.batches.Add(1)
	for _, shard := range s.shards {
		shard.wake()
	}
}

// Run works until ctx ends; then it ends all connections and waits for them.
func (s *Server) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for _, shard := range s.shards {
		workers.Go(func() { shard.run(ctx) })
	}
	sweep := time.NewTicker(s.patience.pong / 6)
	defer sweep.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-s.gate.Revoked():
			s.closeRevoked()
		case now := <-sweep.C:
			s.closeSilent(now)
		}
	}
	workers.Wait()
	s.close()
}

// close ends what is left.
func (s *Server) close() {
	s.mu.Lock()
	s.closed = true
	s.cancel()
	for nc := range s.handshakes {
		_ = nc.Close()
	}
	s.mu.Unlock()
	for _, c := range s.list() {
		c.abort(reasonDrain)
	}
	s.goroutines.Wait()
}

func (s *Server) live() *Settings { return s.settings.Load() }

// Update puts settings into force. Clients of what is switched off are told so and closed; nobody else notices.
func (s *Server) Update(settings Settings) {
	s.settings.Store(&settings)
	for _, c := range s.list() {
		if !settings.Protocols[c.framing] || !settings.Kinds[c.kind] {
			c.leave(&goodbye{reason: reasonSwitchedOff, frame: c.closeFrame(closeGoingAway, "this stream has been switched off")})
		}
	}
}

func (s *Server) closeRevoked() {
	for _, c := range s.list() {
		if c.grant != nil && c.grant.Revoked() {
			c.leave(&goodbye{reason: reasonRevoked, frame: c.closeFrame(closePolicy, "the token has been revoked")})
		}
	}
}

// closeSilent ends connections of clients that have not answered pings.
func (s *Server) closeSilent(now time.Time) {
	for _, c := range s.list() {
		if c.silent(now.Add(-s.patience.pong)) {
			c.leave(&goodbye{reason: reasonPong, frame: c.closeFrame(closeGoingAway, "no answer to pings")})
		}
	}
}

// Clients is the number of connected clients.
func (s *Server) Clients() int { return int(s.clients.Load()) }

func (s *Server) list() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		list = append(list, c)
	}
	return list
}

// add makes a connection one of ours, or returns nil when the server is closed. Somebody must read from it, and say so with
// doneReading in the end.
func (s *Server) add(nc net.Conn, v *visit) *conn {
	nc = letIn(nc)
	c := &conn{nc: nc, server: s, framing: v.framing, kind: v.kind, grant: v.grant, reading: true}
	c.raw = rawConn(nc)
	c.heard.Store(time.Now().UnixNano())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.conns[c] = struct{}{}
	s.goroutines.Add(1) // the reader; here, where the server cannot be closing
	c.shard = s.shards[int(s.clients.Add(1))%len(s.shards)]
	s.metrics.Clients.WithLabelValues(c.framing.String(), c.kind.String()).Inc()
	return c
}

// remove gives back all that a connection has. It is called once, with c.mu held.
func (s *Server) remove(c *conn) {
	if c.stream != nil {
		c.shard.leave(c)
		c.once.Close()
		c.stream.Close()
	}
	if c.grant != nil {
		c.grant.Release()
	}
	s.metrics.Disconnects.WithLabelValues(c.ends).Inc()
	s.metrics.Clients.WithLabelValues(c.framing.String(), c.kind.String()).Dec()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.clients.Add(-1) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

func (s *Server) borrow() *writer { return s.writers.Get().(*writer) }

func (s *Server) giveBack(c *conn, w *writer) {
	s.count(c.framing, w)
	w.run = feed.Run{} // it may be shared
	s.writers.Put(w)
}

// count moves what a writer has counted into the metrics.
func (s *Server) count(f feed.Framing, w *writer) {
	if w.bytes > 0 {
		s.counters[f].bytes.Add(float64(w.bytes))
		s.counters[f].messages.Add(float64(w.messages))
		w.bytes, w.messages = 0, 0
	}
}
