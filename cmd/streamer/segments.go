package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

const segmentsHelp = `Segments are the files in which a streamer with retention.max_bytes keeps entries, so
that clients can come back for what they missed. These commands only read them; a
streamer may be writing at the same time.`

const segmentsExamples = `  streamer segments list --dir /var/lib/certstream
  streamer segments verify --dir /var/lib/certstream
  streamer segments export --from 2026-07-01T12:00:00Z --to 2026-07-01T13:00:00Z
  streamer segments export --from 15m --filter 'suffix=example.org' --stream domains-only`

// segmentFlags say where the segments are.
type segmentFlags struct {
	config, dir string
}

func newSegments() *cobra.Command {
	parent := &cobra.Command{Use: "segments", Short: "Look into what is kept on disk", Long: segmentsHelp,
		Example: segmentsExamples, Args: args(cobra.NoArgs), RunE: help}
	var f segmentFlags
	parent.PersistentFlags().StringVarP(&f.config, "config", "c", "", "configuration file (default: see streamer serve --help)")
	parent.PersistentFlags().StringVarP(&f.dir, "dir", "d", "", "state directory (default: state.dir of the configuration)")
	parent.AddCommand(newSegmentsList(&f), newSegmentsVerify(&f), newSegmentsExport(&f))
	return parent
}

// files looks at the segments.
func (f *segmentFlags) files() ([]engine.SegmentFile, error) {
	dir := f.dir
	if dir == "" {
		loaded, err := config.Load(config.Options{Path: f.config})
		if err != nil {
			return nil, invalid(err)
		}
		dir, _ = loaded.StateDir()
	}
	if dir == "" {
		return nil, usageError{errors.New("there is no state directory: set state.dir, or give --dir")}
	}
	files, err := streamer.Segments(dir)
	if _, missing := os.Stat(dir); missing != nil {
		return nil, fmt.Errorf("looking for the state directory: %w", missing)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s keeps no entries: no streamer has run there with retention.max_bytes set", dir)
	}
	return files, err
}

func newSegmentsList(f *segmentFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "List segments", Long: "List the segments, with what they hold.",
		Example: "  streamer segments list --dir /var/lib/certstream --json", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := f.files()
			if err != nil {
				return err
			}
			if asJSON {
				return segmentsJSON(cmd.OutOrStdout(), files)
			}
			return segmentsTable(cmd.OutOrStdout(), files)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// condition is what to think of a segment, in a word.
func condition(f *engine.SegmentFile) string {
	switch {
	case f.Aside:
		return "set aside"
	case f.Torn():
		return "torn"
	case f.Problem != nil:
		return "damaged"
	case f.Full:
		return "closed" // nothing is added to it any more
	}
	return "open"
}

func segmentsTable(w io.Writer, files []engine.SegmentFile) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "EPOCH\tAFTER\tUP TO\tENTRIES\tMISSED\tBYTES\tOLDEST\tNEWEST\tSTATE")
	var entries uint64
	var size int64
	for i := range files {
		f := &files[i]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\n", f.Epoch, f.After, f.UpTo, f.Entries, f.Missed, f.Bytes,
			moment(f.Oldest), moment(f.Newest), condition(f))
		entries, size = entries+f.Entries, size+f.Bytes
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s, %d entries, %d bytes\n", segmentCount(len(files)), entries, size)
	return err
}

// segmentCount is a number of segments in words.
func segmentCount(n int) string {
	if n == 1 {
		return "1 segment"
	}
	return fmt.Sprintf("%d segments", n)
}

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// segmentJSON is a segment as --json shows it.
type segmentJSON struct {
	Path    string    `json:"path"`
	Epoch   string    `json:"epoch"`
	After   uint64    `json:"after"`
	UpTo    uint64    `json:"up_to"`
	Entries uint64    `json:"entries"`
	Missed  uint64    `json:"missed"`
	Bytes   int64     `json:"bytes"`
	Oldest  time.Time `json:"oldest,omitzero"`
	Newest  time.Time `json:"newest,omitzero"`
	State   string    `json:"state"`
	Problem string    `json:"problem,omitempty"`
}

