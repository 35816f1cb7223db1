package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// row is a row of the failure catalogue (internal/testlog lists them), or a variant of one.
type row struct {
	n    int
	name string
	// only says which logs can have it: "classic", "tiled", "secure" (TLS), or "" for all.
	only string
	// doubtful rows make a log serve wrong entries (in a short answer, one too many is one in another's place), which the roots tell
	// of minutes later; server rows stop its server.
	doubtful, server bool
	// begin makes it happen; end ends it and says how many requests went wrong.
	begin func(l *growing, rng *rand.Rand) (end func() (hits int))
}

// Rows 17, 24 to 26 and 41 are in what the logs hold, 18 is an option of some, 11 and 15 are liar's (faults.go), 37, 38 and 40 are the
// list's, 43 is the kill test's.
var (
	classicEntries = []string{testlog.GetEntries}
	tiles          = []string{testlog.DataTile, testlog.PartialDataTile}
	entries        = append(slices.Clone(classicEntries), tiles...)
	heads          = []string{testlog.GetSTH, testlog.Checkpoint}
	anything       = []string{""}
)

// catalogue is made anew for each use: actions may have state.
func catalogue() []row {
	return []row{
		{n: 1, name: "429 storm", begin: sometimes(0.7, anything, testlog.TooManyRequests(""))},
		{n: 1, name: "token bucket", begin: sometimes(1, anything, testlog.RateLimit(2, ""))},
		{n: 2, name: "Retry-After: 2", begin: sometimes(0.2, anything, testlog.TooManyRequests("2"))},
		{n: 3, name: "Retry-After as a date", begin: retryDates},
		{n: 4, name: "short reads", only: "classic", begin: sometimes(0.7, classicEntries, testlog.ShortRead(7))},
		{n: 5, name: "no entries", only: "classic", begin: sometimes(0.5, classicEntries, testlog.EmptyEntries())},
		{n: 6, name: "one entry too many", only: "classic", doubtful: true, begin: sometimes(0.5, classicEntries, testlog.ExtraEntry())},
		{n: 7, name: "answer starts elsewhere", only: "classic", doubtful: true, begin: once(classicEntries, testlog.Shift(-32))},
		{n: 8, name: "lagging frontend", begin: lagging(entries)},
		{n: 9, name: "smaller heads", begin: lagging(heads)},
		{n: 10, name: "frozen", begin: frozen},
		{n: 12, name: "bad signature", begin: sometimes(0.5, heads, testlog.BadSignature())},
		{n: 13, name: "foreign signatures", only: "tiled", begin: sometimes(1, heads,
			testlog.Trail([]byte("\u2014 witness.example/w1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n")))},
		{n: 13, name: "wrong origin", only: "tiled", begin: sometimes(0.5, heads, testlog.RewritePlain(func(b []byte) []byte {
			return append([]byte("other.example/"), b...)
		}))},
		{n: 14, name: "one entry wrong", doubtful: true, begin: corrupt},
		{n: 16, name: "no consistency proof", only: "classic", begin: sometimes(1, []string{testlog.GetConsistency}, testlog.Status(400, "no"))},
		{n: 19, name: "tiles missing", only: "tiled", begin: sometimes(0.5, tiles, testlog.Status(404, ""))},
		{n: 20, name: "tile cut", only: "tiled", begin: sometimes(0.5, tiles, testlog.Truncate(100))},
		{n: 20, name: "tile too long", only: "tiled", begin: sometimes(0.5, tiles, testlog.Trail([]byte{0, 1, 2}))},
		{n: 20, name: "hash tile cut", only: "tiled", begin: sometimes(0.5, []string{testlog.HashTile, testlog.PartialHashTile}, testlog.Truncate(16))},
		{n: 21, name: "gzip not announced", only: "tiled", begin: sometimes(0.5, tiles, testlog.GzipUnannounced())},
		{n: 21, name: "gzip announced falsely", only: "tiled", begin: sometimes(0.5, tiles, testlog.GzipFalse())},
		{n: 21, name: "gzip twice", only: "tiled", begin: sometimes(0.5, tiles, testlog.GzipDouble())},
		{n: 21, name: "gzip bomb", only: "tiled", begin: sometimes(0.2, tiles, testlog.GzipBomb(80<<20))},
		{n: 22, name: "giant entry", begin: giant},
		{n: 23, name: "leaf_index wrong", only: "tiled", begin: sometimes(0.5, tiles, testlog.SwapTileEntries())},
		{n: 27, name: "issuers missing", only: "tiled", begin: sometimes(1, []string{testlog.Issuer}, testlog.Status(404, ""))},
		{n: 28, name: "HTML with 200", begin: sometimes(0.5, anything, testlog.HTML())},
		{n: 28, name: "half an answer", begin: sometimes(0.5, anything, testlog.Rewrite(func(b []byte) []byte { return b[:len(b)/2] }))},
		{n: 28, name: "byte order mark", only: "classic", begin: sometimes(0.5, anything, testlog.Rewrite(func(b []byte) []byte {
			return append([]byte("\xef\xbb\xbf"), b...)
		}))},
		{n: 29, name: "reset", begin: sometimes(0.5, anything, testlog.Reset(3000))},
		{n: 30, name: "slow body", begin: sometimes(0.5, entries, testlog.Slow(100))},
		{n: 31, name: "no headers", begin: sometimes(0.3, anything, testlog.Hang())},
		{n: 31, name: "late", begin: sometimes(0.5, anything, testlog.Delay(time.Second))},
		{n: 32, name: "host gone", server: true, begin: gone(0)},
		{n: 33, name: "TLS certificate expired", only: "secure", server: true, begin: gone(-time.Hour)},
		{n: 34, name: "redirect", begin: sometimes(0.5, anything, testlog.Redirect("http://127.0.0.1:9/"))},
		{n: 35, name: "forbidden", begin: once(anything, testlog.Forbidden())},
		{n: 36, name: "server errors", begin: sometimes(0.5, anything, serverError())},
		{n: 42, name: "backlog", begin: func(l *growing, rng *rand.Rand) func() int {
			l.add(100 + rng.IntN(400))
			return func() int { return 0 }
		}},
	}
}

