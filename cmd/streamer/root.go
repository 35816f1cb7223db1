package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

const rootHelp = `Streamer follows Certificate Transparency logs and streams every certificate they
publish, live, over WebSocket, server-sent events and raw TCP.

Without a sub-command it serves: with no configuration it follows the usable logs of
Google's list and listens on port 8080. Existing certstream clients work as they are:

  ws://HOST:8080/                 certificates without DER and chain
  ws://HOST:8080/full-stream      certificates with DER and chain
  ws://HOST:8080/domains-only     names only
  http://HOST:8080/sse            the same as server-sent events (?stream=full|lite|domains)`

const rootExamples = `  streamer                                  follow the public logs, serve on :8080
  streamer demo                             try everything without the internet
  streamer --config config.yaml             serve with a configuration file
  streamer validate config.yaml             find every mistake in it
  streamer tail ws://127.0.0.1:8080         watch a stream in the terminal`

// newRoot makes the command tree. The end of now cuts short what commands do when their own context has ended.
func newRoot(now context.Context) *cobra.Command {
	var path string
	root := &cobra.Command{
		Use:           "streamer",
		Short:         "Stream Certificate Transparency logs",
		Long:          rootHelp,
		Example:       rootExamples,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          args(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), now, path) },
	}
	configFlag(root, &path)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
	root.AddCommand(newServe(now), newDemo(now), newValidate(), newTail(), newLogs(), newVerify(), newConfig(), newState(), newSegments(),
		newVersion())
	return root
}

// help is what a command does that only has sub-commands. Having it makes a misspelt one an error.
func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// args makes a wrong number of arguments a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
		}
		return nil
	}
}
