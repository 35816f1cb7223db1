package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// twins are precertificates, and their certificates.
var twins = sync.OnceValue(func() (list [][2][]byte) {
	ca := testlog.NewCA("Twins")
	for i := range 20 {
		precert := ca.Issue(testlog.Shape{Precert: true, DNS: []string{fmt.Sprintf("n%d.example.org", i)}})
		list = append(list, [2][]byte{precert.DER, ca.Final(precert, make([]byte, 120)).DER})
	}
	return list
})

// addTwins appends entries: 3 is the third precertificate, -3 its certificate.
func (r *rig) addTwins(numbers ...int) {
	r.Helper()
	var batch []engine.Entry
	for _, n := range numbers {
		r.index++
		der := twins()[max(n, -n)][0]
		if n < 0 {
			der = twins()[-n][1]
		}
		batch = append(batch, engine.Entry{Source: source, Index: r.index, Seen: time.Now().UnixMilli(), DER: der})
	}
	if _, _, err := r.window.Append(context.Background(), batch); err != nil {
		r.Error(err)
	}
	r.await("the entries to be published", func() bool { return r.publisher.Head() == r.window.Head() })
}

// open is a client of a stream on a protocol, with parameters.
func (r *rig) open(kind message.Kind, framing feed.Framing, params url.Values) messages {
	r.Helper()
	switch framing {
	case feed.WebSocket:
		ws := r.dial(DefaultSettings().Paths[kind] + "?" + params.Encode())
		return func() (heard, error) {
			_, text, err := ws.ReadMessage()
			if err != nil {
				return heard{}, err
			}
			return parseHeard(r, text), nil
		}
	case feed.EventStream:
		_, lines := r.get("/sse?stream="+kind.String()+"&"+params.Encode(), nil)
		return r.lines(bufio.NewReaderSize(onlyData{lines}, 1<<20))
	}
	hello := map[string]any{"stream": kind.String()}
	for name, values := range params {
		hello[name] = values[0]
	}
	line, err := json.Marshal(hello)
	if err != nil {
		r.Fatal(err)
	}
	_, lines := r.tcpClient(string(line) + "\n")
	return r.lines(lines)
}

// offsets are those of the next n certificates; heartbeats are passed over.
func (m messages) offsets(t testing.TB, n int) (list []uint64) {
	t.Helper()
	for len(list) < n {
		h, err := m()
		if err != nil {
			t.Fatalf("after %v: %v", list, err)
		}
		if h.Type == "certificate_update" || h.Type == "dns_entries" {
			c, err := engine.ParseCursor(h.Cursor)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, c.Offset)
		}
	}
	return list
}

// begun waits for the first heartbeat: the client is in.
func (m messages) begun(t testing.TB) messages {
	t.Helper()
	if h, err := m(); err != nil || h.Type != "heartbeat" {
		t.Fatalf("first came %+v, %v", h, err)
	}
	return m
}

// eachStream runs a test for every protocol and stream kind.
func eachStream(t *testing.T, test func(t *testing.T, kind message.Kind, framing feed.Framing)) {
	for framing := range feed.Framing(feed.Framings) {
		for kind := range message.Kind(message.Kinds) {
			t.Run(fmt.Sprintf("%s/%s", framing, kind), func(t *testing.T) { test(t, kind, framing) })
		}
	}
}

// TestDedup: each certificate once, whichever way it is asked for, on every protocol and stream.
func TestDedup(t *testing.T) {
	eachStream(t, func(t *testing.T, kind message.Kind, framing feed.Framing) {
		off := newRig(t, rigOptions{heartbeat: time.Hour})
		on := newRig(t, rigOptions{heartbeat: time.Hour, settings: func(s *Settings) { s.Dedup[kind] = true }})
		all, once := []uint64{1, 2, 3, 4, 5, 6, 7}, []uint64{1, 2, 5, 7}
		for _, c := range []struct {
			r      *rig
			params url.Values
			want   []uint64
		}{
			{off, nil, all},
			{off, url.Values{"dedup": {"1"}}, once},
			{off, url.Values{"dedup": {"true"}, "suffix": {"n1.example.org,n3.example.org"}}, []uint64{1, 5}},
			{off, url.Values{"dedup": {"1"}, "exclude_domain": {"n1\\."}}, []uint64{2, 5, 7}},
			{on, nil, once},
			{on, url.Values{"dedup": {"0"}}, all},
			{on, url.Values{"dedup": {"false"}, "suffix": {"n1.example.org"}}, []uint64{1, 3, 4}},
			{on, url.Values{"suffix": {"n1.example.org", "n4.example.org"}}, []uint64{1, 7}},
		} {
			if framing == feed.Lines && len(c.params["suffix"]) > 1 {
				c.params["suffix"] = []string{strings.Join(c.params["suffix"], ",")}
			}
			next := c.r.open(kind, framing, c.params).begun(t)
			base := c.r.index
			c.r.addTwins(1, 2, -1, 1, 3, -2, -4)
			got := next.offsets(t, len(c.want))
			for i := range got {
				got[i] -= base
			}
			if !cmp.Equal(got, c.want) {
				t.Errorf("%v, streams' default %v: got %v, want %v", c.params, c.r == on, got, c.want)
			}
		}
	})
}

