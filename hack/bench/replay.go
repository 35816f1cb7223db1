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

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/publish"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// replayParams describe a server that keeps entries on disk.
type replayParams struct {
	Dir string
	// Held is how many entries are kept before anybody comes.
	Held int
	// Rate and Batch are of what is published live.
	Rate, Batch int
}

// keeper is a bench with segments behind its window.
type keeper struct {
	bench
	segments *engine.Segments
	engine   *engine.Retained
}

// runReplay is the role "replay": `fill`, `raw`, and what a server is asked.
func runReplay(ctx context.Context, text string) error {
	var p replayParams
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	debug.SetGCPercent(gcPercent)
	ctx, cancel := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	k, err := newKeeper(ctx, p, &wait)
	if err != nil {
		return err
	}
	http, err := k.listen(ctx, &wait)
	if err != nil {
		return err
	}
	return answer(map[string]func() (any, error){
		"http":  func() (any, error) { return http, nil },
		"fill":  func() (any, error) { return k.fill(ctx, p.Held) },
		"raw":   func() (any, error) { return k.readAll() },
		"start": func() (any, error) { return nil, k.start(ctx) },
		"stop":  func() (any, error) { k.stop(); return k.published(), nil },
		"usage": func() (any, error) { return used(), nil },
	})
}

func newKeeper(ctx context.Context, p replayParams, wait *sync.WaitGroup) (*keeper, error) {
	log := slog.New(slog.DiscardHandler)
	registry := prometheus.NewRegistry()
	k := &keeper{bench: bench{params: serverParams{Kind: message.Lite, Size: 1500, Rate: p.Rate, Batch: p.Batch},
		metrics: telemetry.NewFanout(registry)}}
	issuers := engine.NewIssuers(16<<20, message.AppendChainElement)
	k.window = engine.NewWindow(engine.WindowOptions{MaxBytes: memoryWindow, Numbering: engine.Numbering{Epoch: "1bench"}})
	var err error
	if k.segments, err = engine.NewSegments(engine.SegmentOptions{Dir: filepath.Join(p.Dir, engine.SegmentsDir), Window: k.window,
		Issuers: issuers, Limits: engine.SegmentLimits{MaxBytes: 8 << 30}, Log: log}); err != nil {
		return nil, err
	}
	k.engine = engine.NewRetained(k.segments)
	publisher := publish.New(publish.Options{Engine: k.engine, Issuers: issuers, Filters: filter.NewSet(filter.DefaultOptions()),
		Metrics: k.metrics, Log: log})
	gate, err := access.New(access.Options{}, log, telemetry.NewAccess(registry, access.Reasons()))
	if err != nil {
		return nil, err
	}
	k.server = serve.New(serve.Options{Publisher: publisher, Engine: k.engine, Gate: gate, Metrics: k.metrics, Log: log,
		Settings: serve.DefaultSettings()})
	if k.stamped, err = newTemplate(k.params.Kind, k.params.Size); err != nil {
		return nil, err
	}
	wait.Go(func() { k.segments.Run(ctx) })
	wait.Go(func() { _ = publisher.Run(ctx) })
	wait.Go(func() { k.server.Run(ctx) })
	return k, nil
}

// heldOnDisk is what there is to replay.
type heldOnDisk struct {
	Entries, Bytes, Missed int
	Took                   time.Duration
}

// fill keeps entries: certificates of 512 kinds, so that a block has few of them twice.
func (k *keeper) fill(ctx context.Context, n int) (*heldOnDisk, error) {
	again, begin := testlog.Cycle(testlog.NewCA("Bench CA").Pool(512)), time.Now()
	batch := make([]engine.Entry, 100)
	for done := 0; done < n; done += len(batch) {
		now := time.Now().UnixMilli()
		for i := range batch {
			batch[i] = engine.Entry{Source: benchSource, Index: uint64(done + i), Seen: now, Timestamp: uint64(now), DER: again().DER}
		}
		if _, _, err := k.window.AppendBacklog(ctx, batch); err != nil {
			return nil, err
		}
	}
	err := k.segments.Sync(ctx, k.window.Head())
	s := k.segments.Stats()
	return &heldOnDisk{Entries: int(s.Entries), Bytes: int(s.Bytes), Missed: int(s.Totals.Missed), Took: time.Since(begin)}, err
}

// readAll reads everything through the engine and nothing else.
func (k *keeper) readAll() (*heldOnDisk, error) {
	buf, begin, h := make([]engine.Entry, 128), time.Now(), &heldOnDisk{}
	for after := uint64(0); ; after = buf[0].Offset {
		n, err := k.engine.Read(after, buf)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		for i := range buf[:n] {
			h.Bytes += len(buf[i].DER)
		}
		h.Entries += n
		buf[0].Offset = buf[n-1].Offset
	}
	h.Took = time.Since(begin)
	return h, nil
}

// replayed starts a server that holds entries, and has do measure.
func replayed(ctx context.Context, p replayParams, do func(server *process, address string, held *heldOnDisk) (string, error)) (string, error) {
	var err error
	if p.Dir, err = os.MkdirTemp("", "bench"); err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(p.Dir) }()
	server, err := start(ctx, "replay", p)
	if err != nil {
		return "", err
	}
	defer server.stop()
	var address string
	var held heldOnDisk
	if err := first(server.ask("http", &address), server.ask("fill", &held)); err != nil {
		return "", err
	}
	return do(server, address, &held)
}

