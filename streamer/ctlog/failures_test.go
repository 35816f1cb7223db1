package ctlog

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// inMemory opens a log that is reached without a network.
func inMemory(l *testlog.Log) func(*Options) {
	return func(o *Options) { o.Client = &http.Client{Transport: testlog.Transport(l)} }
}

// filled is a test log with n entries that is not on any network.
func filled(o testlog.Options, n int) *testlog.Log {
	l := testlog.New(o)
	l.Append(sharedPool()[:n]...)
	l.Publish()
	return l
}

// attempt makes the request that a kind stands for.
func attempt(log Log, head TreeHead, kind string) error {
	ctx := context.Background()
	switch kind {
	case testlog.GetSTH, testlog.Checkpoint:
		_, err := log.Head(ctx)
		return err
	case testlog.HashTile, testlog.PartialHashTile, testlog.GetEntryAndProof:
		_, err := log.Frontier(ctx, head)
		return err
	case testlog.Issuer:
		_, err := log.Issuer(ctx, Hash{1})
		return err
	}
	b, err := log.Entries(ctx, head, 0, 256)
	if err == nil {
		b.Release()
	}
	return err
}

// cutBody shortens the JSON or the tile in the middle.
func cutBody(b []byte) []byte { return b[:len(b)/2] }

// failure is what one fault must look like to a follower. The numbers are the rows of the failure catalogue.
type failure struct {
	row        int
	name, on   string
	do         testlog.Action
	want       Kind
	retryAfter time.Duration
}

// classicFailures are those of an RFC 6962 log.
func classicFailures() []failure {
	const sth, entries = testlog.GetSTH, testlog.GetEntries
	return []failure{
		{1, "429, HTML", entries, testlog.TooManyRequests(""), RateLimited, 0},
		{1, "429, empty", entries, testlog.Status(429, ""), RateLimited, 0},
		{2, "429, seconds", entries, testlog.TooManyRequests("7"), RateLimited, 7 * time.Second},
		{3, "429, UTC date in the past", sth, testlog.TooManyRequests("Wed, 01 Dec 1999 15:04:05 UTC"), RateLimited, time.Second},
		{3, "429, absurd", entries, testlog.TooManyRequests("99999999999999999999"), RateLimited, 10 * time.Minute},
		{5, "empty list", entries, testlog.EmptyEntries(), Malformed, 0},
		{5, "empty object", entries, testlog.Status(200, "{}"), Malformed, 0},
		{6, "one entry too many", entries, testlog.ExtraEntry(), Malformed, 0},
		{8, "lagging frontend", entries, testlog.Status(400, "start beyond the tree"), NotYet, 0},
		{12, "false signature", sth, testlog.BadSignature(), BadSignature, 0},
		{20, "truncated leaf", entries, testlog.Rewrite(cutBody), Malformed, 0},
		{21, "bomb", entries, testlog.GzipBomb(9 << 20), Malformed, 0},
		{28, "HTML with 200", entries, testlog.HTML(), Malformed, 0},
		{28, "HTML with 200 for a head", sth, testlog.HTML(), Malformed, 0},
		{28, "head cut", sth, testlog.Rewrite(cutBody), Malformed, 0},
		{28, "BOM", entries, testlog.Rewrite(func(b []byte) []byte { return append([]byte("\ufeff"), b...) }), Malformed, 0},
		{28, "bytes after the end", entries, testlog.Trail([]byte("x")), Malformed, 0},
		{29, "reset", entries, testlog.Reset(1000), Network, 0},
		{30, "slow", entries, testlog.Slow(100), Timeout, 0},
		{31, "no headers", entries, testlog.Hang(), Timeout, 0},
		{34, "redirect to another host", sth, testlog.Redirect("https://other.example/ct/v1/get-sth"), Redirected, 0},
		{34, "redirect off TLS", sth, testlog.Redirect("http://log.example/ct/v1/get-sth"), Redirected, 0},
		{35, "403", entries, testlog.Forbidden(), Forbidden, 0},
		{35, "403 with Retry-After", entries, testlog.Status(403, "", "Retry-After", "30"), RateLimited, 30 * time.Second},
		{36, "500", entries, testlog.Status(500, "oops"), ServerError, 0},
		{36, "503 with Retry-After", sth, testlog.Status(503, "", "Retry-After", "5"), ServerError, 5 * time.Second},
		{0, "no proofs", testlog.GetEntryAndProof, testlog.Status(404, ""), NoProof, 0},
		{16, "proof from a lagging frontend", testlog.GetEntryAndProof, testlog.Status(400, "tree_size"), NotYet, 0},
		{0, "proof cut", testlog.GetEntryAndProof, testlog.Rewrite(cutBody), Malformed, 0},
		{14, "proof of another leaf", testlog.GetEntryAndProof, otherLeaf(), BadProof, 0},
	}
}

