package publish

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a publisher on a window.
type rig struct {
	*Publisher
	window  *engine.Window
	metrics *telemetry.Fanout
	index   uint64
}

func newRig(o Options) *rig {
	r := &rig{
		window:  engine.NewWindow(engine.WindowOptions{MaxBytes: 16 << 20, Numbering: engine.Numbering{Epoch: "e"}}),
		metrics: telemetry.NewFanout(prometheus.NewRegistry()),
	}
	if o.Engine == nil {
		o.Engine = r.window
	}
	o.Filters, o.Metrics, o.Log = filter.NewSet(filter.DefaultOptions()), r.metrics, slog.New(slog.DiscardHandler)
	r.Publisher = New(o)
	return r
}

// running runs the publisher until the test ends.
func (r *rig) running(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wait.Wait() })
}

var source = &engine.Source{Name: "Test log", Operator: "Tests", URL: "https://log.example", Protocol: engine.RFC6962}

// add appends n entries; the tenth, twentieth … are for ten.example.net, every seventh has no name.
func (r *rig) add(t testing.TB, n int) {
	t.Helper()
	batch := make([]engine.Entry, n)
	for i := range batch {
		r.index++
		der := certificates()[0]
		switch {
		case r.index%10 == 0:
			der = certificates()[1]
		case r.index%7 == 0:
			der = certificates()[2]
		}
		batch[i] = engine.Entry{Source: source, Index: r.index, Seen: 1.7e12, Timestamp: 1.7e12, DER: der}
	}
	if _, _, err := r.window.Append(context.Background(), batch); err != nil {
		t.Fatal(err)
	}
}

var certificates = sync.OnceValue(func() (list [][]byte) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	for _, names := range [][]string{{"a.example.org", "b.example.org"}, {"ten.example.net"}, nil} {
		cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{"Test"}}, DNSNames: names,
			NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(2e9, 0)}
		der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
		if err != nil {
			panic(err)
		}
		list = append(list, der)
	}
	return list
})

