package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// killConfig is the streamer's configuration in the kill test. The state's interval is a fifth of the default, so that a kill finds it
// in every phase; partial tiles come as often as may be; retention is so short that whoever stays away long meets a gap.
const killConfig = `state: {dir: %s, interval: %s}
retention: {max_bytes: 16MiB, max_age: 1m}
window: {size: 16MiB}
drain: {period: 300ms, delay: 100ms}
ct_log: {start: 'index:0', poll_interval_ms: 200, partial_tile_interval: 5s, requests_per_second: 500, catch_up_rate: 5000, retry_initial_delay_ms: 50, retry_max_delay_ms: 500, request_timeout_secs: 5}
`

// How a run ends.
const (
	anytime      = "kill at any time"
	atStart      = "kill right after the start"
	inCatchUp    = "kill in a catch-up"
	atCheckpoint = "kill in a checkpoint"
	terminated   = "SIGTERM"
	drained      = "kill in a drain"
)

var endings = []string{anytime, anytime, anytime, atStart, inCatchUp, atCheckpoint, atCheckpoint, terminated, drained}

// killRun is the kill test.
type killRun struct {
	run
	rng    *rand.Rand
	ends   map[string]int
	oldest time.Duration // of a checkpoint, at a kill
}

func killLogs() []testlog.Options {
	return []testlog.Options{
		{Name: "Classic 0", Operator: "A", MaxGetEntries: 64},
		{Name: "Tiled 1", Operator: "B", Static: true, DropPartials: true, MMD: 600},
		{Name: "Classic 2", Operator: "C", MaxGetEntries: 256, Align: true},
		{Name: "Tiled 3", Operator: "D", Static: true, PlainTiles: true, MMD: 600},
		{Name: "Classic 4", Operator: "E", MaxGetEntries: 32},
		{Name: "Tiled 5", Operator: "F", Static: true, MMD: 600},
	}
}

// collectorsOfKills are unfiltered and filtered, of each protocol and kind; most hang up now and then.
func collectorsOfKills(longest time.Duration) []plan {
	return []plan{
		{wish{"ws", "full", false}, habit{}},
		{wish{"ws", "lite", false}, habit{hopEvery: 500, napFor: time.Second}},
		{wish{"ws", "domains", true}, habit{hopEvery: 100, napFor: 3 * time.Second}},
		{wish{"sse", "lite", true}, habit{}},
		{wish{"sse", "domains", false}, habit{hopEvery: 1000, napFor: 2 * time.Second}},
		{wish{"sse", "full", false}, habit{hopEvery: 2000, napFor: longest}},
		{wish{"tcp", "full", true}, habit{hopEvery: 300, napFor: 5 * time.Second}},
		{wish{"tcp", "lite", false}, habit{hopEvery: 200, napFor: 100 * time.Millisecond}},
		{wish{"tcp", "domains", false}, habit{hopEvery: 400, library: true}},
		{wish{"sse", "full", true}, habit{hopEvery: 100, napFor: time.Second, library: true}},
	}
}

// killTest runs the kill test.
func killTest(ctx context.Context, o options, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	k := &killRun{run: run{o: o, out: out, w: newWorld(o.seed, killLogs()), l: newLedger(), stop: stop}, rng: newRand(o.seed, 1), ends: map[string]int{}}
	defer k.w.close()
	begin := time.Now()
	fmt.Fprintf(out, "kill test: seed %d, %d cycles of about %v, checkpoints every %v, %d logs growing by %g entries/s each\n",
		o.seed, o.cycles, o.cycle, o.interval, len(k.w.logs), o.rate)
	if err := k.setUp(ctx, fmt.Sprintf(killConfig, "state", o.interval)); err != nil {
		return err
	}
	if err := k.all(ctx); err != nil && (ctx.Err() == nil || len(k.broken) == 0) {
		k.fail("%v", err)
	}
	k.summary(time.Since(begin))
	return k.end("kill test")
}

// length is about how long the cycles take.
func (k *killRun) length() time.Duration { return time.Duration(k.o.cycles) * k.o.cycle }

// all is the test from the first start to the judgement.
func (k *killRun) all(ctx context.Context) error {
	if err := k.p.start(); err != nil {
		return err
	}
	defer func() { _ = k.p.kill() }()
	if err := k.p.ready(ctx); err != nil {
		return err
	}
	collecting, stopCollecting := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stopCollecting()
	if err := k.gather(collecting, &readers, collectorsOfKills(k.length()/3), false); err != nil {
		return err
	}
	if err := k.cycles(ctx); err != nil {
		return err
	}
	fmt.Fprintln(k.out, "the last run: everything must arrive")
	if err := k.caughtUp(ctx, 5*time.Minute); err != nil {
		return err
	}
	stopCollecting()
	readers.Wait()
	for _, c := range k.collectors {
		c.judge()
	}
	return nil
}

