package demo

import (
	"context"
	"encoding/base64"
	"fmt"
	"sync"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

const (
	// prefill is how many entries each log begins with, so that there is something to see at once.
	prefill = 300
	// classicShare of the entries go to the RFC 6962 log. Tiled logs are read in whole tiles, or in part every few seconds: the
	// larger share keeps the picture moving.
	classicShare = 0.75
)

// logs is the pair of embedded CT logs.
type logs struct {
	classic, static *testlog.Log
	server          *testlog.Server
	// source gives what is in no log yet, copies what the other one may have already.
	source func() *testlog.Entry
	copies copies
	rate   float64
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
			log.Append(l.next(log))
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
	growing.Go(func() { l.classic.Grow(ctx, l.rate*classicShare, func() *testlog.Entry { return l.next(l.classic) }) })
	growing.Go(func() { l.static.Grow(ctx, l.rate*(1-classicShare), func() *testlog.Entry { return l.next(l.static) }) })
	growing.Wait()
}

// next is what a log is to hold next: by turns something new, and what the other one has.
func (l *logs) next(log *testlog.Log) *testlog.Entry {
	if log == l.classic {
		return l.copies.next(&l.copies.toClassic, &l.copies.toStatic, l.source)
	}
	return l.copies.next(&l.copies.toStatic, &l.copies.toClassic, l.source)
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
