package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

const rootHelp = `kubectl certstream shows what CertStreams do, and reads their streams.

Where NAME is left out, the one CertStream of the namespace is meant. What a command
asks of the pod itself goes through a port-forward, which needs the right to create
pods/portforward in the namespace.`

// plugin is what the commands share.
type plugin struct {
	streams genericiooptions.IOStreams
	flags   *genericclioptions.ConfigFlags
	// open reaches the cluster that the flags name; now is the time. Tests put theirs in their place.
	open func() (*cluster, error)
	now  func() time.Time
}

func newPlugin(streams genericiooptions.IOStreams) *plugin {
	flags := genericclioptions.NewConfigFlags(true)
	flags.BearerToken = nil // --token is the stream's
	flags.CacheDir = nil    // nothing is discovered, so nothing is cached
	return &plugin{streams: streams, flags: flags, open: func() (*cluster, error) { return openCluster(flags) }, now: time.Now}
}

// root makes the command tree.
func (p *plugin) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "kubectl-certstream",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl certstream"},
		Short:         "Show CertStreams and read their streams",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          args(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.ValidateFlagGroups(); err != nil {
				return usageError{err}
			}
			return nil
		},
	}
	root.SetIn(p.streams.In)
	root.SetOut(p.streams.Out)
	root.SetErr(p.streams.ErrOut)
	p.flags.AddFlags(root.PersistentFlags())
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
	})
	root.AddCommand(p.status(), p.tail(), p.logs(), p.restart(), p.suspend(), p.resume(), p.config(), p.version())
	return root
}

// named gives a command the optional argument NAME, with completion.
func (p *plugin) named(cmd *cobra.Command) *cobra.Command {
	cmd.Use += " [NAME]"
	cmd.Args = args(cobra.MaximumNArgs(1))
	cmd.ValidArgsFunction = p.complete
	return cmd
}

// complete offers the names of CertStreams.
func (p *plugin) complete(cmd *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, err := p.open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := c.names(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// args makes a wrong number of arguments a usage error.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return usageError{fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())}
		}
		return nil
	}
}

// first is the argument NAME, or nothing.
func first(given []string) string {
	if len(given) == 0 {
		return ""
	}
	return given[0]
}

// page starts a page for the command's output. Width 0 is no terminal: then nothing is cut.
func (p *plugin) page(cmd *cobra.Command) *page {
	width := terminalWidth(cmd.OutOrStdout())
	color := width > 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return &page{width: width, color: color, now: p.now()}
}

// terminalWidth is 0 for what is no terminal.
func terminalWidth(w io.Writer) int {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return max(width, 40)
}
