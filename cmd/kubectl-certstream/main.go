// Kubectl-certstream is the kubectl plugin for CertStreams: it shows what they do, and reads their streams.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // the ways to log in that a kubeconfig may name

	"github.com/certstream-operator/certstream-operator/cmd/internal/tail"
)

// The exit codes, beside 0.
const (
	exitFailure = 1 // something went wrong
	exitUsage   = 2 // wrong arguments
)

func main() { os.Exit(run(os.Args[1:])) }

// run is main with an exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A reader of our output that goes away shows as EPIPE, which is no failure.
	signal.Ignore(syscall.SIGPIPE)
	return newPlugin(genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}).run(ctx, args)
}

// run is one command, and its exit code.
func (p *plugin) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return 0
	}
	fmt.Fprintln(p.streams.ErrOut, "error:", explain(err))
	if errors.As(err, new(usageError)) || errors.As(err, new(tail.UsageError)) {
		return exitUsage
	}
	return exitFailure
}

// usageError is a mistake of the caller.
type usageError struct{ error }

// Unwrap gives the cause.
func (e usageError) Unwrap() error { return e.error }
