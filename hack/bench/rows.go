package main

import (
	"context"
	"fmt"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// paths are the WebSocket streams'.
var paths = map[message.Kind]string{message.Full: "/full-stream", message.Lite: "/", message.Domains: "/domains-only"}

const memoryWindow = 4 << 20

// pair is a server and its load.
type pair struct {
	server, load *process
	clients      int
}

func startPair(ctx context.Context, role string, server any, load loadParams) (*pair, error) {
	p, err := startServer(ctx, role, server, load)
	if err != nil {
		return nil, err
	}
	var n int
	if err := p.load.ask("connect", &n); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// startServer starts both, but nobody connects yet.
func startServer(ctx context.Context, role string, server any, load loadParams) (*pair, error) {
	p := &pair{clients: load.Clients}
	var err error
	if p.server, err = start(ctx, role, server); err != nil {
		return nil, err
	}
	address := "http"
	if load.Protocol == "tcp" {
		address = "tcp"
	}
	if err := p.server.ask(address, &load.Address); err != nil {
		p.stop()
		return nil, err
	}
	if p.load, err = start(ctx, "load", load); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *pair) stop() {
	if p.load != nil {
		p.load.stop()
	}
	p.server.stop()
}

// flow is what went from server to clients.
type flow struct {
	rate, bytes float64 // per second, at the clients
	cores       float64 // of the server
	latency     latency
	published   published
	heard       heardSoFar
	rss         int
}

// run publishes for a second unmeasured, then measures.
func (p *pair) run(o *options) (*flow, error) {
	var f flow
	var before, after heardSoFar
	var cpu0, cpu1 usage
	var none any
	if err := p.server.ask("start", &none); err != nil {
		return nil, err
	}
	time.Sleep(time.Second)
	begin := time.Now()
	if err := first(p.load.ask("mark", &before), p.server.ask("usage", &cpu0)); err != nil {
		return nil, err
	}
	time.Sleep(o.time)
	if err := first(p.load.ask("latency", &f.latency), p.server.ask("usage", &cpu1), p.load.ask("mark", &after)); err != nil {
		return nil, err
	}
	took := time.Since(begin).Seconds()
	if err := p.server.ask("stop", &f.published); err != nil {
		return nil, err
	}
	if err := p.arrive(&f, p.clients); err != nil {
		return nil, err
	}
	f.rate = float64(after.Messages-before.Messages) / took
	f.bytes = float64(after.Bytes-before.Bytes) / took
	f.cores = (cpu1.CPU - cpu0.CPU).Seconds() / took
	f.rss = cpu1.RSS
	return &f, nil
}

// arrive waits for what is on its way, until nothing has come for three seconds.
func (p *pair) arrive(f *flow, clients int) error {
	for quiet, last := 0, int64(-1); quiet < 6; {
		if err := p.load.ask("mark", &f.heard); err != nil {
			return err
		}
		if f.dropped(clients) <= 0 {
			break
		}
		if quiet++; f.heard.Messages != last {
			quiet, last = 0, f.heard.Messages
		}
		time.Sleep(500 * time.Millisecond)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// dropped is how many deliveries are missing in the end.
func (f *flow) dropped(clients int) int64 {
	return int64(f.published.Entries)*int64(clients) - f.heard.Messages
}

// measureFlow runs a server with WebSocket clients.
func measureFlow(ctx context.Context, o *options, server serverParams, clients int) (*flow, error) {
	server.Profile = o.profile
	if server.Window == 0 {
		server.Window = 32 << 20
	}
	p, err := startPair(ctx, "server", server, loadParams{Protocol: "websocket", Path: paths[server.Kind], Clients: clients,
		Buffer: min(32<<10, max(4<<10, (64<<20)/clients))})
	if err != nil {
		return nil, err
	}
	defer p.stop()
	return p.run(o)
}

func (f *flow) text(clients int) string {
	return fmt.Sprintf("%.2f M/s, %.2f GB/s, p50 %s p99 %s, %d dropped, %d gaps, %.2f core",
		f.rate/1e6, f.bytes/1e9, round(f.latency.P50), round(f.latency.P99), f.dropped(clients), f.published.Gaps, f.cores)
}

func round(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(100 * time.Microsecond)
}

func fanout300(ctx context.Context, o *options) (string, error) {
	f, err := measureFlow(ctx, o, serverParams{Kind: message.Domains, Size: 296, Rate: 4000, Batch: 100}, 1000)
	if err != nil {
		return "", err
	}
	return f.text(1000), nil
}

func fanout3000(ctx context.Context, o *options) (string, error) {
	const clients, rate, size = 1000, 500, 2996
	f, err := measureFlow(ctx, o, serverParams{Kind: message.Lite, Size: size, Rate: rate, Batch: 1}, clients)
	if err != nil {
		return "", err
	}
	raw, err := rawBaseline(ctx, o, clients, size+4, 10, rate)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s; raw %.2f GB/s, %.2f core: %.0f %%",
		f.text(clients), raw.bytes/1e9, raw.cores, 100*f.bytes/raw.bytes), nil
}

// rawBaseline writes the same bytes with nothing behind them: so many frames a write.
func rawBaseline(ctx context.Context, o *options, clients, frame, perWrite, rate int) (*flow, error) {
	p, err := startPair(ctx, "raw", rawParams{Clients: clients, Write: frame * perWrite, Frame: frame,
		Every: time.Second * time.Duration(perWrite) / time.Duration(rate)}, loadParams{Protocol: "raw", Clients: clients})
	if err != nil {
		return nil, err
	}
	defer p.stop()
	return p.run(o)
}

func steady(clients, rate, size int) func(context.Context, *options) (string, error) {
	return func(ctx context.Context, o *options) (string, error) {
		f, err := measureFlow(ctx, o, serverParams{Kind: message.Lite, Size: size - 4, Rate: rate, Batch: 1}, clients)
		if err != nil {
			return "", err
		}
		return f.text(clients), nil
	}
}

func mib(bytes int) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// rssRow measures the memory of a server at 1,600 entries/s in batches as logs give them.
func rssRow(ctx context.Context, o *options, kind message.Kind, load loadParams) (string, error) {
	server := serverParams{Kind: kind, Size: 1500, Rate: 1600, Batch: 16, Window: memoryWindow}
	if kind == message.Domains {
		server.Size = 150
	}
	load.Protocol, load.Buffer = "websocket", 4<<10
	p, err := startPair(ctx, "server", server, load)
	if err != nil {
		return "", err
	}
	defer p.stop()
	f, err := p.run(o)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s, %d gaps, %.2f core", mib(f.rss), f.published.Gaps, f.cores), nil
}

func rssNobody(ctx context.Context, o *options) (string, error) {
	return rssRow(ctx, o, message.Lite, loadParams{})
}

func rssLoaded(ctx context.Context, o *options) (string, error) {
	return rssRow(ctx, o, message.Domains, loadParams{Path: paths[message.Domains], Clients: 1000})
}

func rssIdle(ctx context.Context, o *options) (string, error) {
	return rssRow(ctx, o, message.Lite, loadParams{Path: "/?suffix=never.invalid", Clients: 10000})
}

// ownFilters has clients whose filters all differ, and match nothing.
func ownFilters(path string, clients int) func(context.Context, *options) (string, error) {
	return func(ctx context.Context, o *options) (string, error) {
		server := serverParams{Kind: message.Lite, Size: 1500, Rate: 2000, Batch: 20, Window: memoryWindow, Profile: o.profile}
		p, err := startPair(ctx, "server", server,
			loadParams{Protocol: "websocket", Path: path, Clients: clients, Buffer: 4 << 10})
		if err != nil {
			return "", err
		}
		defer p.stop()
		f, err := p.run(o)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%.2f core, %s", f.cores, mib(f.rss)), nil
	}
}

// perConnection compares the memory of a server with 5,000 connections, after some traffic, with that of one with ten.
func perConnection(protocol, path string) func(context.Context, *options) (string, error) {
	return func(ctx context.Context, o *options) (string, error) {
		var all [2]usage
		for i, clients := range []int{10, 5010} {
			server := serverParams{Kind: message.Lite, Size: 1500, Rate: 20, Batch: 1, Window: memoryWindow}
			p, err := startPair(ctx, "server", server, loadParams{Protocol: protocol, Path: path, Clients: clients, Buffer: 4 << 10})
			if err != nil {
				return "", err
			}
			_, err = p.run(o)
			var u usage
			if err == nil {
				err = p.server.ask("settle", &u)
			}
			p.stop()
			if err != nil {
				return "", err
			}
			all[i] = u
		}
		each := func(few, many int) float64 { return float64(many-few) / 5000 / 1024 }
		return fmt.Sprintf("%.1f KiB (live heap %.1f, stacks %.1f)", each(all[0].RSS, all[1].RSS),
			each(all[0].Heap, all[1].Heap), each(all[0].Stack, all[1].Stack)), nil
	}
}
