package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// read collects events until n have come that are not the client's own, and how the stream ended if it did before.
func read(t *testing.T, o Options, n int) ([]Event, []*Reconnecting, error) {
	t.Helper()
	o.MinBackoff, o.MaxBackoff = time.Millisecond, 5*time.Millisecond
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var events []Event
	var lost []*Reconnecting
	for e, err := range c.Events(ctx) {
		if err != nil {
			return events, lost, err
		}
		if r, ok := e.(*Reconnecting); ok {
			lost = append(lost, r)
			continue
		}
		if events = append(events, e); len(events) == n {
			return events, lost, nil
		}
	}
	t.Fatal("the iterator ended without an error")
	return nil, nil, nil
}

func dns(name, cursor string) string {
	return fmt.Sprintf(`{"message_type":"dns_entries","data":[%q],"cursor":%q}`, name, cursor)
}

// names are those of DomainNames events.
func names(t *testing.T, events []Event) []string {
	t.Helper()
	var all []string
	for _, e := range events {
		d, ok := e.(*DomainNames)
		if !ok {
			t.Fatalf("got %#v, want names", e)
		}
		all = append(all, d.Names...)
	}
	return all
}

func TestReconnectsAndResumesByCursor(t *testing.T) {
	server := newFakeServer(t,
		script{messages: []string{dns("a", "e-1"), dns("b", "e-2")}},
		script{status: http.StatusServiceUnavailable},
		script{messages: []string{`{"message_type":"heartbeat","timestamp":1.5,"cursor":"e-7"}`}},
		script{messages: []string{dns("c", "e-8")}, stay: true},
	)
	events, lost, err := read(t, Options{URL: server.ws(), Stream: Domains}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if h, ok := events[2].(*Heartbeat); !ok || h.Cursor != "e-7" || !h.Time.Equal(time.UnixMilli(1500)) {
		t.Errorf("got %#v, want the heartbeat", events[2])
	}
	events = append(events[:2:2], events[3])
	if diff := cmp.Diff([]string{"a", "b", "c"}, names(t, events)); diff != "" {
		t.Error(diff)
	}
	if len(lost) != 3 {
		t.Errorf("%d reconnects, want 3", len(lost))
	}
	var since []string
	for _, r := range server.asked() {
		since = append(since, r.URL.Query().Get("since"))
		if r.URL.Path != "/domains-only" {
			t.Errorf("path %s", r.URL.Path)
		}
	}
	if diff := cmp.Diff([]string{"", "e-2", "e-2", "e-7"}, since); diff != "" {
		t.Error(diff)
	}
}

var jsonHeader = http.Header{"Content-Type": {"application/json"}}

// The other transport's stream is named, and not shown.
func TestEventStreamOverWebSocket(t *testing.T) {
	body := "event: heartbeat\nid: e-1\ndata: {}\n\n"
	server := newFakeServer(t, script{status: 200, body: body, header: http.Header{"Content-Type": {"text/event-stream; charset=utf-8"}}})
	_, _, err := read(t, Options{URL: server.ws() + "/sse", Token: "s3cret", TokenInQuery: true}, 1)
	want := "the server refused: 200 OK: this is a stream of server-sent events; use " + server.URL + "/sse"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		script script
		want   string
	}{
		{"no token", script{status: 401, body: "a token is needed"}, "401 Unauthorized: a token is needed"},
		{"bad pattern", script{status: 400, body: "domain: missing )"}, "400 Bad Request: domain: missing )"},
		{"origin", script{status: 403}, "403 Forbidden"},
		{"path", script{status: 404, body: "<html>", header: http.Header{"Content-Type": {"text/html"}}}, "404 Not Found"},
		{"not a stream", script{status: 200, body: "hello"}, "200 OK: hello"},
		{"an object", script{status: 404, body: `{"error":"nothing is here"}`, header: jsonHeader}, "404 Not Found: nothing is here"},
		{"an object that says no more", script{status: 404, body: `{"error":"Not Found"}`, header: jsonHeader}, "404 Not Found"},
		{"another object", script{status: 403, body: `{"code":7}`, header: jsonHeader}, `403 Forbidden: {"code":7}`},
		{"a long story", script{status: 403, body: strings.Repeat("é", 400)}, "403 Forbidden: " + strings.Repeat("é", 150)},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newFakeServer(t, c.script)
			_, lost, err := read(t, Options{URL: server.ws(), Token: "s3cret", TokenInQuery: true}, 1)
			var refused *Refused
			if !errors.As(err, &refused) || refused.Error() != "the server refused: "+c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if len(lost) != 0 || len(server.asked()) != 1 {
				t.Errorf("tried %d times", len(server.asked()))
			}
			if strings.Contains(fmt.Sprint(err), "s3cret") {
				t.Errorf("the token shows: %v", err)
			}
		})
	}
}

