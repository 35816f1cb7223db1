package observe

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// pod serves a /status, or something else.
func pod(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/status"
}

func body(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func TestFetch(t *testing.T) {
	var asked atomic.Int32
	elsewhere := pod(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	closed := httptest.NewServer(nil)
	closed.Close()
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		url     string
		timeout time.Duration
		want    error
	}{
		"a streamer": {pod(t, body(encoded(t, realStatus()))), 0, nil},
		"an error":   {pod(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<secret>", http.StatusForbidden) }), 0, BadStatus},
		"a redirect": {pod(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) }), 0, BadStatus},
		"a page":     {pod(t, body("<html>")), 0, BadAnswer},
		"too much":   {pod(t, body(`{"version":"`+strings.Repeat("x", 2<<20)+`"}`)), 0, TooLarge},
		"too many headers": {pod(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}), 0, Unreachable},
		"no answer": {pod(t, hang), 20 * time.Millisecond, TimedOut},
		"half an answer": {pod(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(`{"version":`))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}), 50 * time.Millisecond, TimedOut},
		"broken off": {pod(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"version":`))
		}), 0, BadAnswer},
		"nobody": {closed.URL, 0, Refused},
		"no URL": {"http://[::1", 0, Unreachable},
	} {
		p := New(Options{Timeout: c.timeout, MaxBytes: 1 << 20})
		report, err := p.fetch(t.Context(), c.url, p.options.Timeout)
		if !errors.Is(err, c.want) || (report == nil) != (err != nil) {
			t.Errorf("%s: %v, %v; want %v", name, report, err, c.want)
		}
		var failure Failure
		if err != nil && (!errors.As(err, &failure) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%s: %v is not a failure of a fixed text", name, err)
		}
	}
	if asked.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// The environment's proxy is for the Internet.
func TestFetchUsesNoProxy(t *testing.T) {
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: body(encoded(t, realStatus()))}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	p := New(Options{Dial: (&redirector{to: listener.Addr().String()}).dial})
	if _, err := p.fetch(t.Context(), "http://192.0.2.1:9090/status", time.Minute); err != nil || asked.Load() != 0 {
		t.Errorf("%v; the proxy was asked %d times", err, asked.Load())
	}
}