func compile(t testing.TB, q filter.Query) *filter.Filter {
	t.Helper()
	f, err := filter.Compile(q, filter.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (r *rig) subscribe(t testing.TB, kind message.Kind, framing feed.Framing, f *filter.Filter) *Stream {
	t.Helper()
	s, err := r.Subscribe(kind, framing, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// contents is all that a feed holds beyond an offset.
func contents(t testing.TB, s *Stream, after uint64) []byte {
	t.Helper()
	view := s.Feed.View()
	next, ok := view.Seek(after)
	if !ok {
		t.Fatalf("what follows %d is gone", after)
	}
	var all []byte
	for {
		run, ok := view.From(next)
		if !ok {
			t.Fatalf("frame %d is gone", next)
		}
		if run.Len() == 0 {
			return all
		}
		all = append(all, run.Bytes()...)
		next = run.End()
	}
}

func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestReplayMakesTheSameFrames: what a client gets from the feed and what is made again for it are the same bytes, in every kind,
// framing and with filters, so that going from one to the other is seamless anywhere.
func TestReplayMakesTheSameFrames(t *testing.T) {
	r := newRig(Options{Lanes: 3, FeedBytes: 16 << 20})
	filters := []*filter.Filter{nil, compile(t, filter.Query{Suffix: filter.Values{"example.net"}}),
		compile(t, filter.Query{ExcludeDomain: filter.Values{"^b"}})}
	var streams []*Stream
	for kind := range message.Kind(message.Kinds) {
		for framing := range feed.Framings {
			for _, f := range filters {
				streams = append(streams, r.subscribe(t, kind, feed.Framing(framing), f))
			}
		}
	}
	r.running(t)
	r.add(t, 700)
	r.add(t, 1)
	await(t, "everything to be published", func() bool { return r.Head() == 701 })
	for _, s := range streams {
		want := contents(t, s, 100)
		var got []byte
		for at := uint64(100); at < 701; {
			run, upTo, err := s.Replay(at, nil)
			if err != nil || upTo <= at {
				t.Fatalf("replay after %d came to %d, %v", at, upTo, err)
			}
			got, at = append(got, run.Bytes()...), upTo
		}
		if len(want) == 0 || !bytes.Equal(got, want) {
			t.Errorf("%s %s %q: replay made %d bytes that differ from the feed's %d", s.Kind, s.Framing, s.key.filter, len(got), len(want))
		}
	}
}

// TestJoinAnywhere has readers come while batches are at work: each gets everything after the offset it was given.
func TestJoinAnywhere(t *testing.T) {
	const last = 6000
	r := newRig(Options{FeedBytes: 64 << 20})
	r.running(t)
	var readers sync.WaitGroup
	for i := range 40 {
		readers.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			s, err := r.Subscribe(message.Lite, feed.Framing(i%feed.Framings), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			offset := s.Head()
			next, ok := s.Feed.View().Seek(offset)
			for ; ok && offset < last; time.Sleep(100 * time.Microsecond) {
				run, still := s.Feed.View().From(next)
				ok = still
				for k := range run.Len() {
					if got := run.Offset(k); got != offset+1 {
						t.Errorf("after %d came %d", offset, got)
						return
					}
					offset++
				}
				next += uint64(run.Len())
			}
			if !ok {
				t.Error("a frame has gone")
			}
		})
	}
	for r.index < last {
		r.add(t, 50)
	}
	readers.Wait()
	await(t, "the last reader's feed to be gone", func() bool { return len(r.Streams()) == 0 })
}

func TestEqualFiltersShareAStream(t *testing.T) {
	r := newRig(Options{})
	query := filter.Query{Domain: filter.Values{"a", "b"}}
	one := r.subscribe(t, message.Lite, feed.WebSocket, compile(t, query))
	two, err := r.Subscribe(message.Lite, feed.WebSocket, compile(t, filter.Query{Domain: filter.Values{"b", "a", "b"}}))
	if err != nil || one != two {
		t.Errorf("equal filters have streams of their own (%v)", err)
	}
	other := r.subscribe(t, message.Full, feed.WebSocket, compile(t, query))
	if other == one || other.class != one.class {
		t.Error("two kinds with one filter are to be two streams of one class")
	}
	if got := r.Streams(); len(got) != 2 {
		t.Errorf("streams: %+v", got)
	}
	two.Close()
	if n := r.options.Filters.Stats().Classes; n != 1 {
		t.Errorf("%d classes", n)
	}
}

func TestFilterLimitIsToldToTheClient(t *testing.T) {
	r := newRig(Options{})
	r.options.Filters.Update(filter.Options{Classes: 1})
	r.subscribe(t, message.Lite, feed.WebSocket, compile(t, filter.Query{Domain: filter.Values{"a"}}))
	_, err := r.Subscribe(message.Lite, feed.WebSocket, compile(t, filter.Query{Domain: filter.Values{"b"}}))
	var overload *filter.OverloadError
	if !errors.As(err, &overload) {
		t.Errorf("got %v", err)
	}
	if len(r.Streams()) != 1 {
		t.Error("a stream was left behind")
	}
}

// TestOnlyWhatIsReadIsEncoded: an entry without a reader costs parsing only.
func TestOnlyWhatIsReadIsEncoded(t *testing.T) {
	r := newRig(Options{Lanes: 1})
	encoded := func() int {
		batch := make([]engine.Entry, 64)
		n, err := r.window.Read(0, batch)
		if err != nil {
			t.Fatal(err)
		}
		l := r.encode(batch[:n], r.begin(0))[0]
		return len(l.json)
	}
	r.add(t, 20)
	if n := encoded(); n != 0 {
		t.Errorf("%d bytes of JSON for nobody", n)
	}
	r.subscribe(t, message.Lite, feed.WebSocket, compile(t, filter.Query{Suffix: filter.Values{"example.net"}}))
	filtered := encoded()
	r.subscribe(t, message.Lite, feed.EventStream, nil)
	all := encoded()
	r.subscribe(t, message.Lite, feed.WebSocket, nil)
	if again := encoded(); filtered == 0 || all < 5*filtered || again != all {
		t.Errorf("%d bytes for a filter that matches a tenth, %d for all, %d for two framings", filtered, all, again)
	}
}

// TestStormIsEncodedOnce: clients that fall behind, or come back, together share what is made again for them.
func TestStormIsEncodedOnce(t *testing.T) {
	r := newRig(Options{})
	s := r.subscribe(t, message.Lite, feed.WebSocket, nil)
	r.running(t)
	r.add(t, 1000)
	await(t, "everything to be published", func() bool { return r.Head() == 1000 })
	var clients sync.WaitGroup
	for i := range 100 {
		clients.Go(func() {
			frames := 0
			for at := uint64(i); at < 1000; {
				run, upTo, err := s.Replay(at, nil)
				if err != nil {
					t.Error(err)
					return
				}
				frames, at = frames+run.Len(), upTo
			}
			if frames != 1000-i {
				t.Errorf("a client at %d got %d messages", i, frames)
			}
		})
	}
	clients.Wait()
	// The last block is not full, and made for each.
	if n := testutil.ToFloat64(r.metrics.Replayed); n > 960+100*40 {
		t.Errorf("%v entries were made again for 100 clients of 1,000", n)
	}
	if s.blocks.bytes > DefaultFeedBytes {
		t.Errorf("%d bytes of blocks", s.blocks.bytes)
	}
	for range 2 {
		r.tick(time.Now())
	}
	if len(s.blocks.list) != 0 {
		t.Error("blocks stay though nobody needs them")
	}
}

func TestReplayOfWhatIsGone(t *testing.T) {
	r := newRig(Options{})
	r.window.SetMaxBytes(engine.MinWindow)
	r.running(t)
	s := r.subscribe(t, message.Lite, feed.WebSocket, nil)
	for r.window.Oldest() == 0 {
		r.add(t, 256)
	}
	if _, _, err := s.Replay(0, nil); !errors.Is(err, engine.ErrExpired) {
		t.Errorf("got %v", err)
	}
}

func TestLatest(t *testing.T) {
	r := newRig(Options{})
	if list, err := r.Latest(message.Lite, 5); err != nil || len(list) != 0 {
		t.Errorf("of nothing: %q, %v", list, err)
	}
	r.add(t, 30)
	for kind, want := range map[message.Kind][]string{
		message.Lite:    {`"cert_index":28,`, `"cert_index":29,`, `"cert_index":30,`},
		message.Domains: {`"cursor":"e-27"`, `"cursor":"e-29"`, `"cursor":"e-30"`}, // 28 has no name
	} {
		list, err := r.Latest(kind, 3)
		if err != nil || len(list) != 3 {
			t.Fatalf("%s: %q, %v", kind, list, err)
		}
		for i, text := range want {
			if !strings.Contains(string(list[i]), text) {
				t.Errorf("%s: message %d is %s, want %s", kind, i, list[i], text)
			}
		}
	}
}

// TestHeartbeats come on every feed, filtered ones too, with the cursor of what has been evaluated, and every third with a ping.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(Options{})
		all := r.subscribe(t, message.Domains, feed.WebSocket, nil)
		never := r.subscribe(t, message.Lite, feed.EventStream, compile(t, filter.Query{Suffix: filter.Values{"never.invalid"}}))
		r.running(t)
		r.add(t, 3)
		time.Sleep(DefaultHeartbeat + time.Second)
		want := "event: heartbeat\nid: e-3\ndata: {\"message_type\":\"heartbeat\","
		if got := string(contents(t, never, 0)); !strings.HasPrefix(got, want) || strings.Count(got, "event:") != 1 {
			t.Errorf("the filtered stream has %q", got)
		}
		time.Sleep(2 * DefaultHeartbeat)
		if got := string(contents(t, all, 2)); strings.Count(got, "heartbeat") != 3 || !strings.HasSuffix(got, "\"}\x89\x00") {
			t.Errorf("the WebSocket stream has %q", got)
		}
		r.SetHeartbeat(time.Second)
		time.Sleep(DefaultHeartbeat + 5*time.Second)
		if got := string(contents(t, all, 2)); strings.Count(got, "heartbeat") < 8 {
			t.Errorf("a shorter interval has no effect: %q", got)
		}
	})
}

