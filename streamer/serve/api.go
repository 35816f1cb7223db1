package serve

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// endpointTimeout is how long a client may take to read an answer of an endpoint.
const endpointTimeout = 30 * time.Second

// Sources are where endpoints get what they show. All must be set; they are called from many goroutines at a time.
type Sources struct {
	// Status is a snapshot of everything.
	Status func() Status
	// Live and Ready say why the process is not in order, or not ready for clients; nil is good.
	Live, Ready func() error
	// Latest returns the newest messages of a kind, at most n, the newest last.
	Latest func(kind message.Kind, n int) ([][]byte, error)
	// Metrics answers for /metrics.
	Metrics http.Handler
}

// EndpointOptions say which endpoints there are.
type EndpointOptions struct {
	// Health, Examples, API and Metrics switch /health and /health/deep, the example.json, /status, /api/ and /latest.json, and
	// /metrics. /livez and /readyz are always there.
	Health, Examples, API, Metrics bool
	// Admin says that there is a listener of its own for administration: the public one has health and examples only then.
	Admin bool
	// Pprof puts /debug/pprof/ on the admin listener.
	Pprof bool
	// Full, Lite and Domains are the WebSocket streams' paths: the examples are below them. SSE is the path of server-sent
	// events, empty when they are off. TLS says that clients come with https.
	Full, Lite, Domains, SSE string
	TLS                      bool
}

// Endpoints answers everything over HTTP that is not a stream.
type Endpoints struct {
	options EndpointOptions
	sources Sources
	gate    *access.Gate
	log     *slog.Logger
	routes  map[string]endpoint
}

// endpoint is a path's handler, with what guards it.
type endpoint struct {
	handler http.Handler
	// open ones never ask for a token. private ones are on the admin listener only, where there is one; public ones never.
	open, private, public bool
}

// NewEndpoints makes the endpoints.
func NewEndpoints(options EndpointOptions, sources Sources, gate *access.Gate, log *slog.Logger) *Endpoints {
	e := &Endpoints{options: options, sources: sources, gate: gate, log: log, routes: map[string]endpoint{}}
	e.add(true, endpoint{open: true}, "/livez", e.live)
	e.add(true, endpoint{open: true}, "/readyz", e.ready)
	e.add(options.Health, endpoint{open: true}, "/health", e.health)
	e.add(options.Health, endpoint{}, "/health/deep", e.deepHealth)
	e.add(options.API, endpoint{private: true}, "/status", e.status)
	e.add(options.API, endpoint{private: true}, "/api/stats", e.stats)
	e.add(options.API, endpoint{private: true}, "/api/logs", e.logs)
	e.add(options.API, endpoint{private: true}, "/latest.json", e.latest)
	if sources.Metrics != nil {
		e.add(options.Metrics, endpoint{private: true}, "/metrics", sources.Metrics.ServeHTTP)
	}
	for path, kind := range map[string]message.Kind{
		options.Lite: message.Lite, options.Full: message.Full, options.Domains: message.Domains,
	} {
		base := strings.TrimSuffix(path, "/")
		e.add(options.Examples, endpoint{open: true}, base+"/example.json", e.example(kind))
		e.add(true, endpoint{open: true, public: true}, base, e.notWebSocket)
		e.add(true, endpoint{open: true, public: true}, base+"/", e.notWebSocket)
	}
	return e
}

func (e *Endpoints) add(enabled bool, point endpoint, path string, handler http.HandlerFunc) {
	if enabled {
		point.handler = handler
		e.routes[path] = point
	}
}

// ServeHTTP answers on the public listener. The gate's FromHTTP is called on the request, which takes a token off its URL.
func (e *Endpoints) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	limitTime(w)
	request := e.gate.FromHTTP(r)
	point, ok := e.routes[r.URL.Path]
	switch {
	case !ok:
		writeError(w, http.StatusNotFound, "Not Found")
	case point.private && e.options.Admin:
		e.gate.Refuse(access.ClosedPath, "this path is on the admin listener only").ServeHTTP(w, r)
	case !e.allowOrigin(w, request.Origin):
		e.gate.Refuse(access.BadOrigin, "requests from this web page's origin are not allowed").ServeHTTP(w, r)
	case !readOnly(w, r):
	default:
		e.serveAuthorized(w, r, point, request)
	}
}

func (e *Endpoints) serveAuthorized(w http.ResponseWriter, r *http.Request, point endpoint, request access.Request) {
	if !point.open {
		if _, refusal := e.gate.Authorize(request); refusal != nil {
			refusal.ServeHTTP(w, r)
			return
		}
	}
	point.handler.ServeHTTP(w, r)
}

// allowOrigin lets web pages read the answer, if their origin may.
func (e *Endpoints) allowOrigin(w http.ResponseWriter, origin string) bool {
	if !e.gate.AllowsOrigin(origin) {
		return false
	}
	AllowOrigin(w.Header(), e.gate, origin)
	return true
}

// AllowOrigin sets the headers that let a web page of an allowed origin read the answer.
func AllowOrigin(h http.Header, gate *access.Gate, origin string) {
	switch {
	case gate.AllowsAnyOrigin():
		h.Set("Access-Control-Allow-Origin", "*")
	case origin != "":
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
	}
}

// readOnly lets GET and HEAD through, and answers all else: OPTIONS as browsers ask before they send a token.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodOptions:
		w.Header().Set("Access-Control-Allow-Methods", "GET, HEAD")
		w.Header().Set("Access-Control-Allow-Headers", "Authorization, Last-Event-ID")
		w.Header().Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, HEAD, OPTIONS")
		writeError(w, http.StatusMethodNotAllowed, "Method Not Allowed")
	}
	return false
}

// limitTime keeps a client that reads slowly, or sends a body without an end, from holding the request for ever.
func limitTime(w http.ResponseWriter) {
	control := http.NewResponseController(w)
	deadline := time.Now().Add(endpointTimeout)
	// Writers that know no deadlines are those of tests.
	_ = control.SetWriteDeadline(deadline)
	_ = control.SetReadDeadline(deadline)
}

// notWebSocket tells somebody who opens a stream's path in a browser, or with curl, what is here.
func (e *Endpoints) notWebSocket(w http.ResponseWriter, r *http.Request) {
	secure := ""
	if e.options.TLS {
		secure = "s"
	}
	var text strings.Builder
	line := func(scheme, path, what string) {
		fmt.Fprintf(&text, "  %s%s://%s%s  %s\n", scheme, secure, r.Host, path, what)
	}
	text.WriteString("This is a certstream server, and at this path is a WebSocket. Its streams:\n\n")
	line("ws", e.options.Lite, "certificates, without DER and chain")
	line("ws", e.options.Full, "with DER and chain")
	line("ws", e.options.Domains, "names only")
	if e.options.SSE != "" {
		line("http", e.options.SSE, "server-sent events, for curl -N; ?stream=full, lite or domains-only")
	}
	if e.options.Examples {
		line("http", strings.TrimSuffix(e.options.Lite, "/")+"/example.json", "a message")
	}
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	writeText(w, http.StatusUpgradeRequired, text.String())
}

// status answers with everything.
func (e *Endpoints) status(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, e.sources.Status().judgedLogs())
}

// judgedLogs fills in what to think of each log, and makes lists that are empty such in JSON.
func (s Status) judgedLogs() Status {
	logs := make([]LogStatus, len(s.Logs))
	for i, l := range s.Logs {
		l.Status = l.Judge()
		logs[i] = l
	}
	s.Logs, s.Clients = logs, append([]ClientsCount{}, s.Clients...)
	return s
}

// APIStats is what /api/stats shows, in the terms of the Rust server.
type APIStats struct {
	UptimeSeconds int64            `json:"uptime_seconds"`
	Connections   APIConnections   `json:"connections"`
	Throughput    APIThroughput    `json:"throughput"`
	Memory        map[string]int64 `json:"memory"`
}

// APIConnections counts clients.
type APIConnections struct {
	Total     int `json:"total"`
	WebSocket int `json:"websocket"`
	SSE       int `json:"sse"`
	TCP       int `json:"tcp"`
}

// APIThroughput counts since the start of the process. BytesSent are bytes written to clients.
type APIThroughput struct {
	MessagesSent          uint64  `json:"messages_sent"`
	CertificatesProcessed uint64  `json:"certificates_processed"`
	BytesSent             uint64  `json:"bytes_sent"`
	EntriesPerSecond      float64 `json:"entries_per_second"`
}

func (e *Endpoints) stats(w http.ResponseWriter, _ *http.Request) {
	s := e.sources.Status()
	writeJSON(w, http.StatusOK, APIStats{
		UptimeSeconds: int64(s.UptimeSeconds),
		Connections:   APIConnections{s.connections(""), s.connections("websocket"), s.connections("sse"), s.connections("tcp")},
		Throughput:    APIThroughput{s.Totals.MessagesSent, s.Totals.Entries, s.Totals.BytesSent, s.EntriesPerSecond},
		Memory:        map[string]int64{"cache_entries": int64(s.Window.Entries), "cache_capacity": s.Window.CapacityBytes},
	})
}

// APILogs is what /api/logs shows, in the terms of the Rust server.
type APILogs struct {
	TotalLogs int      `json:"total_logs"`
	Healthy   int      `json:"healthy"`
	Degraded  int      `json:"degraded"`
	Unhealthy int      `json:"unhealthy"`
	Logs      []APILog `json:"logs"`
}

// APILog is one log of APILogs.
type APILog struct {
	Name         string    `json:"name"`
	URL          string    `json:"url"`
	Operator     string    `json:"operator"`
	Status       string    `json:"status"`
	CurrentIndex uint64    `json:"current_index"`
	TreeSize     uint64    `json:"tree_size"`
	TotalErrors  uint64    `json:"total_errors"`
	LastSuccess  time.Time `json:"last_success,omitzero"`
}

func (e *Endpoints) logs(w http.ResponseWriter, _ *http.Request) {
	s := e.sources.Status()
	answer := APILogs{TotalLogs: len(s.Logs), Logs: []APILog{}}
	answer.Healthy, answer.Degraded, answer.Unhealthy = s.judged()
	for _, l := range s.Logs {
		answer.Logs = append(answer.Logs, APILog{
			Name: l.Name, URL: l.URL, Operator: l.Operator, Status: l.Judge(),
			CurrentIndex: l.Position, TreeSize: l.TreeSize, TotalErrors: l.Errors, LastSuccess: l.LastSuccess,
		})
	}
	writeJSON(w, http.StatusOK, answer)
}

// The answers' bodies. Whether a client still reads them is up to the client: errors of writing are of no interest.

func setJSON(w http.ResponseWriter, status int) {
	setHeaders(w, "application/json")
	w.WriteHeader(status)
}

func setHeaders(w http.ResponseWriter, contentType string) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	setJSON(w, status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(value)
}

func writeError(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]string{"error": text})
}

func writeText(w http.ResponseWriter, status int, text string) {
	setHeaders(w, "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
