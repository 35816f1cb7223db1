package serve

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// sampleStatus is of a streamer with three logs and four clients.
func sampleStatus() Status {
	return Status{
		Version: "v1", UptimeSeconds: 90.5, EntriesPerSecond: 12.5,
		Window:  WindowStatus{Entries: 7, CapacityBytes: 1 << 20},
		Totals:  Totals{Entries: 100, MessagesSent: 400, BytesSent: 5000},
		Clients: []ClientsCount{{"websocket", "lite", 2}, {"websocket", "full", 1}, {"tcp", "lite", 1}},
		Logs: []LogStatus{
			{Name: "good", URL: "https://good.example", Operator: "G", State: "following", Breaker: "closed",
				Position: 5, TreeSize: 6, Errors: 1},
			{Name: "slow", State: "failing", Breaker: "closed"},
			{Name: "down", State: "failing", Breaker: "open"},
		},
	}
}

// endpointFixture is what a test changes before it makes endpoints.
type endpointFixture struct {
	options EndpointOptions
	access  access.Options
	sources Sources
}

func newEndpointFixture() *endpointFixture {
	ok := func() error { return nil }
	return &endpointFixture{
		options: EndpointOptions{
			Health: true, Examples: true, API: true, Metrics: true,
			Full: "/full-stream", Lite: "/", Domains: "/domains-only", SSE: "/sse",
		},
		sources: Sources{
			Status: sampleStatus, Live: ok, Ready: ok,
			Latest:  func(message.Kind, int) ([][]byte, error) { return nil, nil },
			Metrics: telemetry.Handler(telemetry.NewRegistry(telemetry.Build{Version: "v1"})),
		},
	}
}

func (f *endpointFixture) endpoints(t *testing.T) *Endpoints {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	gate, err := access.New(f.access, log, telemetry.NewAccess(prometheus.NewRegistry(), access.Reasons()))
	if err != nil {
		t.Fatal(err)
	}
	return NewEndpoints(f.options, f.sources, gate, log)
}

// get makes a request; headers are name, value, name, value.
func get(h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	return do(h, http.MethodGet, path, headers...)
}

