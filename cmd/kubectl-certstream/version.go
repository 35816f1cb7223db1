package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker (see the Makefile).
var version, commit string

// buildInfo says what this binary was made of. Built with plain `go build`, the module's own information stands in.
func buildInfo() (version_, commit_ string) {
	info, ok := debug.ReadBuildInfo()
	if version == "" && ok {
		return cmp.Or(info.Main.Version, "unknown"), commit
	}
	return cmp.Or(version, "unknown"), commit
}

func (p *plugin) version() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the plugin's version",
		Example: "  kubectl certstream version",
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, commit := buildInfo()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "kubectl-certstream %s (%s, %s %s/%s)\n",
				version, cmp.Or(commit, "unknown commit"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