// cycles kills and starts the streamer again and again, while logs grow and misbehave.
func (k *killRun) cycles(ctx context.Context) error {
	while, stop := context.WithCancel(ctx)
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	wait.Go(func() { k.w.grow(while, k.o.rate) })
	wait.Go(func() {
		usable := func(_ *growing, r row) bool { return !r.doubtful && !r.server && r.n != 35 }
		k.trouble(while, trouble{longest: k.o.cycle, rest: k.o.cycle, usable: usable}, k.o.seed)
	})
	for i := range k.o.cycles {
		ending := endings[k.rng.IntN(len(endings))]
		if err := k.cycle(ctx, ending); err != nil {
			return fmt.Errorf("cycle %d, %s: %w", i+1, ending, err)
		}
		k.ends[ending]++
		if (i+1)%max(k.o.cycles/20, 1) == 0 {
			fmt.Fprintf(k.out, "%d cycles, %d entries, %d offsets\n", i+1, k.w.entries(), k.l.size())
		}
	}
	return nil
}

// cycle ends a run that is ready, or has just been started, and starts the next.
func (k *killRun) cycle(ctx context.Context, ending string) error {
	k.say("%s", ending)
	if err := k.endRun(ctx, ending); err != nil {
		return err
	}
	at := time.Now()
	s, err := readState(k.p.path("state"))
	if err != nil {
		return err
	}
	k.l.ended(s.crash(at))
	if !s.Clean {
		k.oldest = max(k.oldest, at.Sub(s.SavedAt))
	}
	return k.p.start()
}

// endRun ends the running streamer.
func (k *killRun) endRun(ctx context.Context, ending string) error {
	if ending == atStart {
		pause(ctx, time.Duration(k.rng.Int64N(int64(200*time.Millisecond))))
		return k.p.kill()
	}
	if err := k.p.ready(ctx); err != nil {
		return err
	}
	switch ending {
	case inCatchUp:
		for _, l := range k.w.logs {
			l.add(k.rng.IntN(int(20 * k.o.rate)))
		}
		pause(ctx, time.Duration(k.rng.Int64N(int64(time.Second))))
		return k.p.kill()
	case atCheckpoint:
		pause(ctx, k.o.cycle/2)
		k.awaitCheckpoint(ctx)
		return k.p.kill()
	}
	pause(ctx, k.o.cycle/4+time.Duration(k.rng.Int64N(int64(k.o.cycle*5/4))))
	switch ending {
	case terminated:
		return k.p.terminate(30 * time.Second)
	case drained:
		_ = k.p.cmd.Process.Signal(os.Interrupt)
		pause(ctx, time.Duration(k.rng.Int64N(int64(600*time.Millisecond))))
		if err := k.p.kill(); err != nil && (!errors.Is(err, errEarly) || k.p.err != nil) {
			return err // it may have ended well before
		}
		return nil
	}
	return k.p.kill()
}

// awaitCheckpoint waits until a checkpoint begins to be written, and a few moments more.
func (k *killRun) awaitCheckpoint(ctx context.Context) {
	before := k.inState()
	for end := time.Now().Add(2 * k.o.interval); time.Now().Before(end) && k.inState() == before; {
		pause(ctx, time.Millisecond)
	}
	pause(ctx, time.Duration(k.rng.Int64N(int64(4*time.Millisecond))))
}

// inState is what the state directory looks like.
func (k *killRun) inState() (look string) {
	files, _ := os.ReadDir(k.p.path("state")) // a folder that is gone looks like no other
	for _, f := range files {
		if info, err := f.Info(); err == nil {
			look += fmt.Sprintln(f.Name(), info.ModTime())
		}
	}
	return look
}

func (k *killRun) summary(took time.Duration) {
	fmt.Fprintf(k.out, "\nseed %d, %v, %d runs of the streamer, %d entries in %d logs, %d offsets, %d faults, %d requests went wrong\n",
		k.o.seed, took.Round(time.Second), k.p.runs, k.w.entries(), len(k.w.logs), k.l.size(), total(k.rows), k.hits)
	for _, ending := range []string{anytime, atStart, inCatchUp, atCheckpoint, drained, terminated} {
		fmt.Fprintf(k.out, "%s: %d; ", ending, k.ends[ending])
	}
	fmt.Fprintf(k.out, "oldest checkpoint at a kill: %v\n\n", k.oldest.Round(time.Millisecond))
	table := tabwriter.NewWriter(k.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "collector\tmessages\tconnections\trepeats\tmost after a kill\tfirst sent before the kill by\tgaps\tmissed, as told\t")
	for _, c := range k.collectors {
		c.mu.Lock()
		s := c.stats
		c.mu.Unlock()
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%v\t%d\t%d\t\n", c.name, s.messages, s.connections, s.repeats, s.mostRepeated,
			s.oldestRepeat.Round(time.Millisecond), s.gaps, s.missed)
		if limit := k.o.interval + k.o.tolerance; k.o.tolerance > 0 && s.oldestRepeat > limit {
			k.fail("%s: an entry came again that had come %v before the kill, more than a checkpoint interval", c.name, s.oldestRepeat)
		}
	}
	_ = table.Flush() // the summary is for people; the exit status says what matters
}

func total(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}