func do(h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// allPaths are those of all endpoints, with the status of each.
var allPaths = map[string]int{
	"/health": 200, "/health/deep": 200, "/livez": 200, "/readyz": 200, "/status": 200, "/api/stats": 200, "/api/logs": 200,
	"/latest.json": 200, "/metrics": 200, "/example.json": 200, "/full-stream/example.json": 200, "/domains-only/example.json": 200,
	"/": 426, "/full-stream": 426, "/domains-only/": 426, "/nothing": 404, "/health/": 404, "/debug/pprof/": 404,
}

func checkStatuses(t *testing.T, h http.Handler, differ map[string]int) {
	t.Helper()
	for path, want := range allPaths {
		if other, ok := differ[path]; ok {
			want = other
		}
		if got := get(h, path).Code; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func TestEndpointsWithEverythingOn(t *testing.T) {
	checkStatuses(t, newEndpointFixture().endpoints(t), nil)
}

func TestEndpointsSwitchedOff(t *testing.T) {
	f := newEndpointFixture()
	f.options.Health, f.options.Examples, f.options.API, f.options.Metrics = false, false, false, false
	checkStatuses(t, f.endpoints(t), map[string]int{
		"/health": 404, "/health/deep": 404, "/status": 404, "/api/stats": 404, "/api/logs": 404, "/latest.json": 404, "/metrics": 404,
		"/example.json": 404, "/full-stream/example.json": 404, "/domains-only/example.json": 404,
	})
}

func TestEndpointsThatNeedToken(t *testing.T) {
	f := newEndpointFixture()
	f.access.Auth = access.Auth{Enabled: true, QueryToken: true, Tokens: []access.Token{{Name: "alice", Value: "s3cret"}}}
	e := f.endpoints(t)
	guarded := map[string]int{
		"/health/deep": 401, "/status": 401, "/api/stats": 401, "/api/logs": 401, "/latest.json": 401, "/metrics": 401,
	}
	checkStatuses(t, e, guarded)
	for path := range guarded {
		if w := get(e, path, "Authorization", "Bearer s3cret"); w.Code != 200 {
			t.Errorf("%s with a token: %d", path, w.Code)
		}
		if w := get(e, path+"?token=s3cret"); w.Code != 200 {
			t.Errorf("%s with a token in the URL: %d", path, w.Code)
		}
		if w := get(e.Admin(), path); w.Code != 200 {
			t.Errorf("%s on the admin listener: %d", path, w.Code)
		}
	}
}

func TestPublicListenerBesideAdmin(t *testing.T) {
	f := newEndpointFixture()
	f.options.Admin = true
	checkStatuses(t, f.endpoints(t), map[string]int{
		"/status": 403, "/api/stats": 403, "/api/logs": 403, "/latest.json": 403, "/metrics": 403,
	})
}

func TestAdminListener(t *testing.T) {
	f := newEndpointFixture()
	f.options.Admin = true
	noStreams := map[string]int{"/": 404, "/full-stream": 404, "/domains-only/": 404}
	checkStatuses(t, f.endpoints(t).Admin(), noStreams)
	f.options.Pprof = true
	noStreams["/debug/pprof/"] = 200
	checkStatuses(t, f.endpoints(t).Admin(), noStreams)
	for _, origin := range []string{"https://evil.example", "null", ""} {
		if w := get(f.endpoints(t).Admin(), "/status", "Origin", origin); w.Code != 403 {
			t.Errorf("a page of origin %q gets %d", origin, w.Code)
		}
	}
}

func TestOriginsOfEndpoints(t *testing.T) {
	f := newEndpointFixture()
	const allow = "Access-Control-Allow-Origin"
	if got := get(f.endpoints(t), "/status", "Origin", "https://any.example").Header().Get(allow); got != "*" {
		t.Errorf("any origin is answered with %q", got)
	}
	f.access.AllowedOrigins = []string{"https://app.example.com"}
	e := f.endpoints(t)
	w := get(e, "/status", "Origin", "https://app.example.com")
	if w.Code != 200 || w.Header().Get(allow) != "https://app.example.com" || w.Header().Get("Vary") != "Origin" {
		t.Errorf("an allowed origin: %d %v", w.Code, w.Header())
	}
	if w := get(e, "/status", "Origin", "https://evil.example"); w.Code != 403 || w.Header().Get(allow) != "" {
		t.Errorf("another origin: %d %v", w.Code, w.Header())
	}
}

func TestMethodsOfEndpoints(t *testing.T) {
	e := newEndpointFixture().endpoints(t)
	for method, want := range map[string]int{"HEAD": 200, "OPTIONS": 204, "POST": 405, "DELETE": 405, "BREW": 405} {
		if w := do(e, method, "/status"); w.Code != want {
			t.Errorf("%s: %d, want %d", method, w.Code, want)
		}
		if w := do(e.Admin(), method, "/status"); w.Code != want {
			t.Errorf("%s on the admin listener: %d, want %d", method, w.Code, want)
		}
	}
}

func TestBodies(t *testing.T) {
	e := newEndpointFixture().endpoints(t)
	for path, want := range map[string]string{
		"/health":      "OK",
		"/livez":       "ok",
		"/nothing":     `{"error":"Not Found"}` + "\n",
		"/latest.json": `{"messages":[]}` + "\n",
		"/api/stats": `{"uptime_seconds":90,"connections":{"total":4,"websocket":3,"sse":0,"tcp":1},` +
			`"throughput":{"messages_sent":400,"certificates_processed":100,"bytes_sent":5000,"entries_per_second":12.5},` +
			`"memory":{"cache_capacity":1048576,"cache_entries":7}}` + "\n",
		"/health/deep": `{"status":"degraded","logs_healthy":1,"logs_degraded":1,"logs_unhealthy":1,"logs_total":3,` +
			`"active_connections":4,"uptime_secs":90,"entries_per_second":12.5}` + "\n",
	} {
		if diff := cmp.Diff(want, get(e, path).Body.String()); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
	var logs APILogs
	if err := json.Unmarshal(get(e, "/api/logs").Body.Bytes(), &logs); err != nil {
		t.Fatal(err)
	}
	first := APILog{
		Name: "good", URL: "https://good.example", Operator: "G", Status: Healthy, CurrentIndex: 5, TreeSize: 6, TotalErrors: 1,
	}
	if logs.TotalLogs != 3 || logs.Healthy != 1 || logs.Degraded != 1 || logs.Unhealthy != 1 || logs.Logs[0] != first {
		t.Errorf("/api/logs: %+v", logs)
	}
	var status Status
	if err := json.Unmarshal(get(e, "/status").Body.Bytes(), &status); err != nil {
		t.Fatal(err)
	}
	if status.Version != "v1" || status.Logs[2].Status != Unhealthy {
		t.Errorf("/status: %+v", status)
	}
}

func TestUpgradeRequiredSaysWhereStreamsAre(t *testing.T) {
	f := newEndpointFixture()
	f.options.TLS = true
	w := get(f.endpoints(t), "http://ct.example:8080/")
	for _, want := range []string{
		"wss://ct.example:8080/full-stream", "https://ct.example:8080/sse", "https://ct.example:8080/example.json",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in\n%s", want, w.Body)
		}
	}
	if w.Header().Get("Upgrade") != "websocket" {
		t.Errorf("headers %v", w.Header())
	}
}

func TestDeepHealth(t *testing.T) {
	log := func(breaker string) LogStatus { return LogStatus{State: "following", Breaker: breaker} }
	for _, test := range []struct {
		name   string
		status Status
		want   string
		code   int
	}{
		{"no logs", Status{}, Unhealthy, 503},
		{"all good", Status{Logs: []LogStatus{log("closed")}}, Healthy, 200},
		{"half down", Status{Logs: []LogStatus{log("closed"), log("open")}}, Degraded, 200},
		{"most down", Status{Logs: []LogStatus{log("closed"), log("open"), log("open")}}, Unhealthy, 503},
		{"half open", Status{Logs: []LogStatus{log("half_open")}}, Degraded, 200},
		{"old log list", Status{Logs: []LogStatus{log("closed")}, LogList: LogListStatus{Error: "no route to host"}}, Degraded, 200},
		{"stale", Status{Logs: []LogStatus{{Breaker: "closed", Stale: true}}}, Degraded, 200},
		{"has lied in an earlier run", Status{Logs: []LogStatus{{Breaker: "closed", Misbehaviour: &Misbehaviour{}}}}, Unhealthy, 503},
		{"is in doubt", Status{Logs: []LogStatus{{Breaker: "closed", Doubt: "another root"}}}, Degraded, 200},
		{"has lied", Status{Logs: []LogStatus{{Breaker: "closed", Misbehaviours: 1}}}, Unhealthy, 503},
	} {
		f := newEndpointFixture()
		f.sources.Status = func() Status { return test.status }
		w := get(f.endpoints(t), "/health/deep")
		var h DeepHealth
		if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil || h.Status != test.want || w.Code != test.code {
			t.Errorf("%s: %d %s (%v), want %d %s", test.name, w.Code, h.Status, err, test.code, test.want)
		}
	}
}

func TestProbesSayWhy(t *testing.T) {
	f := newEndpointFixture()
	f.sources.Live = func() error { return errors.New("the publisher has stopped") }
	f.sources.Ready = func() error { return errors.New("draining") }
	e := f.endpoints(t)
	for path, want := range map[string]string{"/livez": "the publisher has stopped", "/readyz": "draining"} {
		if w := get(e, path); w.Code != 503 || w.Body.String() != want {
			t.Errorf("%s: %d %q, want 503 %q", path, w.Code, w.Body, want)
		}
	}
}

func TestExamplesAndLatest(t *testing.T) {
	f := newEndpointFixture()
	bundled := map[string]message.Kind{
		"/example.json": message.Lite, "/full-stream/example.json": message.Full, "/domains-only/example.json": message.Domains,
	}
	e := f.endpoints(t)
	for path, kind := range bundled {
		if got := get(e, path).Body.String(); got != string(message.Example(kind)) || !json.Valid([]byte(got)) {
			t.Errorf("%s: %.80s, want the bundled one", path, got)
		}
	}
	f.sources.Latest = func(kind message.Kind, n int) ([][]byte, error) {
		list := [][]byte{[]byte(`{"n":1,"kind":"` + kind.String() + `"}`), []byte(`{"n":2,"kind":"` + kind.String() + `"}`)}
		return list[max(0, len(list)-n):], nil
	}
	e = f.endpoints(t)
	for path, kind := range bundled {
		if got := get(e, path).Body.String(); got != `{"n":2,"kind":"`+kind.String()+`"}` {
			t.Errorf("%s: %s, want the newest", path, got)
		}
	}
	if got := get(e, "/latest.json").Body.String(); got != `{"messages":[{"n":2,"kind":"lite"},{"n":1,"kind":"lite"}]}`+"\n" {
		t.Errorf("/latest.json: %s", got)
	}
	f.sources.Latest = func(message.Kind, int) ([][]byte, error) { return nil, errors.New("gone") }
	e = f.endpoints(t)
	if w := get(e, "/latest.json"); w.Code != 503 {
		t.Errorf("/latest.json that cannot be read: %d", w.Code)
	}
	if w := get(e, "/example.json"); w.Code != 200 {
		t.Errorf("/example.json when the newest cannot be read: %d", w.Code)
	}
}

func TestMetricsInOpenMetrics(t *testing.T) {
	w := get(newEndpointFixture().endpoints(t), "/metrics", "Accept", "application/openmetrics-text")
	if !strings.HasSuffix(w.Body.String(), "# EOF\n") || !strings.Contains(w.Body.String(), "certstream_build_info") {
		t.Errorf("%s", w.Body)
	}
}

// listen gives a listener on loopback.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestRunAdminEndsWithItsContext(t *testing.T) {
	f := newEndpointFixture()
	l := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- RunAdmin(ctx, l, f.endpoints(t), HTTPOptions{HeaderTimeout: time.Second}, slog.New(slog.DiscardHandler))
	}()
	response, err := http.Get("http://" + l.Addr().String() + "/health")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHandshakeTimeout(t *testing.T) {
	plain := listen(t)
	server := NewHTTPServer(newEndpointFixture().endpoints(t),
		HTTPOptions{HeaderTimeout: time.Hour, HandshakeTimeout: 50 * time.Millisecond}, slog.New(slog.DiscardHandler))
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(tls.NewListener(plain, &tls.Config{})) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	conn, err := net.Dial("tcp", plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a client that says nothing keeps its connection")
	}
}

// TestHTTPServerBounds meets clients that take their time, or send too much.
func TestHTTPServerBounds(t *testing.T) {
	l := listen(t)
	server := NewHTTPServer(newEndpointFixture().endpoints(t),
		HTTPOptions{HeaderTimeout: 200 * time.Millisecond, MaxHeaderBytes: 4 << 10}, slog.New(slog.DiscardHandler))
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	for _, test := range []struct{ name, send, want string }{
		{"half a header", "GET / HTTP/1.1\r\nHost: x\r\n", ""},
		{"nothing", "", ""},
		{"a giant header", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10), "HTTP/1.1 431"},
		{"garbage", "\x16\x03\x01\x00\x00\r\n\r\n", "HTTP/1.1 400"},
		{"a body without an end", "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9\r\n\r\n", "HTTP/1.1 200"},
		{"any host", "GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "HTTP/1.1 404"},
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(conn, test.send) }()
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		buf := make([]byte, 64)
		n, err := conn.Read(buf)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() || !strings.HasPrefix(string(buf[:n]), test.want) {
			t.Errorf("%s: %q, %v; want %q", test.name, buf[:n], err, test.want)
		}
		_ = conn.Close()
	}
}
