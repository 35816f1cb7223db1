// Streamer follows Certificate Transparency logs and streams their certificates over WebSocket, SSE and raw TCP.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// The exit codes, beside 0.
const (
	exitFailure = 1 // something went wrong
	exitUsage   = 2 // wrong arguments or an invalid configuration: starting again will not help
)

func main() { os.Exit(run(os.Args[1:])) }

// run is main with an exit code. SIGINT and SIGTERM end the context; a second one ends the process at once.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	// A reader of our output that goes away shows as EPIPE, which is no failure.
	signal.Ignore(syscall.SIGPIPE)

	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE), errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return 0
	case errors.As(err, new(usageError)):
		fmt.Fprintln(os.Stderr, "streamer:", err)
		return exitUsage
	}
	fmt.Fprintln(os.Stderr, "streamer:", err)
	return exitFailure
}

// usageError is a mistake of the caller.
type usageError struct{ error }

// Unwrap gives the cause.
func (e usageError) Unwrap() error { return e.error }
