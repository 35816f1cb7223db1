// Streamer follows Certificate Transparency logs and streams their certificates over WebSocket, SSE and raw TCP.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// The exit codes, beside 0.
const (
	exitFailure = 1 // something went wrong
	exitUsage   = 2 // wrong arguments or an invalid configuration: starting again will not help
	exitWrong   = 3 // verify: a log does not hold what it has signed
)

// gcPercent makes the garbage collector keep memory small: the live heap is mostly the window, allocation is slow, and the
// whole program's memory falls by a quarter for no CPU time that could be measured. GOGC overrides it.
const gcPercent = 25

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	os.Exit(run(os.Args[1:]))
}

// run is main with an exit code.
func run(args []string) int {
	ctx, now, stop := onSignals()
	defer stop()
	// A reader of our output that goes away shows as EPIPE, which is no failure.
	signal.Ignore(syscall.SIGPIPE)

	root := newRoot(now)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE), errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 0
	case errors.As(err, new(usageError)):
		fmt.Fprintln(os.Stderr, "streamer:", err)
		return exitUsage
	case errors.Is(err, errNotProved):
		fmt.Fprintln(os.Stderr, "streamer:", err)
		return exitWrong
	}
	fmt.Fprintln(os.Stderr, "streamer:", err)
	return exitFailure
}

// onSignals gives a context that ends with the first SIGINT or SIGTERM, and one that ends with the second. A third ends the
// process.
func onSignals() (ctx, now context.Context, stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ctx, first := context.WithCancel(context.Background())
	now, second := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer signal.Stop(signals)
		for _, end := range []context.CancelFunc{first, second} {
			select {
			case <-signals:
				end()
			case <-done:
				return
			}
		}
	}()
	return ctx, now, func() {
		close(done)
		first()
		second()
	}
}

// usageError is a mistake of the caller.
type usageError struct{ error }

// Unwrap gives the cause.
func (e usageError) Unwrap() error { return e.error }
