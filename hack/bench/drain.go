package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// ending is how clients' connections ended.
type ending struct {
	Ended, Resets int
	// Busiest is the largest number within one second, counted from the first.
	Busiest int
	Took    time.Duration
}

// endings sums up over all clients.
func endings(list []*listener) ending {
	var e ending
	var times []int64
	for _, l := range list {
		if at := l.endedAt.Load(); at > 0 {
			times = append(times, at)
		}
		if l.reset.Load() {
			e.Resets++
		}
	}
	slices.Sort(times)
	if e.Ended = len(times); e.Ended == 0 {
		return e
	}
	e.Took = time.Duration(times[len(times)-1] - times[0])
	for i, j := 0, 0; j < len(times); j++ {
		for times[j]-times[i] >= int64(time.Second) {
			i++
		}
		e.Busiest = max(e.Busiest, j-i+1)
	}
	return e
}

// drainRow has a server with many clients drain over a minute, while it goes on publishing.
func drainRow(ctx context.Context, o *options) (string, error) {
	const clients = 10000
	const over = time.Minute
	server := serverParams{Kind: message.Domains, Size: 296, Rate: 10, Batch: 1, Window: memoryWindow, Drain: over, Profile: o.profile}
	p, err := startPair(ctx, "server", server, loadParams{Protocol: "websocket", Path: paths[message.Domains], Clients: clients,
		Buffer: 2 << 10})
	if err != nil {
		return "", err
	}
	defer p.stop()
	var none any
	var e ending
	if err := first(p.server.ask("start", &none), p.server.ask("drain", &none), p.load.ask("endings", &e)); err != nil {
		return "", err
	}
	var published published
	var heard heardSoFar
	if err := first(p.server.ask("stop", &published), p.load.ask("mark", &heard)); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d closed in %.1f s, at most %.2f %% within a second, %d resets, %d without a goodbye", e.Ended,
		e.Took.Seconds(), 100*float64(e.Busiest)/clients, e.Resets, int64(clients)-heard.Others), nil
}
