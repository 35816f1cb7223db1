package publish

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// tape is an engine whose entries the test sets, and expires, as it likes.
type tape struct {
	engine.Engine
	entries []engine.Entry // their offsets are 1, 2, 3 …
	oldest  uint64
}

func (t *tape) Epoch() string   { return "e" }
func (t *tape) Head() uint64    { return uint64(len(t.entries)) }
func (t *tape) Oldest() uint64  { return t.oldest }
func (t *tape) Consumed(uint64) {}

func (t *tape) Read(after uint64, buf []engine.Entry) (int, error) {
	if after < t.oldest {
		return 0, engine.ErrExpired
	}
	return copy(buf, t.entries[after:]), nil
}

func (t *tape) add(der []byte) {
	n := uint64(len(t.entries)) + 1
	t.entries = append(t.entries, engine.Entry{Offset: n, Index: n, Source: source, DER: der})
}

// pairs are precertificates and their certificates: of one pair, the same certificate.
var pairs = sync.OnceValue(func() (list [][2][]byte) {
	ca := testlog.NewCA("Once")
	for i := range 40 {
		precert := ca.Issue(testlog.Shape{Precert: true, DNS: []string{fmt.Sprintf("n%d.%s.example", i, []string{"a", "b"}[i%2])}})
		list = append(list, [2][]byte{precert.DER, ca.Final(precert, make([]byte, 4+i)).DER})
	}
	return list
})

// player is a client as streamer/serve has them, without a socket.
type player struct {
	s            *Stream
	once         *Once
	offset, next uint64
	joined       bool
	scratch      feed.Run
	fell         bool     // out of the feed, after it had joined
	start        uint64   // of what it is given without a gap
	sent         []uint64 // since then
	spans        []span64
}

// span64 is a run without a gap, and what the client was sent of it.
type span64 struct {
	from, to uint64
	sent     []uint64
}

func enter(s *Stream, at uint64) *player {
	p := &player{s: s}
	p.restart(at)
	return p
}

func (p *player) restart(at uint64) {
	p.once.Close()
	p.offset, p.start, p.sent, p.joined = at, at, nil, false
	p.once = p.s.Once(at)
	p.join()
}

func (p *player) join() {
	if !p.joined && p.once.MayJoin(p.offset) {
		if p.next, p.joined = p.s.Feed.View().Seek(p.offset); p.joined {
			p.once.Joined()
		}
	}
}

// step gives the client up to n frames.
func (p *player) step(n int) {
	if p.join(); !p.joined {
		run, upTo, err := p.s.Replay(p.offset, p.once)
		if errors.Is(err, engine.ErrExpired) {
			p.end()
			p.restart(p.s.Head())
			return
		}
		if p.take(run, n) {
			p.offset = max(p.offset, upTo)
		}
		return
	}
	run, ok := p.s.Feed.View().From(p.next)
	if !ok {
		p.joined, p.fell = false, true
		return
	}
	fresh := p.once.Fresh(run, &p.scratch)
	p.take(fresh, n)
	p.next = fresh.First + uint64(min(n, fresh.Len()))
}

// take writes at most n frames of a run, and says whether that was all.
func (p *player) take(run feed.Run, n int) bool {
	lines := strings.SplitAfter(string(run.Bytes()), "\n")
	for i := range min(n, run.Len()) {
		if p.offset = max(p.offset, run.Offset(i)); run.LeftOut(i+1) > run.LeftOut(i) {
			continue
		}
		line := lines[0]
		lines = lines[1:]
		_, cursor, ok := strings.Cut(line, `"cursor":"e-`)
		if cursor, _, _ = strings.Cut(cursor, `"`); ok && !strings.Contains(line, "heartbeat") {
			offset, err := strconv.ParseUint(cursor, 10, 64)
			if err != nil {
				panic(err)
			}
			p.sent = append(p.sent, offset)
		}
	}
	return n >= run.Len()
}

// end closes the run without a gap that the client is in.
func (p *player) end() {
	to := p.offset
	if p.atHead() {
		to = max(to, p.s.Head()) // the rest did not match, or was a copy
	}
	p.spans = append(p.spans, span64{p.start, to, p.sent})
}

func (p *player) atHead() bool { return p.joined && p.next == p.s.Feed.View().End() }

// theater is a publisher whose steps the test takes, and its audience.
type theater struct {
	*Publisher
	tape    *tape
	players []*player
	ids     []int // of the entries, by offset
	roomy   bool  // nothing has been forgotten or expired
}

func newTheater(feedBytes int) *theater {
	tape := &tape{}
	return &theater{tape: tape, ids: []int{0}, roomy: true, Publisher: New(Options{
		Engine: tape, Filters: filter.NewSet(filter.DefaultOptions()), FeedBytes: feedBytes, Lanes: 2, Metrics: telemetry.NewFanout(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler)})}
}