// replayRaw is how fast entries are kept, and read again.
func replayRaw(ctx context.Context, _ *options) (string, error) {
	return replayed(ctx, replayParams{Held: 500_000}, func(server *process, _ string, held *heldOnDisk) (string, error) {
		var before, after usage
		var read heldOnDisk
		if err := first(server.ask("usage", &before), server.ask("raw", &read), server.ask("usage", &after)); err != nil {
			return "", err
		}
		took := read.Took.Seconds()
		return fmt.Sprintf("%.2f M entries/s, %.0f MB/s of certificates, %.0f MB/s from disk, %.2f cores; %d B an entry on disk, %d missed",
			float64(read.Entries)/took/1e6, float64(read.Bytes)/took/1e6, float64(held.Bytes)/took/1e6,
			(after.CPU-before.CPU).Seconds()/took, held.Bytes/held.Entries, held.Missed), nil
	})
}

// replayTo is how fast one client that asks for everything gets it, from disk and into the live stream.
func replayTo(path string) func(context.Context, *options) (string, error) {
	return func(ctx context.Context, _ *options) (string, error) {
		return replayed(ctx, replayParams{Held: 200_000}, func(server *process, address string, held *heldOnDisk) (string, error) {
			load, err := start(ctx, "load", loadParams{Address: address, Protocol: "websocket", Path: path + "?since=1bench-0", Clients: 1,
				Buffer: 256 << 10})
			if err != nil {
				return "", err
			}
			defer load.stop()
			var n int
			var from, to usage
			var heard heardSoFar
			begin := time.Now()
			if err := first(server.ask("usage", &from), load.ask("connect", &n)); err != nil {
				return "", err
			}
			for heard.Messages < int64(held.Entries) {
				time.Sleep(10 * time.Millisecond)
				if err := load.ask("mark", &heard); err != nil {
					return "", err
				}
				if time.Since(begin) > time.Minute {
					return "", fmt.Errorf("only %d of %d messages in a minute", heard.Messages, held.Entries)
				}
			}
			if err := server.ask("usage", &to); err != nil {
				return "", err
			}
			took := time.Since(begin).Seconds()
			return fmt.Sprintf("%.0f entries/s, %.0f MB/s, %.2f core, %d gaps", float64(heard.Messages)/took, float64(heard.Bytes)/took/1e6,
				(to.CPU-from.CPU).Seconds()/took, heard.Others), nil
		})
	}
}

// replayBeside is what live clients notice of others that replay.
func replayBeside(ctx context.Context, o *options) (string, error) {
	p := replayParams{Held: 200_000, Rate: 400, Batch: 10}
	return replayed(ctx, p, func(server *process, address string, _ *heldOnDisk) (string, error) {
		live, err := start(ctx, "load", loadParams{Address: address, Protocol: "websocket", Path: "/", Clients: 500})
		if err != nil {
			return "", err
		}
		defer live.stop()
		back, err := start(ctx, "load", loadParams{Address: address, Protocol: "websocket", Path: "/full-stream?since=1bench-0", Clients: 8,
			Buffer: 256 << 10})
		if err != nil {
			return "", err
		}
		defer back.stop()
		var n int
		var none any
		if err := first(live.ask("connect", &n), server.ask("start", &none)); err != nil {
			return "", err
		}
		alone, err := latencyOver(live, o.time)
		if err != nil {
			return "", err
		}
		var before, after heardSoFar
		if err := first(back.ask("connect", &n), back.ask("mark", &before)); err != nil {
			return "", err
		}
		beside, err := latencyOver(live, o.time)
		if err := first(err, back.ask("mark", &after)); err != nil {
			return "", err
		}
		var end published
		if err := server.ask("stop", &end); err != nil {
			return "", err
		}
		return fmt.Sprintf("p50 %s, p99 %s; beside 8 replays (%.0f MB/s) p50 %s, p99 %s (%+.0f %%); %d gaps, %d cut",
			round(alone.P50), round(alone.P99), float64(after.Bytes-before.Bytes)/(o.time.Seconds()+1)/1e6, round(beside.P50),
			round(beside.P99), 100*(float64(beside.P99)/float64(alone.P99)-1), end.Gaps, end.Cut), nil
	})
}

// latencyOver is of the messages within a time, after a second that does not count.
func latencyOver(load *process, d time.Duration) (l latency, err error) {
	time.Sleep(time.Second)
	var none heardSoFar
	if err := load.ask("mark", &none); err != nil {
		return l, err
	}
	time.Sleep(d)
	return l, load.ask("latency", &l)
}

// rssRetaining is rssFollowing with entries kept on disk, and what keeping them costs.
func rssRetaining(ctx context.Context, o *options) (string, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	stop, s, err := whole(ctx, logsParams{Logs: 60, Rate: 1600, Held: 100},
		fmt.Sprintf("window: {size: 4MiB}\nstate: {dir: %s}\nretention: {max_bytes: 1GiB}\n", dir))
	if err != nil {
		return "", err
	}
	defer stop()
	time.Sleep(10*time.Second + o.time)
	var before, after usage
	var from, to uint64
	if err := first(s.ask("usage", &before), s.ask("head", &from)); err != nil {
		return "", err
	}
	begin := time.Now()
	time.Sleep(o.time)
	if err := first(s.ask("usage", &after), s.ask("head", &to)); err != nil {
		return "", err
	}
	took := time.Since(begin).Seconds()
	return fmt.Sprintf("%s at %.0f entries/s, %.2f core", mib(after.RSS), float64(to-from)/took, (after.CPU-before.CPU).Seconds()/took), nil
}