// TestDedupOfLateClients: who comes later gets what he has not had; who was there does not get it again.
func TestDedupOfLateClients(t *testing.T) {
	eachStream(t, func(t *testing.T, kind message.Kind, framing feed.Framing) {
		r := newRig(t, rigOptions{heartbeat: time.Hour})
		dedup := url.Values{"dedup": {"1"}}
		early := r.open(kind, framing, dedup).begun(t)
		r.addTwins(1, 2)
		late := r.open(kind, framing, dedup).begun(t)
		r.addTwins(-1, 1, 3)
		latest := r.open(kind, framing, dedup).begun(t)
		r.addTwins(1, -2, -3, 4)
		for i, c := range []struct {
			next messages
			want []uint64
		}{{early, []uint64{1, 2, 5, 9}}, {late, []uint64{3, 5, 7, 9}}, {latest, []uint64{6, 7, 8, 9}}} {
			if got := c.next.offsets(t, len(c.want)); !cmp.Equal(got, c.want) {
				t.Errorf("client %d: got %v, want %v", i, got, c.want)
			}
		}
	})
}

// TestDedupFromReplayToLive: a client that resumes gets each certificate once after its cursor, live too.
func TestDedupFromReplayToLive(t *testing.T) {
	eachStream(t, func(t *testing.T, kind message.Kind, framing feed.Framing) {
		r := newRig(t, rigOptions{heartbeat: time.Hour})
		r.addTwins(1, 2, -1, 3)
		resumed := r.open(kind, framing, url.Values{"dedup": {"1"}, "since": {"e1-1"}})
		if got := resumed.offsets(t, 3); !cmp.Equal(got, []uint64{2, 3, 4}) {
			t.Errorf("what it missed: %v", got)
		}
		r.addTwins(-2, 1, 4, -3, 5)
		if got := resumed.offsets(t, 2); !cmp.Equal(got, []uint64{7, 9}) {
			t.Errorf("then live: %v", got)
		}
		again := r.open(kind, framing, url.Values{"dedup": {"1"}, "since": {"e1-5"}})
		if got := again.offsets(t, 4); !cmp.Equal(got, []uint64{6, 7, 8, 9}) {
			t.Errorf("from the middle: %v", got)
		}
	})
}

// TestDedupFromDisk: what the window no longer has comes once too.
func TestDedupFromDisk(t *testing.T) {
	r := newRig(t, rigOptions{feed: 32 << 10, segments: t.TempDir(), heartbeat: time.Hour})
	r.addTwins(1, 2, -1)
	r.overrunKept()
	r.addTwins(-2, 1, 3)
	for framing := range feed.Framing(feed.Framings) {
		next := r.open(message.Lite, framing, url.Values{"dedup": {"1"}, "since": {"e1-0"}, "suffix": {"n1.example.org,n2.example.org,n3.example.org"}})
		if got, want := next.offsets(t, 3), []uint64{1, 2, r.index}; !cmp.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", framing, got, want)
		}
	}
}

// TestDedupOfSlowClients: clients that fall behind, are caught up and told of gaps, while others come and go, are denied nothing, and
// get things in order.
func TestDedupOfSlowClients(t *testing.T) {
	const last = 6000
	r := newRig(t, rigOptions{feed: 16 << 10, sendBuffer: 4 << 10, heartbeat: 50 * time.Millisecond,
		patience: func(p *patience) { p.gaps = 0 }})
	numbers := func(i int) int { return (i * 7 % 39) - 19 } // each of the 20 certificates in both forms, over and over
	var clients sync.WaitGroup
	for i := range 9 {
		next := r.open(message.Full, feed.Framing(i%feed.Framings), url.Values{"dedup": {"1"}}).begun(t)
		clients.Go(func() { hearTwins(t, next, last, numbers, i > 5) })
	}
	for r.index < last {
		var batch []int
		for range min(40, last-int(r.index)) {
			batch = append(batch, numbers(int(r.index)+1+len(batch)))
		}
		r.addTwins(batch...)
		if r.index%1000 == 0 {
			_ = r.open(message.Full, feed.WebSocket, url.Values{"dedup": {"1"}}).begun(t) // the others see nothing of it
		}
	}
	clients.Wait()
}

