package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/publish"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// serverParams say what the server publishes.
type serverParams struct {
	Kind message.Kind
	// Size is that of a message, Rate messages per second, Batch how many are appended at a time.
	Size, Rate, Batch int
	// Window is the engine's size in bytes.
	Window  int
	Profile string
	// TLS is spoken over HTTP. Drain is over how long the command of this name closes clients.
	TLS   bool
	Drain time.Duration
}

// bench is the streamer from the engine on, and what drives it.
type bench struct {
	params  serverParams
	window  *engine.Window
	metrics *telemetry.Fanout
	server  *serve.Server
	stamped *template
	stop    func()
}

// runServer is the role "server": `address`, `tcp`, `start`, `stop`, `usage`.
func runServer(ctx context.Context, text string) error {
	var p serverParams
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	debug.SetGCPercent(gcPercent)
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	b, err := newBench(ctx, p, &wait)
	if err != nil {
		return err
	}
	http, err := b.listen(ctx, &wait)
	if err != nil {
		return err
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	wait.Go(func() { _ = b.server.ServeTCP(ctx, serve.Guard(tcp, false)) })
	return answer(map[string]func() (any, error){
		"http":  func() (any, error) { return http, nil },
		"tcp":   func() (any, error) { return tcp.Addr().String(), nil },
		"start": func() (any, error) { return nil, b.start(ctx) },
		"stop":  func() (any, error) { b.stop(); return b.published(), nil },
		"usage": func() (any, error) { return used(), nil },
		"drain": func() (any, error) { b.server.Drain(ctx, p.Drain); return nil, nil },
		"settle": func() (any, error) {
			debug.FreeOSMemory()
			return used(), nil
		},
	})
}

func newBench(ctx context.Context, p serverParams, wait *sync.WaitGroup) (*bench, error) {
	log := slog.New(slog.DiscardHandler)
	registry := prometheus.NewRegistry()
	b := &bench{params: p, metrics: telemetry.NewFanout(registry)}
	b.window = engine.NewWindow(engine.WindowOptions{MaxBytes: p.Window, Numbering: engine.Numbering{Epoch: "1bench"}})
	publisher := publish.New(publish.Options{Engine: b.window, Filters: filter.NewSet(filter.DefaultOptions()),
		Metrics: b.metrics, Log: log})
	gate, err := access.New(access.Options{}, log, telemetry.NewAccess(registry, access.Reasons()))
	if err != nil {
		return nil, err
	}
	settings := serve.DefaultSettings()
	settings.Protocols[feed.Lines] = true
	b.server = serve.New(serve.Options{Publisher: publisher, Engine: b.window, Gate: gate,
		Metrics: b.metrics, Log: log, Settings: settings})
	if b.stamped, err = newTemplate(p.Kind, p.Size); err != nil {
		return nil, err
	}
	wait.Go(func() { _ = publisher.Run(ctx) })
	wait.Go(func() { b.server.Run(ctx) })
	return b, nil
}

func (b *bench) listen(ctx context.Context, wait *sync.WaitGroup) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listening: %w", err)
	}
	ln = serve.Guard(ln, b.params.TLS)
	if b.params.TLS {
		settings, err := serverTLS()
		if err != nil {
			return "", err
		}
		ln = tls.NewListener(ln, settings)
	}
	server := serve.NewHTTPServer(b.server, serve.HTTPOptions{HeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10},
		slog.New(slog.NewTextHandler(os.Stderr, nil)))
	wait.Go(func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "serving:", err)
		}
	})
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return ln.Addr().String(), nil
}

// start publishes at the rate asked for until stop is called.
func (b *bench) start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	b.stop = func() { cancel(); wait.Wait() }
	if b.params.Profile != "" {
		file, err := os.Create(b.params.Profile)
		if err != nil {
			return fmt.Errorf("writing a profile: %w", err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("profiling: %w", err)
		}
		stop := b.stop
		b.stop = func() { stop(); pprof.StopCPUProfile(); _ = file.Close() }
	}
	wait.Go(func() { b.drive(ctx) })
	return nil
}

// drive appends batches, evenly spaced.
func (b *bench) drive(ctx context.Context) {
	batch := make([]engine.Entry, b.params.Batch)
	every := time.Second * time.Duration(b.params.Batch) / time.Duration(b.params.Rate)
	begin := time.Now()
	for n := 0; ; n++ {
		time.Sleep(time.Until(begin.Add(every * time.Duration(n))))
		now := time.Now()
		for i := range batch {
			batch[i] = engine.Entry{Source: benchSource, Index: uint64(n*len(batch) + i), Seen: now.UnixMilli(),
				Timestamp: uint64(now.UnixMilli()), DER: b.stamped.stampInto(batch[i].DER, now)}
		}
		if _, _, err := b.window.Append(ctx, batch); err != nil || ctx.Err() != nil {
			return
		}
	}
}

// published is what has been published, and what clients have been told they missed.
type published struct {
	Entries                      uint64
	Gaps, Cut, Replayed, Blocked int
}

func (b *bench) published() published {
	sum := func(reasons ...string) (n int) {
		for _, reason := range reasons {
			n += int(testutil.ToFloat64(b.metrics.Disconnects.WithLabelValues(reason)))
		}
		return n
	}
	return published{
		Entries:  b.window.Head(),
		Gaps:     int(testutil.ToFloat64(b.metrics.Gaps.WithLabelValues(string(message.GapSlow)))),
		Cut:      sum(strings.Fields("reset stuck slow no_pong protocol")...),
		Replayed: int(testutil.ToFloat64(b.metrics.Replayed)),
		Blocked:  int(testutil.ToFloat64(b.metrics.Blocked)),
	}
}
