// Command manager is the operator: it runs the controller of CertStreams.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// version and commit are set by the linker.
var (
	version = "unknown"
	commit  = "unknown"
)

// collectAt is how much garbage may grow, in percent of what is in use: the operator idles most of the time, and memory is
// dearer to its cluster than the little time that collecting takes. GOGC overrules it.
const collectAt = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
