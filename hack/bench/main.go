// Command bench measures how the streamer fans out, and prints a table: `go run ./hack/bench`. Server and load generator are
// processes of their own on this machine, on loopback, and share its cores. What the machine itself can do is measured in the
// same run, by a writer of raw TCP with the same sizes and pacing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.role, "role", "", "used by the command itself for its own processes")
	flag.StringVar(&o.rows, "rows", "", "run only the rows whose name contains one of these, separated by semicolons")
	flag.DurationVar(&o.time, "time", 4*time.Second, "how long each row measures")
	flag.StringVar(&o.params, "params", "{}", "used by the command itself")
	flag.StringVar(&o.profile, "cpuprofile", "", "write the server's CPU profile of the last row to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// roles are the processes that this command is made of.
var roles = map[string]func(ctx context.Context, params string) error{
	"server": runServer, "load": runLoad, "raw": runRaw, "logs": runLogs, "whole": runWhole, "attack": runAttack, "replay": runReplay,
}

type options struct {
	role, rows, params, profile string
	time                        time.Duration
}

func (o *options) run(ctx context.Context) error {
	if role, ok := roles[o.role]; ok {
		return role(ctx, o.params)
	}
	fmt.Printf("%s, %s/%s, %d cores shared by server and clients, %s per row\n\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), o.time)
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "row\tmeasured\ttarget\t")
	for _, row := range rows {
		if !o.wants(row.name) {
			continue
		}
		result, err := row.measure(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t\n", row.name, result, row.target)
		_ = table.Flush() // the row is wanted now; what is wrong with stdout shows at the end
	}
	return table.Flush()
}

func (o *options) wants(name string) bool {
	for _, part := range strings.Split(o.rows, ";") {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
