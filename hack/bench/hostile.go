package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// What honest clients do while others are hostile, and how often each comparison is made.
const (
	honestClients = 500
	honestRate    = 400
	hostileRounds = 5
)

// hostileRow measures honest clients with and without an attack, in turns, on one server. The attackers are a process that the
// system runs only when nobody else wants the processor (SCHED_IDLE), since in life they bring their own: what the server does
// because of them has the usual priority, and counts.
func hostileRow(kinds ...string) func(context.Context, *options) (string, error) {
	return func(ctx context.Context, o *options) (string, error) {
		server := serverParams{Kind: message.Lite, Size: 1496, Rate: honestRate, Batch: 1, Window: 32 << 20, Profile: o.profile}
		p, err := startPair(ctx, "server", server, loadParams{Protocol: "websocket", Path: "/", Clients: honestClients})
		if err != nil {
			return "", err
		}
		defer p.stop()
		params := attackParams{Kinds: kinds}
		if err := first(p.server.ask("http", &params.HTTP), p.server.ask("tcp", &params.TCP)); err != nil {
			return "", err
		}
		foe, err := startIdle(ctx, "attack", params)
		if err != nil {
			return "", err
		}
		defer foe.stop()
		return compare(p, foe, o)
	}
}

// startIdle starts a role that gets only the time that nobody else wants.
func startIdle(ctx context.Context, role string, params any) (*process, error) {
	for _, wrapper := range [][]string{{"chrt", "--idle", "0"}, {"nice", "-n", "19"}} {
		if _, err := exec.LookPath(wrapper[0]); err == nil {
			return startUnder(ctx, wrapper, role, params)
		}
	}
	return nil, errors.New("neither chrt nor nice is installed")
}

// phase is what was measured for a while.
type phase struct {
	latency     latency
	server, foe float64 // cores
	connects    float64 // per second
}

// compare measures rounds of a phase without and a phase with the attack.
func compare(p *pair, foe *process, o *options) (string, error) {
	var none any
	if err := p.server.ask("start", &none); err != nil {
		return "", err
	}
	time.Sleep(time.Second)
	var calm, storm []phase
	for range hostileRounds {
		without, err := p.phase(foe, o.time/2)
		if err != nil {
			return "", err
		}
		if err := foe.ask("begin", &none); err != nil {
			return "", err
		}
		time.Sleep(time.Second) // until all are there
		with, err := p.phase(foe, o.time/2)
		if err := first(err, foe.ask("end", &none)); err != nil {
			return "", err
		}
		time.Sleep(time.Second)
		calm, storm = append(calm, without), append(storm, with)
	}
	f := flow{}
	if err := p.server.ask("stop", &f.published); err != nil {
		return "", err
	}
	if err := p.arrive(&f, p.clients); err != nil {
		return "", err
	}
	return hostileText(calm, storm, &f, p.clients), nil
}

// phase measures for a while.
func (p *pair) phase(foe *process, d time.Duration) (ph phase, err error) {
	var heard heardSoFar
	var cpu0, cpu1 usage
	var foe0, foe1 damage
	begin := time.Now()
	if err := first(p.load.ask("mark", &heard), p.server.ask("usage", &cpu0), foe.ask("usage", &foe0)); err != nil {
		return ph, err
	}
	time.Sleep(d)
	if err := first(p.load.ask("latency", &ph.latency), p.server.ask("usage", &cpu1), foe.ask("usage", &foe1)); err != nil {
		return ph, err
	}
	took := time.Since(begin).Seconds()
	ph.server = (cpu1.CPU - cpu0.CPU).Seconds() / took
	ph.foe = (foe1.CPU - foe0.CPU).Seconds() / took
	ph.connects = float64(foe1.Connects-foe0.Connects) / took
	return ph, nil
}

func hostileText(calm, storm []phase, f *flow, clients int) string {
	var ratios []float64
	for i := range calm {
		ratios = append(ratios, float64(storm[i].latency.P99)/float64(calm[i].latency.P99))
	}
	p99 := func(ph phase) float64 { return float64(ph.latency.P99) }
	server := func(ph phase) float64 { return ph.server }
	return fmt.Sprintf("p99 %s, under attack %s: %+.0f %% (%+.0f to %+.0f); %d dropped, %d gaps or closes; "+
		"server %.2f → %.2f core; attackers %.2f core, %.0f connections/s",
		round(time.Duration(medianOf(calm, p99))), round(time.Duration(medianOf(storm, p99))),
		100*median(ratios)-100, 100*slices.Min(ratios)-100, 100*slices.Max(ratios)-100,
		f.dropped(clients), f.heard.Others+f.heard.Ended, medianOf(calm, server), medianOf(storm, server),
		medianOf(storm, func(ph phase) float64 { return ph.foe }), medianOf(storm, func(ph phase) float64 { return ph.connects }))
}

func medianOf(all []phase, of func(phase) float64) float64 {
	values := make([]float64, len(all))
	for i, ph := range all {
		values[i] = of(ph)
	}
	return median(values)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