// fits says whether a log can have the row.
func (r row) fits(l *growing) bool {
	switch r.only {
	case "classic":
		return !l.Static()
	case "tiled":
		return l.Static()
	case "secure":
		return l.secure
	}
	return true
}

// sometimes lets requests of some kinds go wrong with a probability.
func sometimes(probability float64, kinds []string, do testlog.Action) func(*growing, *rand.Rand) func() int {
	return add(kinds, testlog.Fault{Probability: probability, Do: do})
}

// once lets one request of each kind go wrong.
func once(kinds []string, do testlog.Action) func(*growing, *rand.Rand) func() int {
	return add(kinds, testlog.Fault{Times: 1, Do: do})
}

func add(kinds []string, fault testlog.Fault) func(*growing, *rand.Rand) func() int {
	return func(l *growing, _ *rand.Rand) func() int {
		var active []*testlog.Active
		for _, kind := range kinds {
			fault.Kind = kind
			active = append(active, l.Faults.Add(fault))
		}
		return func() (hits int) {
			for _, a := range active {
				hits += a.Hits()
				a.Remove()
			}
			return hits
		}
	}
}

func retryDates(l *growing, rng *rand.Rand) func() int {
	formats := []string{"Mon, 02 Jan 2006 15:04:05 GMT", "Mon, 02 Jan 2006 15:04:05 UTC"}
	at := time.Now().Add(time.Duration(rng.IntN(6)-3) * time.Second).UTC().Format(formats[rng.IntN(2)])
	return sometimes(0.2, anything, testlog.TooManyRequests(at))(l, rng)
}

// lagging shows the log as it was a while ago, to every other request.
func lagging(kinds []string) func(*growing, *rand.Rand) func() int {
	return func(l *growing, rng *rand.Rand) func() int {
		size := l.Size()
		behind := testlog.ServeOther(l.At(size - min(size, rng.Uint64N(300))))
		return add(kinds, testlog.Fault{Every: 2, Do: behind})(l, rng)
	}
}

func frozen(l *growing, _ *rand.Rand) func() int {
	l.Freeze()
	return func() int {
		l.Thaw()
		return 0
	}
}

// corrupt serves another certificate in the place of one that is yet to be read.
func corrupt(l *growing, rng *rand.Rand) func() int {
	index := l.Size() + rng.Uint64N(20)
	l.Corrupt(index, l.nameless[0])
	return func() int {
		l.Corrupt(index, nil)
		return 0
	}
}

func giant(l *growing, _ *rand.Rand) func() int {
	l.appendOdd(&testlog.Entry{DER: bytes.Repeat([]byte{0x30}, 2<<20), Chain: l.nameless[0].Chain})
	return func() int { return 0 }
}

func serverError() testlog.Action {
	codes := []int{500, 502, 503, 504}
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.WriteHeader(codes[rand.IntN(len(codes))])
	}
}

// gone stops the log's server; with a lifetime below zero one with an expired certificate takes its place meanwhile.
func gone(lifetime time.Duration) func(*growing, *rand.Rand) func() int {
	return func(l *growing, _ *rand.Rand) func() int {
		l.server.Close()
		if lifetime < 0 {
			l.mustListen(lifetime)
		}
		return func() int {
			l.server.Close()
			l.mustListen(0)
			return 0
		}
	}
}

// mustListen takes the port back, which somebody else may have for a moment.
func (l *growing) mustListen(lifetime time.Duration) {
	err := l.listen(lifetime)
	for try := 0; err != nil && try < 50; try++ {
		pause(context.Background(), 100*time.Millisecond)
		err = l.listen(lifetime)
	}
	if err != nil {
		panic(err)
	}
}

// trouble has a log go through the rows, shuffled, until ctx ends. Each lasts up to a time; so does the rest between two.
type trouble struct {
	longest, rest time.Duration
	usable        func(*growing, row) bool
	began         func(l *growing, r row)
}

// run returns the number of requests that went wrong.
func (t trouble) run(ctx context.Context, l *growing, rng *rand.Rand) (hits int) {
	for ctx.Err() == nil {
		rows := slices.DeleteFunc(catalogue(), func(r row) bool { return !r.fits(l) })
		rng.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		for _, r := range rows {
			if !pause(ctx, time.Duration(rng.Int64N(int64(t.rest)))) {
				return hits
			}
			if !t.usable(l, r) {
				continue
			}
			hits += t.one(ctx, l, r, rng)
		}
	}
	return hits
}

// one lets a row happen for a while, unless the log is to be quiet.
func (t trouble) one(ctx context.Context, l *growing, r row, rng *rand.Rand) (hits int) {
	l.turn.Lock()
	defer l.turn.Unlock()
	t.began(l, r)
	end := r.begin(l, rng)
	pause(ctx, t.longest/4+time.Duration(rng.Int64N(int64(t.longest))))
	return end()
}

// String names the row.
func (r row) String() string { return fmt.Sprintf("row %d, %s", r.n, r.name) }
