// Crash runs a client against a streamer with retention that is killed with kill -9, twice, while two Certificate Transparency logs
// go on growing; and kills the client, too, if it keeps its cursor. The client prints a line for each certificate: the log's URL,
// a space, the entry's index. At the end every entry between the first and the last that it printed must have come.
//
//	crash -streamer BINARY [-client] -- python3 resume/python.py ws://ADDRESS/ FILE
//
// In the arguments ADDRESS becomes the streamer's host and port, FILE a file in a folder of this run's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.streamer, "streamer", "", "the streamer's binary")
	flag.BoolVar(&o.killClient, "client", false, "kill the client, too")
	flag.Float64Var(&o.rate, "rate", 40, "entries per second that each log grows by")
	flag.DurationVar(&o.away, "away", 2*time.Second, "how long the streamer stays away")
	flag.DurationVar(&o.limit, "limit", 2*time.Minute, "when to give up")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "crash:", err)
		os.Exit(1)
	}
}

// settle is time for a checkpoint after what a restart has caught up: what is in none comes again.
const settle = 1500 * time.Millisecond

type options struct {
	streamer   string
	killClient bool
	rate       float64
	away       time.Duration
	limit      time.Duration
}

func run(ctx context.Context, o options, client []string) error {
	if o.streamer == "" || len(client) == 0 {
		return errors.New("want -streamer BINARY -- CLIENT ARGUMENTS")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.limit, errors.New("the client did not get everything in time"))
	defer cancel()
	dir, err := os.MkdirTemp("", "crash-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // in the temporary folder
	w, err := newWorld(o, dir)
	if err != nil {
		return err
	}
	defer w.close()
	w.client = &process{name: "the client", arguments: w.fill(client), out: w.tally}
	err = w.play(ctx)
	if err != nil {
		err = fmt.Errorf("%w (%s)\n%s", errors.Join(err, context.Cause(ctx)), w.tally.summary(), tailOf(filepath.Join(dir, "log")))
	}
	return err
}

// play is the course of events.
func (w *world) play(ctx context.Context) error {
	if err := errors.Join(w.streamer.start(), w.ready(ctx), w.client.start()); err != nil {
		return err
	}
	for round := range 2 {
		if err := w.more(ctx, 100); err != nil {
			return err
		}
		pause(ctx, settle)
		w.streamer.kill()
		if w.killClient && round == 1 {
			w.client.kill()
		}
		pause(ctx, w.away)
		if err := errors.Join(w.streamer.start(), w.ready(ctx)); err != nil {
			return err
		}
		if w.killClient && round == 1 {
			if err := w.client.start(); err != nil {
				return err
			}
		}
	}
	if err := w.more(ctx, 100); err != nil {
		return err
	}
	w.stopGrowth()
	if err := w.complete(ctx); err != nil {
		return err
	}
	killed := "streamer killed twice"
	if w.killClient {
		killed += ", client once"
	}
	fmt.Printf("%s; %s\n", killed, w.tally.summary())
	return w.tally.verdict()
}