// add appends entries: each a precertificate or a certificate of one of some pairs.
func (th *theater) add(t *rapid.T) {
	for range rapid.IntRange(1, 12).Draw(t, "entries") {
		id := rapid.IntRange(0, len(pairs())-1).Draw(t, "certificate")
		th.tape.add(pairs()[id][rapid.IntRange(0, 1).Draw(t, "form")])
		th.ids = append(th.ids, id)
	}
}

// publishWith takes the publisher's steps for all entries that are there, and lets others act in the midst of a batch.
func (th *theater) publishWith(act func()) {
	p := th.Publisher
	n, err := p.options.Engine.Read(p.Head(), p.buf)
	if err != nil || n == 0 {
		act()
		return
	}
	batch := slices.Clone(p.buf[:n])
	last := batch[n-1].Offset
	plan := p.begin(last)
	used := p.encode(batch, plan)
	act()
	p.kept = th.tape.Oldest()
	for _, l := range used {
		p.emit(l, plan)
	}
	for _, s := range plan.all {
		s.Feed.Publish()
	}
	p.evaluated.Store(last)
}

var onceQueries = []filter.Query{
	{Dedup: filter.On},
	{Dedup: filter.On, Suffix: filter.Values{"a.example"}},
	{Dedup: filter.On, ExcludeDomain: filter.Values{"n1\\."}},
}

// enter has somebody come: at the head, or with a cursor.
func (th *theater) enter(t *rapid.T) {
	f, err := filter.Compile(rapid.SampledFrom(onceQueries).Draw(t, "query"), filter.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := th.Subscribe(message.Lite, feed.Lines, f)
	if err != nil {
		t.Fatal(err)
	}
	at := s.Head()
	if rapid.Bool().Draw(t, "with a cursor") {
		at = max(th.tape.oldest, rapid.Uint64Range(0, at).Draw(t, "cursor"))
	}
	th.players = append(th.players, enter(s, at))
}

// act does something at random.
func (th *theater) act(t *rapid.T) {
	switch rapid.IntRange(0, 11).Draw(t, "act") {
	case 0, 1:
		th.enter(t)
	case 2:
		th.add(t)
	case 3:
		th.tape.oldest = rapid.Uint64Range(th.tape.oldest, th.Head()).Draw(t, "oldest")
		th.roomy = th.roomy && th.tape.oldest == 0
	case 4: // everything is forgotten, and there is memory again
		th.roomy = false
		th.options.Filters.Update(filter.Options{MemoryBytes: 1})
		th.options.Filters.Update(filter.DefaultOptions())
	case 5:
		for _, s := range th.begin(th.from).all {
			s.Feed.Tick()
			s.Feed.Publish()
		}
	case 6:
		if n := len(th.players); n > 0 {
			th.leave(t, rapid.IntRange(0, n-1).Draw(t, "who leaves"))
		}
	default:
		if n := len(th.players); n > 0 {
			th.players[rapid.IntRange(0, n-1).Draw(t, "who")].step(rapid.IntRange(0, 9).Draw(t, "frames"))
		}
	}
}

func (th *theater) leave(t *rapid.T, i int) {
	p := th.players[i]
	p.end()
	th.check(t, p)
	p.once.Close()
	p.s.Close()
	th.players = slices.Delete(th.players, i, i+1)
}

// check holds the promise: of every certificate that an entry in a run without a gap is of, the client has been sent one.
func (th *theater) check(t *rapid.T, p *player) {
	for _, span := range p.spans {
		got, before := map[int]int{}, span.from
		for _, offset := range span.sent {
			if offset <= before || offset > span.to {
				t.Fatalf("offset %d came after %d in (%d, %d]", offset, before, span.from, span.to)
			}
			got[th.ids[offset]]++
			before = offset
		}
		for offset := span.from + 1; offset <= span.to; offset++ {
			id := th.ids[offset]
			if th.matches(p.s.Filter, id) && got[id] == 0 {
				t.Fatalf("certificate %d at %d was denied to a client with (%d, %d], filter %q", id, offset, span.from, span.to, p.s.Filter)
			}
			if got[id] > 1 && th.roomy && !p.fell {
				t.Fatalf("certificate %d came %d times to a client with (%d, %d], though nothing was forgotten",
					id, got[id], span.from, span.to)
			}
		}
	}
}

func (th *theater) matches(f *filter.Filter, id int) bool {
	switch key := f.Key(); {
	case strings.Contains(key, "suffix"):
		return id%2 == 0
	case strings.Contains(key, "exclude"):
		return id != 1
	}
	return true
}

// TestNobodyIsDeniedACertificate has clients come and go, fall behind and catch up, in the midst of batches too, while memory is
// taken away and entries expire. Against a plain oracle: no client is ever denied a certificate that it has not been sent since
// its start, and while nothing is forgotten those that keep up get each once.
func TestNobodyIsDeniedACertificate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		th := newTheater(rapid.SampledFrom([]int{1, 4 << 10, 1 << 20}).Draw(t, "feed"))
		th.add(t)
		for range rapid.IntRange(1, 40).Draw(t, "batches") {
			for range rapid.IntRange(0, 6).Draw(t, "acts") {
				th.act(t)
			}
			th.add(t)
			th.publishWith(func() {
				for range rapid.IntRange(0, 3).Draw(t, "acts in the batch") {
					th.act(t)
				}
			})
		}
		for _, p := range th.players {
			for rounds := 0; !p.atHead(); rounds++ {
				if p.step(100); rounds > 10000 {
					t.Fatalf("a client stays at %d, the head is %d", p.offset, th.Head())
				}
			}
		}
		for len(th.players) > 0 {
			th.leave(t, 0)
		}
		if s := th.options.Filters.Memory().Stats(); s.Bytes != 0 || s.Classes != 0 {
			t.Fatalf("left behind: %+v", s)
		}
	})
}

