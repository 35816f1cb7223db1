package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// logsParams describe a process that serves CT logs, half of them tiled.
type logsParams struct {
	Dir  string
	Logs int
	// Rate is the growth of all together per second; Held what each holds at first.
	Rate, Held int
}

// gcPercent is cmd/streamer's.
const gcPercent = 25

// list is where the log list of a process of logs is.
func (p logsParams) list() string { return filepath.Join(p.Dir, "logs.json") }

// runLogs serves logs until stdin ends.
func runLogs(ctx context.Context, text string) error {
	var p logsParams
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	again := testlog.Cycle(testlog.NewCA("Bench CA").Pool(256))
	var logs []*testlog.Log
	for i := range p.Logs {
		l := testlog.New(testlog.Options{Name: fmt.Sprintf("Log %d", i), Operator: fmt.Sprintf("Operator %d", i/8), Static: i%2 == 1})
		for range p.Held {
			l.Append(again())
		}
		l.Publish()
		logs = append(logs, l)
	}
	server, err := testlog.Serve("127.0.0.1:0", nil, logs...)
	if err != nil {
		return err
	}
	defer server.Close()
	if err := os.WriteFile(p.list(), testlog.LogList(logs...), 0o600); err != nil {
		return fmt.Errorf("writing the log list: %w", err)
	}
	growing, stop := context.WithCancel(ctx)
	var growth sync.WaitGroup
	defer growth.Wait()
	defer stop()
	for _, l := range logs {
		growth.Go(func() { l.Grow(growing, float64(p.Rate)/float64(p.Logs), again) })
	}
	return answer(map[string]func() (any, error){"ready": func() (any, error) { return true, nil }})
}

// wholeParams are the settings of a whole streamer.
type wholeParams struct {
	List, More string
}

// runWhole runs the streamer as users do, but on a free port, until stdin ends.
func runWhole(ctx context.Context, text string) error {
	var p wholeParams
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	file := filepath.Join(filepath.Dir(p.List), "config.yaml")
	content := fmt.Sprintf("host: 127.0.0.1\nport: 0\nct_logs_url: %s\nnetwork: {allow_private_addresses: true, allow_http: true}\n%s",
		p.List, p.More)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	debug.SetGCPercent(gcPercent)
	load := config.Options{Path: file, Env: []string{}}
	loaded, err := config.Load(load)
	if err != nil {
		return err
	}
	s, err := streamer.New(streamer.Options{Config: loaded, Load: load, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(running, running) }()
	err = answer(map[string]func() (any, error){
		"usage":   func() (any, error) { return used(), nil },
		"head":    func() (any, error) { return s.Status().Head, nil },
		"address": func() (any, error) { return s.HTTPAddr().String(), nil },
	})
	stop()
	return first(err, <-ended)
}

// startLogs starts a process of logs, in a folder of its own.
func startLogs(ctx context.Context, logs *logsParams) (stop func(), err error) {
	if logs.Dir, err = os.MkdirTemp("", "bench"); err != nil {
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	remove := func() { _ = os.RemoveAll(logs.Dir) }
	served, err := start(ctx, "logs", *logs)
	if err != nil {
		remove()
		return nil, err
	}
	stop = func() { served.stop(); remove() }
	var ready bool
	if err := served.ask("ready", &ready); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// whole starts logs and a streamer that follows them.
func whole(ctx context.Context, logs logsParams, more string) (stop func(), streamer *process, err error) {
	stopLogs, err := startLogs(ctx, &logs)
	if err != nil {
		return nil, nil, err
	}
	streamer, err = start(ctx, "whole", wholeParams{List: logs.list(), More: more})
	if err != nil {
		stopLogs()
		return nil, nil, err
	}
	return func() { streamer.stop(); stopLogs() }, streamer, nil
}

// following is what it takes to follow logs.
type following struct {
	rss   int
	cores float64
	rate  float64 // entries per second
}

// follow measures the whole program that follows logs, after it has settled.
func follow(ctx context.Context, o *options, logs int) (f following, err error) {
	stop, s, err := whole(ctx, logsParams{Logs: logs, Rate: 1600, Held: 100}, "window: {size: 4MiB}\n")
	if err != nil {
		return f, err
	}
	defer stop()
	time.Sleep(10*time.Second + o.time)
	var before, after usage
	var from, to uint64
	if err := first(s.ask("usage", &before), s.ask("head", &from)); err != nil {
		return f, err
	}
	begin := time.Now()
	time.Sleep(o.time)
	if err := first(s.ask("usage", &after), s.ask("head", &to)); err != nil {
		return f, err
	}
	took := time.Since(begin).Seconds()
	return following{after.RSS, (after.CPU - before.CPU).Seconds() / took, float64(to-from) / took}, nil
}

// rssFollowing is the memory of the whole program that follows 60 logs.
func rssFollowing(ctx context.Context, o *options) (string, error) {
	f, err := follow(ctx, o, 60)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s at %.0f entries/s, %.2f core", mib(f.rss), f.rate, f.cores), nil
}

// perLog compares the whole program with 20, 60 and 120 logs, which grow by the same number of entries together.
func perLog(ctx context.Context, o *options) (string, error) {
	var all []following
	for _, logs := range []int{20, 60, 120} {
		f, err := follow(ctx, o, logs)
		if err != nil {
			return "", err
		}
		all = append(all, f)
	}
	few, many := all[0], all[2]
	return fmt.Sprintf("%.0f KiB and %.2f ‰ of a core for each more; 20: %s, %.3f core, 60: %s, %.3f core, 120: %s, %.3f core",
		float64(many.rss-few.rss)/100/1024, (many.cores-few.cores)/100*1000, mib(few.rss), few.cores, mib(all[1].rss), all[1].cores,
		mib(many.rss), many.cores), nil
}

// catchUp is how fast a tiled log's backlog goes through the whole program, verification included, and what it costs.
func catchUp(ctx context.Context, o *options) (string, error) {
	const backlog = 400_000
	gunzip, hash, err := unavoidable(ctx, o)
	if err != nil {
		return "", err
	}
	stop, s, err := whole(ctx, logsParams{Logs: 2, Held: backlog / 2},
		"logs: {protocols: [tiled]}\nct_log: {start: 'index:0', catch_up_rate: 10000000, requests_per_second: 10000}\n")
	if err != nil {
		return "", err
	}
	defer stop()
	begin := time.Now()
	var head uint64
	for head < backlog/2 {
		if time.Since(begin) > time.Minute {
			return "", fmt.Errorf("only %d of %d entries in a minute", head, backlog/2)
		}
		time.Sleep(10 * time.Millisecond)
		if err := s.ask("head", &head); err != nil {
			return "", err
		}
	}
	took := time.Since(begin).Seconds()
	var u usage
	if err := s.ask("usage", &u); err != nil {
		return "", err
	}
	each := 1e6 * u.CPU.Seconds() / float64(head)
	return fmt.Sprintf("%.0f entries/s, %.2f cores, %.1f µs CPU per entry; gunzip %.2f and leaf hash %.2f alone: %.1f ×",
		float64(head)/took, u.CPU.Seconds()/took, each, gunzip/1000, hash/1000, each/(gunzip+hash)*1000), nil
}
