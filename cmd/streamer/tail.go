package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/cmd/internal/tail"
)

const tailHelp = `Tail shows a certstream in the terminal, from this server or any other certstream server.

It reconnects by itself. Where the server sends cursors it resumes where it was, and
says how much is missing when the server no longer has it; where it sends none, tail
says that something may be missing. Filters are evaluated by the server; for servers
before this one, tail evaluates them. --json shows the cursors that --since takes.

A bare address or ws:// and wss:// read over WebSocket, http:// and https:// over
server-sent events, tcp:// and tls:// over raw TCP. The token may also be given in
CERTSTREAM_TOKEN, which does not show in the process list.`

const tailExamples = `  streamer tail                                         this machine's stream
  streamer tail wss://certstream.example.org --stream domains
  streamer tail --suffix example.com --suffix example.org
  streamer tail --json --stream full | jq '.data.leaf_cert.subject // empty'
  streamer tail --domains | grep -i paypal
  streamer tail --since 1x9k2-4711                      what came after that cursor
  streamer tail --since 15m --dedup                     the last 15 minutes, each certificate once`

func newTail() *cobra.Command {
	var f tail.Flags
	cmd := &cobra.Command{
		Use:     "tail [URL]",
		Short:   "Watch a stream in the terminal",
		Long:    tailHelp,
		Example: tailExamples,
		Args:    args(cobra.MatchAll(tail.CheckArgs, cobra.MaximumNArgs(1))),
		RunE: func(cmd *cobra.Command, given []string) error {
			f.Client.URL = "ws://127.0.0.1:8080"
			if len(given) == 1 {
				f.Client.URL = given[0]
			}
			return runTail(cmd, &f)
		},
	}
	f.Add(cmd)
	cmd.Flags().BoolVar(&f.Client.TokenInQuery, "token-in-query", false, "send the token as ?token=")
	cmd.Flags().IntVarP(&f.Count, "count", "n", 0, "stop after so many certificates")
	return cmd
}

func runTail(cmd *cobra.Command, f *tail.Flags) error {
	o, err := f.Options()
	if err == nil {
		version, _ := build()
		o.UserAgent = "certstream-operator-tail/" + version
		err = f.Run(cmd.Context(), "streamer tail", o, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	if errors.As(err, new(tail.UsageError)) {
		return usageError{err}
	}
	return err
}