// forgetful is an engine that has dropped what the publisher wants to read.
type forgetful struct {
	*engine.Window
	once sync.Once
}

func (f *forgetful) Read(after uint64, buf []engine.Entry) (n int, err error) {
	f.once.Do(func() { err = engine.ErrExpired })
	if err != nil {
		return 0, err
	}
	return f.Window.Read(after, buf)
}

func (f *forgetful) Oldest() uint64 { return 7 }

// TestOverrunIsToldToEverybody: should entries be gone before they could be published, that is no silent hole.
func TestOverrunIsToldToEverybody(t *testing.T) {
	window := engine.NewWindow(engine.WindowOptions{MaxBytes: 16 << 20, Numbering: engine.Numbering{Epoch: "e"}})
	r := newRig(Options{Engine: &forgetful{Window: window}})
	r.window = window
	s := r.subscribe(t, message.Lite, feed.Lines, nil)
	r.add(t, 9)
	r.running(t)
	await(t, "the rest to be published", func() bool { return r.Head() == 9 })
	lines := strings.Split(string(contents(t, s, 0)), "\n")
	want := `{"message_type":"gap","data":{"reason":"expired","missed":7,"from":"e-0","to":"e-7"}}`
	if lines[0] != want || len(lines) != 4 || !strings.Contains(lines[1], `"cert_index":8,`) {
		t.Errorf("got %q", lines)
	}
}