// hearTwins reads until a heartbeat says that all is told, and holds that every certificate came, after every gap again.
func hearTwins(t *testing.T, next messages, last uint64, numbers func(int) int, slow bool) {
	from, at, had := uint64(0), uint64(0), map[int]bool{}
	check := func(upTo uint64) {
		for o := from + 1; o <= upTo; o++ {
			if n := numbers(int(o)); !had[max(n, -n)] {
				t.Errorf("certificate %d at %d never came after %d", n, o, from)
				return
			}
		}
	}
	for {
		h, err := next()
		if err != nil {
			t.Errorf("after %d: %v", at, err)
			return
		}
		c, _ := engine.ParseCursor(h.Cursor)
		switch h.Type {
		case "certificate_update":
			if c.Offset <= at {
				t.Errorf("%d came after %d", c.Offset, at)
			}
			at = c.Offset
			n := numbers(int(at))
			had[max(n, -n)] = true
			if slow {
				time.Sleep(time.Millisecond)
			}
		case "gap":
			var gap struct{ From, To string }
			h.into(t, &gap)
			begin, _ := engine.ParseCursor(gap.From)
			end, _ := engine.ParseCursor(gap.To)
			check(begin.Offset)
			from, at, had = end.Offset, end.Offset, map[int]bool{}
		case "heartbeat":
			if c.Offset == last {
				check(last)
				return
			}
		}
	}
}

// TestDedupIsGivenBack: when its clients have gone, nothing of it is left.
func TestDedupIsGivenBack(t *testing.T) {
	filters := filter.NewSet(filter.DefaultOptions())
	r := newRig(t, rigOptions{heartbeat: time.Hour, filters: filters})
	r.addTwins(1, 2, 3)
	for i := range 30 {
		nc, lines := r.tcpClient(fmt.Sprintf(`{"dedup":1,"since":"e1-%d","exclude_domain":"never%d"}`+"\n", i%4, i%7))
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if i%3 == 0 {
			r.addTwins(4, -4)
		}
		_ = nc.SetLinger(0)
		_ = nc.Close()
	}
	r.addTwins(5)
	r.await("the memory to be given back", func() bool {
		s := filters.Memory().Stats()
		return s.Bytes == 0 && s.Classes == 0 && s.Certificates == 0
	})
}

// TestParameterNames: what is misspelt is refused, what belongs to somebody else is pointed out.
func TestParameterNames(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour, access: access.Options{Auth: access.Auth{QueryToken: true}}})
	for path, want := range map[string]string{
		"/?domian=a":                   `"domian" is not known; did you mean domain?`,
		"/?Domain=a":                   `"Domain" is not known; did you mean domain?`,
		"/?exclude-domain=a":           `"exclude-domain" is not known; did you mean exclude_domain?`,
		"/sse?dedupe=1":                `"dedupe" is not known; did you mean dedup?`,
		"/sse?streams=full":            `"streams" is not known; did you mean stream?`,
		"/?dedup=2":                    `parameter dedup is "2"; give 1 or 0`,
		"/?dedup=":                     `parameter dedup is ""; give 1 or 0`,
		"/?dedup=1&dedup=0":            `parameter dedup is given more than once`,
		"/":                            "101 ",
		"/?since=e1-0&token=x":         "101 ",
		"/?utm_source=a&_=17&mode=any": "101 _, utm_source",
		"/?stream=full":                "101 stream",
		"/?%0d%0aX=1&%C3%A4=2":         "101 %0D%0AX, %C3%A4",
		"/sse?stream=full&v=3":         "200 v",
		"/sse?" + strings.Repeat("x", 50) + "=&a=&b=&c=&d=&e=&g=&h=&i=": "200 a, b, c, d, e, g, h, i",
	} {
		request, _ := http.NewRequest(http.MethodGet, r.http.URL+path, nil)
		if !strings.HasPrefix(path, "/sse") {
			request.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
				"Sec-Websocket-Key": {"AAAAAAAAAAAAAAAAAAAAAA=="}}
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%d %s", response.StatusCode, response.Header.Get(UnknownParameters))
		if response.StatusCode >= 400 {
			text, _ := io.ReadAll(response.Body)
			got = fmt.Sprintf("%d %s", response.StatusCode, strings.ReplaceAll(string(text), `\"`, `"`))
		}
		_ = response.Body.Close()
		if !strings.Contains(got, want) || response.StatusCode < 400 && got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func TestKeysOfTheFirstLine(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour})
	for say, want := range map[string]string{
		`{"sufix":"a.org"}`:                    `\"sufix\" is not known; did you mean suffix?`,
		`{"colour":1}`:                         `\"colour\" is not known; known are`,
		`{"dedup":2}`:                          `dedup in the first line is 2; give 1 or 0`,
		`{"dedup":[1]}`:                        `dedup in the first line is [1]; give 1 or 0`,
		`{"dedup":null}`:                       `"heartbeat"`,
		`{"dedup":true}`:                       `"heartbeat"`,
		`{"dedup":"0"}`:                        `"heartbeat"`,
		`{"dedup":1,"mode":"any","token":"x"}`: `"heartbeat"`,
	} {
		_, lines := r.tcpClient(say + "\n")
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, want) {
			t.Errorf("%s: %s %v, want %s", say, line, err, want)
		}
	}
}
