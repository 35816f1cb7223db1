// Command manager is the operator: it runs the controller of CertStreams.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version and commit are set by the linker.
var (
	version = "unknown"
	commit  = "unknown"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