// otherLeaf answers get-entry-and-proof for another leaf.
func otherLeaf() testlog.Action {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		moved := r.Clone(r.Context())
		q := moved.URL.Query()
		q.Set("leaf_index", "7")
		moved.URL.RawQuery = q.Encode()
		next.ServeHTTP(w, moved)
	}
}

// staticFailures are those of a static-ct-api log.
func staticFailures() []failure {
	const data, checkpoint = testlog.DataTile, testlog.Checkpoint
	return []failure{
		{1, "429", data, testlog.TooManyRequests(""), RateLimited, 0},
		{3, "429, UTC date", data, testlog.TooManyRequests("Sat, 01 Jan 2000 00:00:30 UTC"), RateLimited, 30 * time.Second},
		{12, "false signature", checkpoint, testlog.BadSignature(), BadSignature, 0},
		{13, "extra line", checkpoint, testlog.Rewrite(func(b []byte) []byte {
			return bytes.Replace(b, []byte("\n\n"), []byte("\nextension\n\n"), 1)
		}), Malformed, 0},
		{13, "wrong origin", checkpoint, testlog.Rewrite(func(b []byte) []byte { return append([]byte("x"), b...) }), BadSignature, 0},
		{13, "only a foreign signature", checkpoint, testlog.Rewrite(func(b []byte) []byte {
			text, _, _ := bytes.Cut(b, []byte("\n\n"))
			return append(text, "\n\n— witness AAAAAAAAAAAA\n"...)
		}), BadSignature, 0},
		{19, "tile missing", data, testlog.Status(404, ""), NotYet, 0},
		{19, "tile missing in an object store", data, testlog.Status(403, "<Error><Code>AccessDenied</Code></Error>"), NotYet, 0},
		{20, "truncated", data, testlog.Truncate(5), Malformed, 0},
		{20, "one byte left over", data, testlog.Trail([]byte{0}), Malformed, 0},
		{20, "one entry too many", data, testlog.RewritePlain(func(b []byte) []byte { return append(bytes.Clone(b), b...) }), Malformed, 0},
		{20, "hash tile too short", testlog.HashTile, testlog.Truncate(1), Malformed, 0},
		{14, "hash tile corrupt", testlog.HashTile, testlog.FlipBit(-1), BadProof, 0},
		{21, "bomb", data, testlog.GzipBomb(9 << 20), Malformed, 0},
		{23, "entries swapped", data, testlog.SwapTileEntries(), Malformed, 0},
		{24, "unknown entry type", data, testlog.FlipBit(8), Malformed, 0},
		{27, "issuer missing", testlog.Issuer, testlog.Status(404, ""), NotYet, 0},
		{27, "issuer with another hash", testlog.Issuer, testlog.Status(200, "x"), Malformed, 0},
		{28, "HTML with 200", checkpoint, testlog.HTML(), Malformed, 0},
		{29, "reset", data, testlog.Reset(100), Network, 0},
		{30, "slow", data, testlog.Slow(100), Timeout, 0},
		{31, "no headers", checkpoint, testlog.Hang(), Timeout, 0},
		{36, "502", data, testlog.Status(502, ""), ServerError, 0},
	}
}

func TestFailuresOfRFC6962(t *testing.T) {
	testFailures(t, testlog.Options{Name: "log"}, classicFailures())
}

func TestFailuresOfStatic(t *testing.T) {
	testFailures(t, testlog.Options{Name: "log", Static: true}, staticFailures())
}

