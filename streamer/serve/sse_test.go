package serve

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// get opens an event stream and returns its lines.
func (r *rig) get(path string, header http.Header) (*http.Response, *bufio.Reader) {
	r.Helper()
	request, err := http.NewRequest(http.MethodGet, r.http.URL+path, nil)
	if err != nil {
		r.Fatal(err)
	}
	request.Header = header
	response, err := r.http.Client().Do(request)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = response.Body.Close() })
	return response, bufio.NewReader(response.Body)
}

// event reads an event's lines, its data cut after some bytes.
func event(t testing.TB, lines *bufio.Reader) (event []string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("after %q: %v", event, err)
		}
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			return event
		}
		event = append(event, line[:min(len(line), 40)])
	}
}

func TestEventStream(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	response, lines := r.get("/sse?stream=domains", nil)
	want := map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform",
		"X-Accel-Buffering": "no", "Access-Control-Allow-Origin": "*"}
	for key, value := range want {
		if got := response.Header.Get(key); got != value {
			t.Errorf("%s: %q, want %q", key, got, value)
		}
	}
	first := event(t, lines)
	if !cmp.Equal(first[:2], []string{"event: heartbeat", "id: e1-0"}) {
		t.Errorf("first came %q", first)
	}
	r.add(2)
	for _, want := range [][]string{
		{"id: e1-1", `data: {"message_type":"dns_entries","dat`},
		{"id: e1-2", `data: {"message_type":"dns_entries","dat`},
	} {
		if got := event(t, lines); !cmp.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	_ = response.Body.Close()
	r.await("the client to be forgotten", func() bool { return r.server.Clients() == 0 && len(r.publisher.Streams()) == 0 })
}

func TestLastEventIDBeatsSince(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	r.add(5)
	r.await("the entries to be published", func() bool { return r.publisher.Head() == 5 })
	for _, c := range []struct {
		path, last string
		want       []string
	}{
		{"/sse?since=e1-1", "", []string{"id: e1-1", "id: e1-2", "id: e1-3", "id: e1-4", "id: e1-5"}},
		{"/sse?since=e1-1", "e1-3", []string{"id: e1-3", "id: e1-4", "id: e1-5"}},
		{"/sse?since=e1-1", "of another server", []string{"id: e1-0", "id: e1-0", "id: e1-1", "id: e1-2"}}, // a gap first
		{"/sse?since=e1-1&suffix=n00000004.example.org", "", []string{"id: e1-1", "id: e1-4"}},
	} {
		_, lines := r.get(c.path, http.Header{"Last-Event-Id": {c.last}})
		for i, want := range c.want {
			got := event(t, lines)
			if i == 0 {
				got = got[1:] // event: heartbeat, or gap
			}
			if strings.HasPrefix(got[0], "event: ") {
				got = got[1:]
			}
			if got[0] != want {
				t.Errorf("%s, %q: event %d is %q, want %s", c.path, c.last, i, got, want)
			}
		}
	}
}

func TestOtherMethodsOfEventStreams(t *testing.T) {
	r := newRig(t, rigOptions{})
	for method, status := range map[string]int{http.MethodHead: 200, http.MethodOptions: 204, http.MethodPost: 405} {
		request, _ := http.NewRequest(method, r.http.URL+"/sse", nil)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("%s: %s, want %d", method, response.Status, status)
		}
	}
}

// TestEventStreamOverHTTP2 is where there is no socket to be had.
func TestEventStreamOverHTTP2(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	second := httptest.NewUnstartedServer(r.server)
	second.EnableHTTP2 = true
	second.StartTLS()
	defer second.Close()
	response, err := second.Client().Get(second.URL + "/sse")
	if err != nil {
		t.Fatal(err)
	}
	if response.ProtoMajor != 2 {
		t.Fatalf("it is %s", response.Proto)
	}
	lines := bufio.NewReader(response.Body)
	event(t, lines)
	for i := range 100 {
		r.add(1)
		if i%10 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	got := ""
	for range 100 {
		got = event(t, lines)[0]
	}
	if got != "id: e1-100" {
		t.Errorf("the hundredth is %s", got)
	}
	_ = response.Body.Close()
	r.await("the client to be forgotten", func() bool { return r.server.Clients() == 0 })
}

func TestEventStreamUnderTLS(t *testing.T) {
	r := newRig(t, rigOptions{tls: true, heartbeat: time.Hour})
	_, lines := r.get("/sse", nil)
	event(t, lines)
	r.add(300)
	for range 299 {
		event(t, lines)
	}
	if got := event(t, lines)[0]; got != "id: e1-300" {
		t.Errorf("the last is %s", got)
	}
	r.server.Update(Settings{})
	if _, err := lines.ReadByte(); err != io.EOF {
		t.Errorf("after being switched off: %v, want the end", err)
	}
}