// TestStormWithDedupIsEncodedOnce: clients of a whole stream that come back together share what is made again, and each gets of
// it what it has not had.
func TestStormWithDedupIsEncodedOnce(t *testing.T) {
	r := newRig(Options{})
	s := r.subscribe(t, message.Lite, feed.WebSocket, compile(t, filter.Query{Dedup: filter.On}))
	r.running(t)
	r.add(t, 1000) // of three certificates
	await(t, "everything to be published", func() bool { return r.Head() == 1000 })
	var clients sync.WaitGroup
	for i := range uint64(100) {
		clients.Go(func() {
			once, frames := s.Once(i), 0
			defer once.Close()
			for at := i; at < 1000; {
				run, upTo, err := s.Replay(at, once)
				if err != nil {
					t.Error(err)
					return
				}
				frames, at = frames+run.Len(), upTo
			}
			if frames != 3 {
				t.Errorf("a client at %d got %d messages", i, frames)
			}
		})
	}
	clients.Wait()
	if n := testutil.ToFloat64(r.metrics.Replayed); n > 960+100*40 {
		t.Errorf("%v entries were made again for 100 clients of 1,000", n)
	}
}

// TestDedicatedSignerIsLookedUp: of a precertificate that a dedicated certificate has signed, the issuer is taken from that.
func TestDedicatedSignerIsLookedUp(t *testing.T) {
	set := filter.NewSet(filter.DefaultOptions())
	known := &signerStore{ders: map[engine.Fingerprint][]byte{}}
	l := newLane(Options{Engine: &tape{}, Issuers: known, Filters: set})
	signer, precert, final := dedicated(t)
	fp := engine.Fingerprint(sha256.Sum256(signer))
	id := func(der []byte) filter.ID {
		e := &engine.Entry{Source: source, DER: der, Chain: []engine.Fingerprint{fp}}
		l.begin(e)
		id, ok := l.identify(e)
		if !ok {
			t.Fatal("no identity")
		}
		return id
	}
	if id(precert) == id(final) {
		t.Error("the signer is not known yet, and the issuer is")
	}
	known.ders[fp] = signer
	for range 3 {
		if id(precert) != id(final) {
			t.Error("precertificate and certificate are two")
		}
	}
	if known.asked != 2 {
		t.Errorf("asked %d times", known.asked)
	}
	if _, ok := l.identify(&engine.Entry{}); ok {
		t.Error("an entry without a certificate has an identity")
	}
}

// signerStore knows issuing certificates, and counts how often it is asked.
type signerStore struct {
	ders  map[engine.Fingerprint][]byte
	asked int
}

func (s *signerStore) Chain(engine.Fingerprint) ([]byte, bool) { return nil, false }

func (s *signerStore) DER(fp engine.Fingerprint) ([]byte, bool) {
	s.asked++
	der, ok := s.ders[fp]
	return der, ok
}

// dedicated makes a dedicated signer, a precertificate of it, and the certificate of its issuer.
func dedicated(t testing.TB) (signer, precert, final []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issue := func(template, parent *x509.Certificate) []byte {
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, IsCA: true,
		BasicConstraintsValid: true}
	purpose := *ca
	purpose.Subject.CommonName, purpose.UnknownExtKeyUsage = "Signer", []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 11129, 2, 4, 4}}
	leaf := func(id int, value []byte, parent *x509.Certificate) []byte {
		return issue(&x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: []string{"a.example"}, ExtraExtensions: []pkix.Extension{
			{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, id}, Value: value}}}, parent)
	}
	return issue(&purpose, ca), leaf(3, []byte{5, 0}, &purpose), leaf(2, []byte{4, 2, 0, 0}, ca)
}