// testFailures injects each fault, expects the kind of error it stands for, and then a whole recovery.
func testFailures(t *testing.T, o testlog.Options, failures []failure) {
	l := filled(o, 512)
	for _, f := range failures {
		t.Run(fmt.Sprintf("row %d %s", f.row, f.name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := open(t, l, inMemory(l), func(o *Options) { o.MaxBody = 8 << 20 })
				head, err := log.Head(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				fault := l.Faults.Add(testlog.Fault{Kind: f.on, Do: f.do})
				other := l.Faults.Add(testlog.Fault{Kind: testlog.GetProofByHash, Do: f.do}) // the way round a missing proof
				err = attempt(log, head, f.on)
				checkFailure(t, err, f)
				if fault.Hits() == 0 {
					t.Error("the fault did not strike")
				}
				fault.Remove()
				other.Remove()
				if err := attempt(log, head, f.on); err != nil && f.on != testlog.Issuer {
					t.Errorf("after the fault: %v", err)
				}
			})
		})
	}
}

func checkFailure(t *testing.T, err error, want failure) {
	t.Helper()
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		t.Fatalf("error is %v", err)
	}
	if e.Kind != want.want || e.RetryAfter != want.retryAfter || e.Op == "" {
		t.Errorf("error %q is of kind %s with retry after %v; want %s, %v", e, e.Kind, e.RetryAfter, want.want, want.retryAfter)
	}
	if len(e.Error()) > 500 {
		t.Errorf("the error's text is %d bytes long", len(e.Error()))
	}
	if (want.want == NoProof) != errors.Is(err, ErrNoProof) {
		t.Errorf("errors.Is(%v, ErrNoProof) is wrong", err)
	}
}

// TestForgivenVariants are answers that are odd but whole: they must be read.
func TestForgivenVariants(t *testing.T) {
	classic, static := testlog.Options{Name: "log"}, testlog.Options{Name: "log", Static: true}
	for _, c := range []struct {
		name string
		o    testlog.Options
		on   string
		do   testlog.Action
	}{
		{"row 21: gzip not announced", static, testlog.DataTile, testlog.GzipUnannounced()},
		{"row 21: gzip announced, plain sent", static, testlog.DataTile, testlog.GzipFalse()},
		{"row 21: gzip twice", static, testlog.DataTile, testlog.GzipDouble()},
		{"gzip of get-entries, not announced", classic, testlog.GetEntries, testlog.GzipUnannounced()},
		{"gzip of get-sth", classic, testlog.GetSTH, testlog.GzipUnannounced()},
		{"row 28: wrong content type", classic, testlog.GetEntries, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			w.Header().Set("Content-Type", "text/html")
			next.ServeHTTP(w, r)
		}},
		{"row 4: short read", classic, testlog.GetEntries, testlog.ShortRead(3)},
		{"row 13: other signatures", static, testlog.Checkpoint, testlog.Rewrite(func(b []byte) []byte {
			return append(b, "— witness.example AAAAAAAAAAAA\n"...)
		})},
		{"unknown members and white space", classic, testlog.GetEntries, testlog.Rewrite(func(b []byte) []byte {
			return append([]byte("\n{ \"more\" : [1, {\"a\": null}, \"\\\"\"],\t"), b[1:]...)
		})},
		{"slow, but not too slow", classic, testlog.GetEntries, testlog.Slow(20_000)},
		{"late, but not too late", static, testlog.Checkpoint, testlog.Delay(29 * time.Second)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := filled(c.o, 256)
			synctest.Test(t, func(t *testing.T) {
				log := open(t, l, inMemory(l))
				fault := l.Faults.Add(testlog.Fault{Kind: c.on, Do: c.do})
				head, err := log.Head(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				readAll(t, log, l, head, new(Frontier))
				if fault.Hits() == 0 {
					t.Error("the fault did not strike")
				}
			})
		})
	}
}

