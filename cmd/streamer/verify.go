package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/audit"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

const verifyHelp = `Verify asks a log for a range of its entries and for its proofs, computes everything
again, and prints what holds and what does not: the signature of the tree head, that
the tree continues the tree heads that a streamer has kept (--state), and that each
entry is in the tree. It asks 4 times a second at most, unless the configuration says
otherwise.

With --evidence it checks a file that a streamer has kept of a log that misbehaved, by
itself, without the network. Compare the log id with that of a log list you trust.

It exits with 0 if all holds (or the evidence proves what it says), with 3 if something
does not, with 1 if something could not be checked, with 2 on wrong arguments.`

const verifyExamples = `  streamer verify --log argon2026h2 --from 1000000 --to 1010000
  streamer verify --log https://log.example/2026h2/ --from 0 --state /var/lib/certstream
  streamer verify --evidence evidence/argon-ab12cd34/20261021T142233.120000000Z.json`

// verifyFlags are verify's settings.
type verifyFlags struct {
	config, log, state, evidence string
	from, to                     uint64
	print                        bool
}

// errNotProved is what does not hold.
var errNotProved = errors.New("not everything holds")

func newVerify() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:     "verify",
		Short:   "Check a range of a log's entries again",
		Long:    verifyHelp,
		Example: verifyExamples,
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (f.log == "") == (f.evidence == "") {
				return usageError{errors.New("want --log or --evidence (see streamer verify --help)")}
			}
			if f.evidence != "" {
				return f.proveEvidence(cmd)
			}
			return f.verify(cmd)
		},
	}
	configFlag(cmd, &f.config)
	cmd.Flags().StringVarP(&f.log, "log", "l", "", "the log's name, URL or id; a part of its name will do")
	cmd.Flags().Uint64Var(&f.from, "from", 0, "first index to check")
	cmd.Flags().Uint64Var(&f.to, "to", 0, "index after the last one to check; 0 checks to the head")
	cmd.Flags().StringVar(&f.state, "state", "", "state directory whose tree heads to compare with; it may be in use")
	cmd.Flags().StringVar(&f.evidence, "evidence", "", "file of evidence to check instead; - reads it from standard input")
	cmd.Flags().BoolVar(&f.print, "print", false, "with --evidence: print the file itself, to take it out of a pod")
	return cmd
}

func (f *verifyFlags) verify(cmd *cobra.Command) error {
	loaded, err := config.Load(config.Options{Path: f.config})
	if err != nil {
		return invalid(err)
	}
	version, _ := build()
	out := cmd.OutOrStdout()
	result, err := streamer.Verify(cmd.Context(), loaded.Config, version, streamer.VerifyOptions{
		Log: f.log, From: f.from, To: f.to, StateDir: f.state, Logger: slog.New(slog.DiscardHandler),
		Tell: func(c audit.Check) { tellCheck(out, c) },
	})
	switch {
	case errors.Is(err, streamer.ErrNoLog), errors.Is(err, audit.ErrRange):
		return usageError{err}
	case result.Failed > 0:
		return errors.Join(errNotProved, err)
	case errors.Is(err, audit.ErrNoKey):
		return fmt.Errorf("what was checked holds, but whose tree it is cannot be checked: %w", err)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(out, "\nall holds: %d entries\n", result.Entries)
	return err
}

func tellCheck(w io.Writer, c audit.Check) {
	switch {
	case c.Unchecked != nil:
		fmt.Fprintf(w, "cannot check: no key  %s\n", c.What)
	case c.Holds:
		fmt.Fprintln(w, "holds         "+c.What)
	default:
		fmt.Fprintln(w, "DOES NOT HOLD "+c.What)
	}
}

func (f *verifyFlags) proveEvidence(cmd *cobra.Command) error {
	file, err := open(cmd, f.evidence)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	e, err := evidence.Read(file)
	if err != nil {
		return usageError{err}
	}
	out := cmd.OutOrStdout()
	if f.print {
		return printEvidence(out, e)
	}
	fmt.Fprintf(out, "log       %q (%q)\nlog id    %x\nseen      %s\nkind      %q\nwhy       %q\n",
		e.Log.Name, e.Log.URL, e.Log.LogID, e.Seen.Format(time.RFC3339), e.Kind, e.Why)
	for _, h := range e.Heads {
		fmt.Fprintf(out, "tree head size %d, root %x, signed %s\n", h.Size, h.Root, signedAt(h.Timestamp))
	}
	if err := e.Prove(); err != nil {
		return errors.Join(errNotProved, err)
	}
	verdict := "proved: the owner of the log's key signed this"
	if e.Kind == evidence.WrongEntry {
		verdict = "proved: the entry is not the one in the signed tree; who served it, no file can prove"
	}
	_, err = fmt.Fprintln(out, "\n"+verdict)
	return err
}

// printEvidence is for images without a shell, from which kubectl cannot copy files.
func printEvidence(w io.Writer, e *evidence.Evidence) error {
	data, err := e.Encode()
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// signedAt is a tree head's time, or the number where it is none.
func signedAt(ms uint64) string {
	const year9999 = 253_402_300_799_999
	if ms > year9999 {
		return fmt.Sprintf("at %d ms", ms)
	}
	return time.UnixMilli(int64(ms)).UTC().Format(time.RFC3339)
}
