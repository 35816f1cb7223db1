package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker (see the Makefile).
var version, commit string

// build says what this binary was made of. Built with plain `go build`, the module's own information stands in.
func build() (version_, commit_ string) {
	version_, commit_ = version, commit
	info, ok := debug.ReadBuildInfo()
	if version_ == "" && ok && info.Main.Version != "" {
		version_ = info.Main.Version
	}
	if version_ == "" {
		version_ = "unknown"
	}
	return version_, commit_
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  streamer version",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, commit := build()
			if commit == "" {
				commit = "unknown commit"
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "streamer %s (%s, %s %s/%s)\n",
				version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
