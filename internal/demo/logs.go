package demo

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

const (
	// prefill is how many entries each log begins with, so that there is something to see at once.
	prefill = 300
	// issued is how many certificates the demo's own CA makes at the start.
	issued = 2 * testlog.NumShapes
	// varied is the rate up to which every certificate of the own CA is made anew: signing costs.
	varied = 1000.0
	// classicShare of the entries go to the RFC 6962 log. Tiled logs are read in whole tiles, or in part every few seconds: the
	// larger share keeps the picture moving.
	classicShare = 0.75
)

// logs is the pair of embedded CT logs.
type logs struct {
	classic, static *testlog.Log
	server          *testlog.Server
	source          func() *testlog.Entry
	rate            float64
	// real is how many certificates the corpus holds.
	real int
}

// startLogs fills both logs and serves them on a free port of this machine.
func startLogs(corpus string, rate float64) (*logs, error) {
	entries, err := readCorpus(corpus)
	if err != nil {
		return nil, err
	}
	l := &logs{
		classic: testlog.New(testlog.Options{Name: "Demo RFC 6962 log", Operator: "Demo", Align: true, MaxGetEntries: 1024}),
		static:  testlog.New(testlog.Options{Name: "Demo tiled log", Operator: "Demo", Static: true}),
		source:  mix(entries, testlog.NewCA("Demo CA"), rate),
		rate:    rate,
		real:    len(entries),
	}
	for _, log := range []*testlog.Log{l.classic, l.static} {
		for range prefill {
			log.Append(l.source())
		}
		log.Publish()
	}
	l.server, err = testlog.Serve("127.0.0.1:0", nil, l.classic, l.static)
	if err != nil {
		return nil, fmt.Errorf("starting the embedded logs: %w", err)
	}
	return l, nil
}

// close ends the logs' server.
func (l *logs) close() { l.server.Close() }

// grow adds entries to both logs until ctx ends.
func (l *logs) grow(ctx context.Context) {
	var growing sync.WaitGroup
	growing.Go(func() { l.classic.Grow(ctx, l.rate*classicShare, l.source) })
	growing.Go(func() { l.static.Grow(ctx, l.rate*(1-classicShare), l.source) })
	growing.Wait()
}

// custom describes the logs to the streamer, with their keys: signatures and roots are checked as with public logs.
func (l *logs) custom() []config.CustomLog {
	describe := func(log *testlog.Log, protocol string) config.CustomLog {
		return config.CustomLog{
			Name: log.Name(), Operator: "Demo", URL: log.URL(), SubmissionURL: log.URL(), Protocol: protocol,
			Key: base64.StdEncoding.EncodeToString(log.Key()), MMD: config.Default().LogList.RefreshInterval,
		}
	}
	classic := describe(l.classic, "rfc6962")
	classic.SubmissionURL = ""
	return []config.CustomLog{classic, describe(l.static, "tiled")}
}

// readCorpus reads real entries, in the form of a data tile; none without a file.
func readCorpus(path string) ([]*testlog.Entry, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the corpus: %w", err)
	}
	entries, err := testlog.ParseTile(data, func(testlog.Hash) []byte { return nil })
	if err != nil {
		return nil, fmt.Errorf("reading the corpus %s: %w", path, err)
	}
	for _, e := range entries {
		e.Timestamp = 0 // logged now
	}
	return entries, nil
}

// mix is an endless row of entries: mostly real precertificates out of a log's tile, whose issuers are unknown; certificates of
// the demo's own CA with whole chains; and now and then one of the parser vectors, many of them malformed on purpose.
func mix(corpus []*testlog.Entry, ca *testlog.CA, rate float64) func() *testlog.Entry {
	own := ca.Source(issued)
	if rate > varied {
		own = testlog.Cycle(ca.Pool(issued))
	}
	var logged, vectors []*testlog.Entry
	for _, e := range corpus {
		if e.Precert {
			logged = append(logged, e)
		} else {
			vectors = append(vectors, e)
		}
	}
	if len(logged) == 0 || len(vectors) == 0 {
		return own
	}
	nextLogged, nextVector := testlog.Cycle(logged), testlog.Cycle(vectors)
	var n atomic.Uint64
	return func() *testlog.Entry {
		switch n.Add(1) % 10 {
		case 0:
			return nextVector()
		case 3, 6, 9:
			return own()
		}
		return nextLogged()
	}
}