func TestTooManyConnectionsIsNotFinal(t *testing.T) {
	full := script{status: 429, header: http.Header{"Retry-After": {"0"}}}
	server := newFakeServer(t, full, full, script{messages: []string{dns("a", "")}})
	events, lost, err := read(t, Options{URL: server.ws()}, 1)
	if err != nil || len(lost) != 2 {
		t.Fatalf("%v after %d attempts", err, len(lost))
	}
	if diff := cmp.Diff([]string{"a"}, names(t, events)); diff != "" {
		t.Error(diff)
	}
}

// A path that vanishes while the server restarts comes back: only the first answer is final.
func TestNotFoundAfterConnectionIsNotFinal(t *testing.T) {
	server := newFakeServer(t, script{messages: []string{dns("a", "e-1")}}, script{status: 404}, script{messages: []string{dns("b", "e-2")}})
	events, _, err := read(t, Options{URL: server.ws()}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, names(t, events)); diff != "" {
		t.Error(diff)
	}
}

func TestRequestCarriesEverything(t *testing.T) {
	server := newFakeServer(t, script{messages: []string{dns("a", "")}})
	_, _, err := read(t, Options{
		URL: server.ws() + "/?keep=1", Stream: Full, Token: "s3cret", Since: "e-5", UserAgent: "me",
		Filter: Filter{Suffix: []string{"a.test", "b.test"}, Domain: []string{"x", "a{1,3}"}, ExcludeIssuer: []string{"y"}, Any: true},
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := server.asked()[0]
	want := map[string][]string{
		"keep": {"1"}, "since": {"e-5"}, "suffix": {"a.test,b.test"}, "domain": {"x", "a{1,3}"}, "exclude_issuer": {"y"}, "mode": {"any"},
	}
	if diff := cmp.Diff(want, map[string][]string(r.URL.Query())); diff != "" {
		t.Error(diff)
	}
	got := []string{r.URL.Path, r.Header.Get("Authorization"), r.UserAgent()}
	if diff := cmp.Diff([]string{"/full-stream", "Bearer s3cret", "me"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTokenInQuery(t *testing.T) {
	server := newFakeServer(t, script{messages: []string{dns("a", "")}})
	if _, _, err := read(t, Options{URL: server.ws() + "/own/path", Token: "s3cret", TokenInQuery: true}, 1); err != nil {
		t.Fatal(err)
	}
	r := server.asked()[0]
	got := []string{r.URL.Path, r.Header.Get("Authorization"), r.URL.Query().Get("token")}
	if diff := cmp.Diff([]string{"/own/path", "", "s3cret"}, got); diff != "" {
		t.Error(diff)
	}
}

// Through a tunnel nothing resolves the URL's host, and no proxy of the environment comes between.
func TestDial(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://proxy.invalid:1")
	server := newFakeServer(t, script{messages: []string{dns("a", "")}})
	lines, hello := lineServer(t, dns("a", ""))
	for url, to := range map[string]string{
		"ws://stream.invalid:8080": server.Listener.Addr().String(), "tcp://stream.invalid:8081": lines,
	} {
		var asked string
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			asked = address
			return (&net.Dialer{}).DialContext(ctx, network, to)
		}
		if _, _, err := read(t, Options{URL: url, Token: "s3cret", TokenHeader: "X-Token", Dial: dial}, 1); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(url, asked) || asked == "" {
			t.Errorf("%s: asked to dial %q", url, asked)
		}
	}
	header := server.asked()[0].Header
	if diff := cmp.Diff([]string{"Bearer s3cret", ""}, []string{header.Get("X-Token"), header.Get("Authorization")}); diff != "" {
		t.Error(diff)
	}
	if got := (<-hello)["token"]; got != "s3cret" {
		t.Errorf("token %v", got)
	}
}

func TestContextEndsAQuietStream(t *testing.T) {
	server := newFakeServer(t, script{messages: []string{dns("a", "e-1")}, stay: true})
	c, err := New(Options{URL: server.ws()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range c.Events(ctx) {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ended with %v, want the context's error", last)
	}
	if c.Cursor() != "e-1" {
		t.Errorf("cursor %q", c.Cursor())
	}
}

func TestSilenceEndsAConnection(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "data: %s\n\n", dns("a", ""))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	events, lost, err := read(t, Options{URL: server.URL, IdleTimeout: 100 * time.Millisecond}, 2)
	if err != nil || len(events) != 2 || len(lost) < 1 {
		t.Errorf("%d events, %d reconnects, %v", len(events), len(lost), err)
	}
}

// A path that has died in silence is noticed on WebSocket, too, though pings are the only sign of life of a quiet server.
func TestDeafServerIsLeft(t *testing.T) {
	server := newFakeServer(t, script{messages: []string{dns("a", "e-1")}, deaf: true}, script{messages: []string{dns("b", "e-2")}})
	events, lost, err := read(t, Options{URL: server.ws(), IdleTimeout: 100 * time.Millisecond}, 2)
	if err != nil || len(lost) != 1 {
		t.Fatal(err, len(lost))
	}
	if diff := cmp.Diff([]string{"a", "b"}, names(t, events)); diff != "" {
		t.Error(diff)
	}
}

// certstream-server-rust sent binary frames before 1.5.
func TestBinaryFrames(t *testing.T) {
	server := newFakeServer(t, script{messages: []string{rustDomains, dns("b", "")}, binary: true})
	events, _, err := read(t, Options{URL: server.ws()}, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.example", "b"}, names(t, events)); diff != "" {
		t.Error(diff)
	}
}

func TestServerSentEvents(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI()+" "+r.Header.Get("Authorization"))
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprint(w, ": hello\n\nretry: 100\n\nevent: heartbeat\nid: e-1\ndata: {\"message_type\":\"heartbeat\",\"cursor\":\"e-1\"}\n\n",
			"id: e-2\r\ndata:{\"message_type\":\"dns_entries\",\r\ndata: \"data\":[\"a\"],\"cursor\":\"e-2\"}\r\n\r\n")
	}))
	t.Cleanup(server.Close)
	events, lost, err := read(t, Options{URL: server.URL, Stream: Domains, Token: "T"}, 3)
	if err != nil || len(lost) != 1 {
		t.Fatal(err, len(lost))
	}
	if _, ok := events[0].(*Heartbeat); !ok {
		t.Errorf("got %#v, want a heartbeat", events[0])
	}
	if diff := cmp.Diff([]string{"a"}, names(t, events[1:2])); diff != "" {
		t.Error(diff)
	}
	want := []string{"/sse?stream=domains Bearer T", "/sse?since=e-2&stream=domains Bearer T"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

func TestServerSentEventsRefusal(t *testing.T) {
	server := newFakeServer(t, script{status: 401, body: "a token is needed"})
	_, _, err := read(t, Options{URL: server.URL}, 1)
	if err == nil || !strings.Contains(err.Error(), "401 Unauthorized: a token is needed") {
		t.Errorf("got %v", err)
	}
}

func TestRawTCP(t *testing.T) {
	address, hello := lineServer(t, dns("a", "e-{n}"))
	events, lost, err := read(t, Options{
		URL: "tcp://" + address, Stream: Domains, Token: "T", Filter: Filter{Suffix: []string{"x.test"}, Domain: []string{"d"}, Any: true},
	}, 2)
	if err != nil || len(lost) != 1 {
		t.Fatal(err, len(lost))
	}
	if diff := cmp.Diff([]string{"a", "a"}, names(t, events)); diff != "" {
		t.Error(diff)
	}
	want := map[string]any{
		"stream": "domains", "token": "T", "suffix": []any{"x.test"}, "domain": []any{"d"}, "mode": "any",
	}
	if diff := cmp.Diff(want, <-hello); diff != "" {
		t.Error(diff)
	}
	want["since"] = "e-1"
	if diff := cmp.Diff(want, <-hello); diff != "" {
		t.Error(diff)
	}
}

func TestRawTCPRefusal(t *testing.T) {
	address, _ := lineServer(t, `{"message_type":"error","data":{"code":401,"reason":"a token is needed"}}`)
	_, _, err := read(t, Options{URL: "tcp://" + address}, 1)
	if err == nil || !strings.Contains(err.Error(), "401 Unauthorized: a token is needed") {
		t.Errorf("got %v", err)
	}
}

// TestServersNameOfAKind: what the server calls domains-only.
func TestServersNameOfAKind(t *testing.T) {
	c, err := New(Options{URL: "ws://x", Stream: "domains-only"})
	if err != nil || c.options.Stream != Domains {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestOptionsAtFault(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{URL: "ftp://x"}, "want ws, wss, http"},
		{Options{URL: "ws://"}, "names no host"},
		{Options{URL: "ws://a b/"}, "URL:"},
		{Options{URL: "x:1", Stream: "huge"}, "want full, lite or domains"},
		{Options{URL: "x:1", Dedup: "yes"}, "dedup \"yes\": want 1, 0"},
		{Options{URL: "x:1", Since: "yesterday"}, "since \"yesterday\": want a cursor"},
		{Options{URL: "x:1", Since: "-5m"}, "since \"-5m\""},
		{Options{URL: "x:1", Filter: Filter{Domain: []string{"(a"}}}, "filter domain \"(a\": error parsing regexp"},
		{Options{URL: "x:1", Filter: Filter{Suffix: []string{"*."}}}, "an empty name"},
	} {
		if _, err := New(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
	if c, err := New(Options{URL: "127.0.0.1:8080"}); err != nil || c.url.Scheme != "ws" {
		t.Errorf("a bare address: %v", err)
	}
}