func TestCounts(t *testing.T) {
	r := newRig(Options{})
	r.running(t)
	r.add(t, 9)
	broken := []engine.Entry{{Source: source, DER: []byte("no certificate"), Timestamp: uint64(time.Now().UnixMilli())}}
	if _, _, err := r.window.Append(context.Background(), broken); err != nil {
		t.Fatal(err)
	}
	await(t, "everything to be counted", func() bool { return testutil.ToFloat64(r.metrics.Entries) == 10 })
	if n := testutil.ToFloat64(r.metrics.ParseErrors.WithLabelValues("Test log")); n != 1 {
		t.Errorf("%v parse errors", n)
	}
}

func TestNoticesOfTheFewLast(t *testing.T) {
	r := newRig(Options{})
	s := r.subscribe(t, message.Lite, feed.Lines, nil)
	for i := range uint64(keptNotices + 10) {
		r.Skipped("Test log", i, i+1)
	}
	r.tell(r.begin(0))
	all := strings.Count(string(s.Notices(nil, 0)), "\n")
	if none := s.Notices(nil, 1); all != keptNotices || len(none) > 0 {
		t.Errorf("%d notices, and behind them %q", all, none)
	}
	first, _, _ := strings.Cut(string(s.Notices(nil, 0)), "\n")
	want := `{"message_type":"gap","data":{"reason":"ingest","missed":1,"log":"Test log","from_index":10,"to_index":11}}`
	if diff := cmp.Diff(want, first); diff != "" {
		t.Error(diff)
	}
}

func BenchmarkPublish(b *testing.B) {
	r := newRig(Options{Lanes: 1})
	r.subscribe(b, message.Lite, feed.WebSocket, nil)
	r.add(b, batchSize)
	batch := make([]engine.Entry, batchSize)
	b.ReportAllocs()
	for i := 0; i < b.N; i += batchSize {
		n, _ := r.window.Read(0, batch)
		r.publish(batch[:n])
	}
}
