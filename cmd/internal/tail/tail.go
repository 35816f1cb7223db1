// Package tail shows a stream in the terminal: what `streamer tail` and `kubectl certstream tail` have in common.
package tail

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/internal/terminal"
	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// Flags are the settings of a tail.
type Flags struct {
	// Client are the flags that are the client's options already.
	Client client.Options
	// Stream is the kind; JSON and Domains are forms other than a line for each certificate.
	Stream        string
	JSON, Domains bool
	// CA is a PEM file, Insecure accepts any certificate.
	CA       string
	Insecure bool
	Color    string
	// Count ends the tail after so many certificates; 0 never.
	Count int
}

// Add gives a command the flags.
func (f *Flags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.Stream, "stream", "", "stream kind: full, lite or domains (default lite, or what the URL's path says)")
	flags.BoolVar(&f.JSON, "json", false, "print every message as the server sent it, one per line")
	flags.BoolVar(&f.Domains, "domains", false, "print nothing but names, one per line")
	flags.StringVar(&f.Client.Since, "since", "", "begin after a cursor, at a time (2026-07-01T12:00:00Z), or so far back (15m)")
	flags.VarPF((*dedup)(&f.Client.Dedup), "dedup", "", "each certificate once only, though several logs have it; =false for all copies "+
		"(default what the server is set to)").NoOptDefVal = "true"
	flags.StringVar(&f.Client.Token, "token", "", "bearer token (or CERTSTREAM_TOKEN)")
	flags.StringArrayVar(&f.Client.Filter.Suffix, "suffix", nil, "only this name and its subdomains (repeatable)")
	flags.StringArrayVar(&f.Client.Filter.Glob, "glob", nil, "only names that match this pattern whole, as in 'login.*.com' (repeatable)")
	flags.StringArrayVar(&f.Client.Filter.Domain, "domain", nil, "only names that match this regular expression (repeatable)")
	flags.StringArrayVar(&f.Client.Filter.Issuer, "issuer", nil, "only issuers that match (repeatable)")
	flags.StringArrayVar(&f.Client.Filter.Source, "source", nil, "only logs whose name, operator or URL matches (repeatable)")
	flags.StringArrayVar(&f.Client.Filter.ExcludeDomain, "exclude-domain", nil, "not what has a name that matches (repeatable)")
	flags.StringArrayVar(&f.Client.Filter.ExcludeIssuer, "exclude-issuer", nil, "not what has an issuer that matches (repeatable)")
	flags.BoolVar(&f.Client.Filter.Any, "any", false, "one matching filter is enough (default: all must match)")
	flags.StringVar(&f.CA, "ca", "", "PEM file of the CA to trust, for streams that speak TLS")
	flags.BoolVar(&f.Insecure, "insecure", false, "accept any TLS certificate")
	flags.StringVar(&f.Color, "color", "auto", "auto, always or never")
	cmd.MarkFlagsMutuallyExclusive("json", "domains")
}

// CheckArgs finds a value of --dedup that was taken for an argument: the flag has a value only after "=".
func CheckArgs(cmd *cobra.Command, given []string) error {
	if flag := cmd.Flags().Lookup("dedup"); flag == nil || !flag.Changed {
		return nil
	}
	for _, arg := range given {
		if on, err := strconv.ParseBool(arg); err == nil {
			return UsageError{fmt.Errorf("--dedup %s: write --dedup=%t", arg, on)}
		}
	}
	return nil
}

// dedup is the flag's value: the server's default until it is given.
type dedup client.Dedup

// String is the value as given, "" by default.
func (d *dedup) String() string {
	return map[dedup]string{dedup(client.DedupOn): "true", dedup(client.DedupOff): "false"}[*d]
}

// Set takes a boolean.
func (d *dedup) Set(text string) error {
	on, err := strconv.ParseBool(text)
	if err != nil {
		return errors.New("want true or false")
	}
	if *d = dedup(client.DedupOff); on {
		*d = dedup(client.DedupOn)
	}
	return nil
}

// Type is what help calls the value: nothing, as it may be left out.
func (d *dedup) Type() string { return "" }

// UsageError is a mistake in the flags, or in the URL.
type UsageError struct{ error }

// Unwrap gives the cause.
func (e UsageError) Unwrap() error { return e.error }

