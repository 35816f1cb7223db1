// Command soak holds the streamer to its promises: `make soak`. The kill test kills a streamer again and again while logs grow and
// misbehave and collectors resume; the fault soak lets every fault of the catalogue happen to eight logs at random. Whatever a collector
// gets is held against what the logs hold. docs/testing.md says what is checked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	seed                uint64
	cycles              int
	cycle, interval     time.Duration
	tolerance, duration time.Duration
	rate                float64
	dir, binary         string
	race, verbose       bool
}

func main() {
	var o options
	only := flag.String("only", "", "run only kill or faults")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "what happens follows from it, as far as time lets it")
	flag.IntVar(&o.cycles, "cycles", 300, "how often the kill test ends the streamer")
	flag.DurationVar(&o.cycle, "cycle", 3*time.Second, "how long a run of the kill test lasts on average")
	flag.DurationVar(&o.interval, "interval", time.Second, "time between checkpoints in the kill test")
	flag.DurationVar(&o.tolerance, "tolerance", 2*time.Second, "how much older than the interval a repeated entry may be, for checkpoints take time")
	flag.DurationVar(&o.duration, "duration", 20*time.Minute, "how long the fault soak lasts, the wait for the end aside")
	flag.Float64Var(&o.rate, "rate", 40, "entries per second of each log")
	flag.StringVar(&o.dir, "dir", "", "where state, log and configuration go (default: the system's temporary folder)")
	flag.StringVar(&o.binary, "streamer", "", "the streamer's binary (default: it is built)")
	flag.BoolVar(&o.race, "race", false, "build the streamer with the race detector")
	flag.BoolVar(&o.verbose, "v", false, "print every fault and kill")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: make soak ARGS=\"flags\"")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 || *only != "" && *only != "kill" && *only != "faults" {
		fmt.Fprintln(os.Stderr, "soak: want -only kill or -only faults, and flags only")
		os.Exit(2)
	}
	// Whatever ends it, also a pipe that nobody reads, must not leave a streamer behind.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	if err := o.run(ctx, *only); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func (o options) run(ctx context.Context, only string) (err error) {
	if only != "faults" {
		err = killTest(ctx, o, os.Stdout)
	}
	if only != "kill" {
		err = errors.Join(err, faultSoak(ctx, o, os.Stdout))
	}
	return err
}

func newRand(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }
