package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
)

const configImportHelp = `Config import reads another server's settings and prints ours as YAML. What has no
equivalent, or not quite the same meaning, is listed on standard error.

FILE is the YAML of certstream-server-go or certstream-server-rust (1.2 or later), or a
file of NAME=value lines: the variables of any of them, or of the Elixir server.
"-" reads standard input. (The settings of certstream-server-rust 1.0.x need no import:
they work as they are.)`

const configImportExamples = `  streamer config import config.yml > ours.yaml
  env | grep CERTSTREAM_ | streamer config import - --from rust`

const stateImportHelp = `State import takes over the positions of another server, so that the streamer goes on
where that one stopped. FILE is the state file of certstream-server-rust or the
ct_index.json of certstream-server-go; it is not changed. Logs that the state directory
knows already keep their positions.

(With ct_log.state_file set to such a file no import is needed: the first start does it.)`

const stateImportExamples = `  streamer state import ct_index.json --dir /var/lib/certstream
  streamer state import certstream_state.json --config config.yaml
  streamer state import ct_index.json --dry-run`

func newConfig() *cobra.Command {
	parent := &cobra.Command{Use: "config", Short: "Import another server's settings", Long: "Take over another server's settings.",
		Example: "  streamer config import config.yml > ours.yaml", Args: args(cobra.NoArgs), RunE: help}
	var from string
	cmd := &cobra.Command{
		Use:     "import FILE",
		Short:   "Translate another server's settings into ours",
		Long:    configImportHelp,
		Example: configImportExamples,
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			return importConfig(cmd, given[0], config.Kind(from))
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the server the settings are of: go, rust or elixir (default: found out)")
	parent.AddCommand(cmd)
	return parent
}

func importConfig(cmd *cobra.Command, path string, kind config.Kind) error {
	file, err := open(cmd, path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	ours, notes, err := config.Import(file, kind)
	if err != nil {
		return usageError{err}
	}
	for _, note := range notes {
		fmt.Fprintln(cmd.ErrOrStderr(), "note:", note)
	}
	_, err = cmd.OutOrStdout().Write(ours)
	return err
}

// open opens a file, or standard input for "-".
func open(cmd *cobra.Command, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(cmd.InOrStdin()), nil
	}
	return os.Open(path)
}

// stateFlags are state import's settings.
type stateFlags struct {
	config, dir string
	dryRun      bool
}

func newState() *cobra.Command {
	parent := &cobra.Command{Use: "state", Short: "Import another server's positions", Long: "Take over another server's positions.",
		Example: "  streamer state import ct_index.json --dir /var/lib/certstream", Args: args(cobra.NoArgs), RunE: help}
	var f stateFlags
	cmd := &cobra.Command{
		Use:     "import FILE",
		Short:   "Go on where another server stopped",
		Long:    stateImportHelp,
		Example: stateImportExamples,
		Args:    args(cobra.ExactArgs(1)),
		RunE:    func(cmd *cobra.Command, given []string) error { return f.importState(cmd, given[0]) },
	}
	configFlag(cmd, &f.config)
	cmd.Flags().StringVarP(&f.dir, "dir", "d", "", "state directory (default: state.dir of the configuration)")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only show what the file holds")
	parent.AddCommand(cmd)
	return parent
}

func (f *stateFlags) importState(cmd *cobra.Command, path string) error {
	file, err := open(cmd, path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	imported, err := follow.ImportState(file)
	if err != nil {
		return usageError{err}
	}
	outcome := "nothing was saved"
	if !f.dryRun {
		dir, err := f.stateDir()
		if err != nil {
			return err
		}
		if err := save(dir, imported); err != nil {
			return err
		}
		outcome = "saved in " + dir
	}
	return showImported(cmd.OutOrStdout(), imported, outcome)
}

func (f *stateFlags) stateDir() (string, error) {
	if f.dir != "" {
		return f.dir, nil
	}
	loaded, err := config.Load(config.Options{Path: f.config})
	if err != nil {
		return "", invalid(err)
	}
	dir, _ := loaded.StateDir()
	if dir == "" {
		return "", usageError{errors.New("the configuration has no state.dir: set it, or say --dir")}
	}
	return dir, nil
}

func save(dir string, imported follow.Imported) (err error) {
	store, err := follow.OpenStore(dir, follow.StoreOptions{Recovery: follow.RecoverFail, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return store.Import(imported)
}

func showImported(w io.Writer, imported follow.Imported, outcome string) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "LOG\tNEXT ENTRY")
	for _, url := range slices.Sorted(maps.Keys(imported.Positions)) {
		fmt.Fprintf(table, "%s\t%d\n", url, imported.Positions[url])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	positions := "positions"
	if len(imported.Positions) == 1 {
		positions = "position"
	}
	_, err := fmt.Fprintf(w, "\n%d %s from a %s server; %s\n", len(imported.Positions), positions, imported.Kind, outcome)
	return err
}
