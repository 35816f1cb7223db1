package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/internal/demo"
	"github.com/certstream-operator/certstream-operator/internal/terminal"
)

const demoHelp = `Demo needs nothing but this machine: it starts two Certificate Transparency logs of
its own (one RFC 6962, one static-ct-api, with real signatures and Merkle trees), lets
them grow, follows both as it would follow public logs, serves the streams, and shows
what any client gets.

"make demo" adds some 1,700 real certificates; a bare binary issues its own.
The logs are kept in memory: at high rates a demo that runs for hours needs much of it
(about 100 bytes an entry).`

const demoExamples = `  streamer demo
  streamer demo --port 9000 --tcp-port 9001
  streamer demo --rate 20000                 as much as it can
  streamer demo --tls                        wss:// and https:// with a CA made for this run
  streamer demo --no-view --log-level info   only serve
  streamer demo --write-config second.yaml   rehearse a crash: see docs/retention.md
  streamer demo --lie split-view --state /tmp/state --no-view
                                             rehearse the alarm: a log that lies`

// demoFlags are demo's settings.
type demoFlags struct {
	demo.Options
	noView              bool
	level, format, tint string
	retention           string
}

func newDemo(now context.Context) *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "Try everything without the internet",
		Long:    demoHelp,
		Example: demoExamples,
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), now) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Host, "host", "127.0.0.1", "address to listen on")
	flags.IntVarP(&f.Port, "port", "p", 8080, "port of WebSocket, SSE and HTTP; 0 takes a free one")
	flags.IntVar(&f.TCPPort, "tcp-port", 8081, "port of raw TCP; 0 takes a free one")
	flags.Float64VarP(&f.Rate, "rate", "r", 20, "entries per second that the logs grow by")
	flags.BoolVar(&f.TLS, "tls", false, "serve TLS with a certificate of a CA made for this run")
	flags.BoolVar(&f.noView, "no-view", false, "do not show the stream")
	flags.StringVar(&f.Corpus, "corpus", "", "file of real entries, as hack/corpus writes it")
	flags.StringVar(&f.Lie, "lie", "", "have the tiled log lie after some seconds: "+strings.Join(demo.Lies(), " or "))
	flags.StringVar(&f.State, "state", "", "folder for positions, and for the evidence against a log that lies")
	flags.StringVar(&f.retention, "retention", "0", "disk space for entries, for clients that come back; needs --state")
	flags.StringVar(&f.WriteConfig, "write-config", "", "file for the configuration of a second streamer, which follows the same logs")
	flags.StringVar(&f.level, "log-level", "warn", "what the streamer logs: debug, info, warn or error")
	flags.StringVar(&f.format, "log-format", "text", "how: text or json")
	flags.StringVar(&f.tint, "color", "auto", "auto, always or never")
	return cmd
}

func (f *demoFlags) run(ctx, now context.Context) error {
	printer, err := terminal.New(os.Stdout, terminal.Options{Color: f.tint})
	if err != nil {
		return usageError{err}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.level)); err != nil {
		return usageError{fmt.Errorf("--log-level %q: want debug, info, warn or error", f.level)}
	}
	if err := f.Retention.UnmarshalText([]byte(f.retention)); err != nil {
		return usageError{fmt.Errorf("--retention: %w", err)}
	}
	// On a terminal, log lines go between the stream's, so that they do not run into the status line.
	var logs io.Writer = os.Stderr
	if printer.Live() && !f.noView {
		logs = printer
	}
	options := &slog.HandlerOptions{Level: level}
	f.Logger = slog.New(slog.NewTextHandler(logs, options))
	if f.format == "json" {
		f.Logger = slog.New(slog.NewJSONHandler(logs, options))
	}
	f.Printer, f.Build, f.View = printer, buildInfo(), !f.noView
	if err := demo.Run(ctx, now, f.Options); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return printer.Line("stopped")
	}
	return nil
}