func segmentsJSON(w io.Writer, files []engine.SegmentFile) error {
	rows := []segmentJSON{}
	for i := range files {
		f := &files[i]
		row := segmentJSON{f.Path, f.Epoch, f.After, f.UpTo, f.Entries, f.Missed, f.Bytes, f.Oldest, f.Newest, condition(f), ""}
		if f.Problem != nil {
			row.Problem = f.Problem.Error()
		}
		rows = append(rows, row)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(rows)
}

func newSegmentsVerify(f *segmentFlags) *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Read everything and say what is damaged",
		Long:    "Read every entry of every segment. The exit status is 1 when one is damaged.",
		Example: "  streamer segments verify --dir /var/lib/certstream", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			files, err := f.files()
			if err != nil {
				return err
			}
			entries, bad := streamer.VerifySegments(files, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
			fmt.Fprintf(cmd.OutOrStdout(), "%d entries in %s, %d damaged\n", entries, segmentCount(len(files)), bad)
			if bad > 0 {
				return fmt.Errorf("damaged: %s", segmentCount(bad))
			}
			return nil
		},
	}
}

func newSegmentsExport(f *segmentFlags) *cobra.Command {
	var from, to, kind, query string
	cmd := &cobra.Command{
		Use: "export", Short: "Print kept entries as JSON lines",
		Long:    "Print the messages of kept entries as clients get them, one a line, the oldest first.",
		Example: "  streamer segments export --from 15m --filter 'suffix=example.org' --stream domains-only", Args: args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			x, err := exportOf(from, to, kind, query, time.Now())
			if err != nil {
				return usageError{err}
			}
			files, err := f.files()
			if err != nil {
				return err
			}
			out := bufio.NewWriterSize(cmd.OutOrStdout(), 1<<16)
			_, err = streamer.WriteSegments(out, files, x)
			return errors.Join(err, out.Flush())
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "first time seen: RFC 3339, or a duration before now (default: the oldest)")
	cmd.Flags().StringVar(&to, "to", "", "end of the times seen, not included")
	cmd.Flags().StringVar(&kind, "stream", "lite", "what to print: full, lite or domains-only (or domains)")
	cmd.Flags().StringVar(&query, "filter", "", "filter as in a stream's URL, such as 'suffix=example.org&issuer=R11'")
	return cmd
}

// exportOf reads the flags of export.
func exportOf(from, to, kind, query string, now time.Time) (x streamer.Export, err error) {
	if x.From, err = timeFlag("--from", from, now); err != nil {
		return x, err
	}
	if x.To, err = timeFlag("--to", to, now); err != nil {
		return x, err
	}
	if !x.From.IsZero() && !x.To.IsZero() && !x.From.Before(x.To) {
		return x, fmt.Errorf("--to %s is not after --from %s: nothing is in between", moment(x.To), moment(x.From))
	}
	if x.Kind, err = message.ParseKind(kind); err != nil {
		return x, fmt.Errorf("--%w", err)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return x, fmt.Errorf("--filter: %w", err)
	}
	parsed, err := filter.ParseValues(values)
	if err != nil {
		return x, fmt.Errorf("--filter: %w", err)
	}
	unknown, err := filter.CheckNames(slices.Collect(maps.Keys(values)))
	switch {
	case err != nil:
		return x, fmt.Errorf("--filter: %w", err)
	case len(unknown) > 0:
		return x, fmt.Errorf("--filter: %q is not a filter", unknown[0])
	case parsed.Dedup == filter.On:
		return x, errors.New("--filter: dedup is for streams; an export has every entry")
	}
	x.Filter, err = filter.Compile(parsed, filter.DefaultLimits())
	return x, err
}

func timeFlag(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if back, err := time.ParseDuration(text); err == nil {
		return now.Add(-back), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("%s: want a time such as 2026-07-01T12:00:00Z, or how far to go back, such as 15m", name)
	}
	return at, nil
}
