package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

const serveHelp = `Serve follows Certificate Transparency logs and streams their certificates.

The configuration is the file of --config or CERTSTREAM_CONFIG, else ./config.yaml,
./config.yml or /etc/certstream/config.yaml if there is one, else the defaults.
CERTSTREAM_* variables override it. A changed file is applied while running, where
the setting allows it; SIGHUP has it read again.

SIGTERM and SIGINT write a checkpoint, close the clients over the drain period, and
exit. A second one ends at once.`

const serveExamples = `  streamer serve
  streamer serve --config config.yaml
  CERTSTREAM_PORT=9000 CERTSTREAM_TCP_ENABLED=true streamer
  CERTSTREAM_STATE_DIR=/var/lib/certstream streamer      resume after a restart`

func newServe(now context.Context) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "serve",
		Short:   "Follow logs and serve streams (the default)",
		Long:    serveHelp,
		Example: serveExamples,
		Args:    args(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), now, path) },
	}
	configFlag(cmd, &path)
	return cmd
}

// configFlag adds --config.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "configuration file (default: see streamer serve --help)")
}

// serve runs the streamer until it is told to stop.
func serve(ctx, now context.Context, path string) error {
	load := config.Options{Path: path}
	loaded, err := config.Load(load)
	if err != nil {
		return invalid(err)
	}
	level := new(slog.LevelVar)
	logger := newLogger(loaded.LogFormat, level)
	for _, warning := range loaded.Warnings {
		logger.Warn("configuration", "warning", warning)
	}
	s, err := succeed(ctx, streamer.Options{
		Config: loaded, Load: load, Build: buildInfo(), Logger: logger, Level: level,
	})
	if err != nil {
		return err
	}
	defer reloadOnHangup(s)()
	return s.Run(ctx, now)
}

// handOver is how much longer than a drain the streamer before this one may have its state directory.
const handOver = 10 * time.Second

// succeed makes the streamer, and waits where another that is stopping still uses the state directory: a pod that takes the
// place of a deleted one starts while that one closes its clients.
func succeed(ctx context.Context, o streamer.Options) (*streamer.Streamer, error) {
	drain := o.Config.Drain
	patience := time.Duration(drain.Delay) + time.Duration(drain.Period) + handOver
	giveUp := time.Now().Add(patience)
	for waited := false; ; waited = true {
		s, err := streamer.New(o)
		if !errors.Is(err, follow.ErrInUse) || time.Now().After(giveUp) {
			return s, err
		}
		if !waited {
			o.Logger.Warn("waiting for the streamer that uses the state directory to end", "error", err, "patience", patience)
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// invalid makes a configuration's mistakes usage errors: another start would find them again.
func invalid(err error) error {
	if errors.As(err, new(*config.InvalidError)) {
		return usageError{err}
	}
	return err
}

// newLogger writes to standard error, which is where logs are looked for.
func newLogger(format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

func buildInfo() telemetry.Build {
	version, commit := build()
	return telemetry.Build{Version: version, Revision: commit}
}

// reloadOnHangup has the configuration read again at each SIGHUP, until the returned function is called.
func reloadOnHangup(s *streamer.Streamer) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangups {
			s.Reload()
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}