// TestStrangeEntriesDoNotStopALog has entries of unknown version and type, and broken extra_data (rows 24 and 26).
func TestStrangeEntriesDoNotStopALog(t *testing.T) {
	good := sharedPool()[0]
	leaf := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 7, 1, 2, 3}
	for _, c := range []struct {
		name, want string
		entry      *testlog.Entry
		der        bool
	}{
		{"unknown entry type", "unknown entry type 7", &testlog.Entry{LeafInput: leaf, ExtraData: []byte{}}, false},
		{"unknown version", "unknown version 1", &testlog.Entry{LeafInput: append([]byte{1}, leaf...)}, false},
		{"short leaf", "truncated", &testlog.Entry{LeafInput: leaf[:5]}, false},
		{"extra_data cut", "extra_data", &testlog.Entry{DER: good.DER, ExtraData: []byte{0, 0, 9, 0}}, true},
		{"extra_data too long", "extra_data", &testlog.Entry{DER: good.DER, ExtraData: []byte{0, 0, 0, 0}}, true},
		{"precert without extra_data", "extra_data", &testlog.Entry{Precert: true, DER: good.DER, TBS: good.TBS, ExtraData: []byte{}}, false},
		{"chain empty", "", &testlog.Entry{DER: good.DER}, true},
		{"not a certificate", "", &testlog.Entry{DER: []byte("rubbish")}, true},
	} {
		l := testlog.New(testlog.Options{Name: "log"})
		l.Append(good, c.entry, good)
		l.Publish()
		log := open(t, l, inMemory(l))
		head, err := log.Head(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		b, err := log.Entries(context.Background(), head, 0, 3)
		if err != nil || len(b.Entries) != 3 {
			t.Fatalf("%s: %v", c.name, err)
		}
		e := b.Entries[1]
		if !strings.Contains(e.Malformed, c.want) || (c.want == "") != (e.Malformed == "") || (e.Certificate != nil) != c.der {
			t.Errorf("%s: malformed %q, certificate of %d bytes", c.name, e.Malformed, len(e.Certificate))
		}
		if e.LeafHash != Hash(l.LeafHash(1)) || b.Entries[2].Malformed != "" {
			t.Errorf("%s: the entries around it suffer", c.name)
		}
		b.Release()
	}
}

// TestGiantEntries reads entries near the 16 MiB that a u24 allows (row 22).
func TestGiantEntries(t *testing.T) {
	giant := &testlog.Entry{DER: make([]byte, 1<<24-1), Chain: [][]byte{make([]byte, 1<<20)}}
	for _, static := range []bool{false, true} {
		l := testlog.New(testlog.Options{Name: "log", Static: static})
		l.Append(sharedPool()[0], giant, sharedPool()[1])
		l.Publish()
		log := open(t, l, inMemory(l))
		head, err := log.Head(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, log, l, head, new(Frontier))
	}
}

// TestTooLargeAnswersMakePagesSmaller has a page that does not fit, of entries that do.
func TestTooLargeAnswersMakePagesSmaller(t *testing.T) {
	l := testlog.New(testlog.Options{Name: "log"})
	for range 64 {
		l.Append(&testlog.Entry{DER: make([]byte, 20<<10)})
	}
	l.Publish()
	log := open(t, l, inMemory(l), func(o *Options) { o.MaxBody = 200 << 10 })
	head, err := log.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for tries := range 20 {
		b, err := log.Entries(context.Background(), head, 0, 64)
		if err == nil {
			t.Logf("%d entries after %d tries", len(b.Entries), tries)
			b.Release()
			return
		}
	}
	t.Error("the page never became small enough")
}

// TestSecondTryGoesPastCaches has a cache that keeps a false tile (rows 7 and 20).
func TestSecondTryGoesPastCaches(t *testing.T) {
	l := filled(testlog.Options{Name: "log", Static: true}, 256)
	l.Faults.Add(testlog.Fault{Kind: testlog.DataTile, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("Cache-Control") == "no-cache" {
			next.ServeHTTP(w, r)
			return
		}
		testlog.Truncate(1)(w, r, next)
	}})
	log := open(t, l, inMemory(l))
	head, err := log.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := attempt(log, head, testlog.DataTile); err == nil {
		t.Error("the false tile was taken")
	}
	readAll(t, openFresh{log}, l, head, new(Frontier))
}

// openFresh is a Log whose entries are fetched past caches.
type openFresh struct{ Log }

func (l openFresh) Entries(ctx context.Context, head TreeHead, start, end uint64) (*Batch, error) {
	return l.Log.Entries(Fresh(ctx), head, start, end)
}

func TestProofByHashWhereEntryAndProofIsMissing(t *testing.T) {
	l := filled(testlog.Options{Name: "log"}, 100)
	l.Faults.Add(testlog.Fault{Kind: testlog.GetEntryAndProof, Do: testlog.Status(501, "")})
	log := open(t, l, inMemory(l))
	head, err := log.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	f, err := log.FrontierAt(context.Background(), head, 77)
	if err != nil || f.Root() != Hash(l.Root(77)) {
		t.Errorf("frontier %v, error %v", f, err)
	}
}