// Options are the client's, completed from flags and environment.
func (f *Flags) Options() (client.Options, error) {
	o := f.Client
	if o.Token == "" {
		o.Token = os.Getenv("CERTSTREAM_TOKEN")
	}
	o.Stream = client.Stream(strings.TrimSuffix(f.Stream, "-only"))
	if o.Stream == "" && f.Domains {
		o.Stream = client.Domains
	}
	if f.CA == "" && !f.Insecure {
		return o, nil
	}
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.Insecure}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return o, UsageError{fmt.Errorf("--ca: %w", err)}
		}
		o.TLS.RootCAs = x509.NewCertPool()
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return o, UsageError{fmt.Errorf("--ca: %s holds no PEM certificate", f.CA)}
		}
	}
	return o, nil
}

// Run shows the stream on out until it ends for good, the context does, or nobody reads the output any more. What is no part of
// the output goes to errs, after the name.
func (f *Flags) Run(ctx context.Context, name string, o client.Options, out, errs io.Writer) error {
	c, err := client.New(o)
	if err != nil {
		return UsageError{err}
	}
	printer, err := terminal.New(out, terminal.Options{Color: f.Color})
	if err != nil {
		return UsageError{err}
	}
	t := tailer{name: name, flags: f, printer: printer, out: out, errs: errs}
	for message, err := range c.Messages(ctx) {
		if err != nil {
			return cleanError{cmp.Or(context.Cause(ctx), err)}
		}
		if more, err := t.show(message); err != nil || !more {
			return err
		}
	}
	return nil
}

// tailer shows messages.
type tailer struct {
	name      string
	flags     *Flags
	printer   *terminal.Printer
	out, errs io.Writer
	shown     int
	// failed is why there is no connection: it is told once, and again when it is another reason.
	failed string
}

// show prints a message in the form asked for; more is false once there were enough.
func (t *tailer) show(m client.Message) (more bool, err error) {
	if m.Reconnecting() == nil {
		t.failed = ""
	}
	if t.flags.JSON && m.Raw != nil {
		_, err := t.out.Write(append(cleanJSON(m.Raw), '\n'))
		return t.counted(m), err
	}
	switch e := m.Event().(type) {
	case *client.Certificate:
		if t.flags.Domains {
			err = t.names(e.Leaf.AllDomains)
		} else {
			err = t.printer.Certificate(e)
		}
	case *client.DomainNames:
		if t.flags.Domains {
			err = t.names(e.Names)
		} else {
			err = t.printer.Names(e.Names)
		}
	default:
		err = t.note(e)
	}
	return t.counted(m), err
}

// counted notes that a certificate was shown, and says whether another is wanted.
func (t *tailer) counted(m client.Message) bool {
	if m.Type == "certificate_update" || m.Type == "dns_entries" {
		t.shown++
	}
	return t.flags.Count == 0 || t.shown < t.flags.Count
}

func (t *tailer) names(names []string) error {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(terminal.Clean(name))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(t.out, b.String())
	return err
}

// note tells of what is no certificate: to a person in between, otherwise on standard error.
func (t *tailer) note(e client.Event) error {
	var text string
	switch e := e.(type) {
	case *client.Gap:
		text = gapText(e)
	case *client.Reconnecting:
		if e.Err.Error() == t.failed {
			return nil
		}
		t.failed = e.Err.Error()
		text = fmt.Sprintf("%v; next try in %.1f s", e.Err, e.After.Seconds())
	default:
		return nil
	}
	if t.printer.Live() && !t.flags.Domains {
		return t.printer.Note("-- %s", text)
	}
	_, err := fmt.Fprintf(t.errs, "%s: %s\n", t.name, terminal.Clean(text))
	return err
}

func gapText(g *client.Gap) string {
	count := "an unknown number of certificates"
	if g.Missed >= 0 {
		count = fmt.Sprintf("%d certificates", g.Missed)
	}
	if g.Reason == client.GapUnresumed {
		return "gap: " + count + " missed; this server cannot resume"
	}
	if g.Log != "" {
		return fmt.Sprintf("gap: the server skipped %s of %s (%s)", count, g.Log, g.Reason)
	}
	return fmt.Sprintf("gap: %s missed (%s)", count, g.Reason)
}