func TestHooksSeeEveryRequest(t *testing.T) {
	l := filled(testlog.Options{Name: "log", Static: true}, 300)
	var before, after atomic.Int32
	var refuse atomic.Bool
	var outcomes []Outcome
	log := open(t, l, inMemory(l), func(o *Options) {
		o.Hooks = Hooks{
			Before: func(context.Context, Request) error {
				before.Add(1)
				if refuse.Load() {
					return context.Canceled
				}
				return nil
			},
			After: func(o Outcome) { after.Add(1); outcomes = append(outcomes, o) },
		}
	})
	head, err := log.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, log, l, head, new(Frontier))
	l.Faults.Add(testlog.Fault{Kind: testlog.Checkpoint, Do: testlog.TooManyRequests("3")})
	if _, err := log.Head(context.Background()); err == nil {
		t.Error("no error of a 429")
	}
	var got []string
	for _, o := range outcomes {
		got = append(got, fmt.Sprintf("%s %d %s %v %v", o.What, o.Status, o.Kind, o.RetryAfter, o.Bytes > 0))
	}
	want := []string{"head 200  0s true", "tile 200  0s true", "partial_tile 200  0s true", "head 429 rate_limited 3s false"}
	if fmt.Sprint(got) != fmt.Sprint(want) || before.Load() != after.Load() || int(after.Load()) != l.Stats.Total() {
		t.Errorf("hooks saw %q, %d before, %d after, of %d requests", got, before.Load(), after.Load(), l.Stats.Total())
	}
	refuse.Store(true)
	if _, err := log.Head(context.Background()); !errors.Is(err, context.Canceled) || l.Stats.Total() != 4 {
		t.Errorf("a refused request was made all the same, error %v", err)
	}
}

func TestHybridReadsTilesBelowSTHs(t *testing.T) {
	l := filled(testlog.Options{Name: "log", Static: true, Hybrid: true}, 300)
	o := testOptions(t, l)
	inMemory(l)(&o)
	log, err := NewHybrid(o)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	head, err := log.Head(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	f, err := log.FrontierAt(context.Background(), head, 10)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, log, l, head, f)
	issuer := Hash(testlogIssuer(l))
	if der, err := log.Issuer(context.Background(), issuer); err != nil || len(der) == 0 {
		t.Errorf("issuer: %v", err)
	}
	if l.Stats.Kind(testlog.GetEntries).Requests != 0 || log.Page() != tileWidth {
		t.Error("entries were fetched by get-entries")
	}
}

// testlogIssuer is the fingerprint of the first entry's issuer.
func testlogIssuer(l *testlog.Log) [32]byte {
	e, _ := l.Entry(0)
	return leafIssuer(e)
}

func TestConstructorsRefuseWhatCannotBeRight(t *testing.T) {
	l := testlog.New(testlog.Options{})
	good := Options{URL: "https://log.example/", Key: l.Key(), LogID: l.ID()}
	for name, edit := range map[string]func(*Options){
		"no url": func(o *Options) { o.URL = "" }, "relative url": func(o *Options) { o.URL = "log.example" },
		"query": func(o *Options) { o.URL += "?x=1" }, "user": func(o *Options) { o.URL = "https://me:secret@log.example/" },
		"no key":   func(o *Options) { o.Key, o.LogID = nil, Hash{} },
		"other id": func(o *Options) { o.LogID[0]++ }, "other key type": func(o *Options) { o.Key, o.LogID = ed25519Key(t), Hash{} },
		"submission": func(o *Options) { o.SubmissionURL = "x" },
	} {
		for _, constructor := range []func(Options) (Log, error){NewRFC6962, NewStatic, NewHybrid} {
			o := good
			edit(&o)
			log, err := constructor(o)
			if err == nil || log != nil {
				t.Errorf("%s passes", name)
			} else if strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: the error shows a password: %v", name, err)
			}
		}
	}
}

func TestTreeHeadsThatLackAMember(t *testing.T) {
	root := base64.StdEncoding.EncodeToString(make([]byte, 32))
	whole := map[string]any{"tree_size": 1, "timestamp": 2, "sha256_root_hash": root, "tree_head_signature": "BAMAAA=="}
	for drop := range whole {
		part := map[string]any{}
		for name, value := range whole {
			if name != drop {
				part[name] = value
			}
		}
		b, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := parseSTH(b); err == nil {
			t.Errorf("without %s it passes", drop)
		}
	}
}
