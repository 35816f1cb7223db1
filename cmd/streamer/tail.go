package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/internal/terminal"
	"github.com/certstream-operator/certstream-operator/streamer/client"
)

const tailHelp = `Tail shows a certstream in the terminal, from this server or any other certstream server.

It reconnects by itself. Where the server sends cursors it resumes where it was, and
says how much is missing when the server no longer has it. Filters are evaluated by
the server; servers before this one ignore them.

A bare address or ws:// and wss:// read over WebSocket, http:// and https:// over
server-sent events, tcp:// and tls:// over raw TCP. The token may also be given in
CERTSTREAM_TOKEN, which does not show in the process list.`

const tailExamples = `  streamer tail                                         this machine's stream
  streamer tail wss://certstream.example.org --stream domains
  streamer tail --suffix example.com --suffix example.org
  streamer tail --json --stream full | jq '.data.leaf_cert.subject // empty'
  streamer tail --domains | grep -i paypal
  streamer tail --since 1x9k2-4711                      what came after that cursor`

// tailFlags are tail's settings.
type tailFlags struct {
	client        client.Options
	stream        string
	json, domains bool
	ca, color     string
	insecure      bool
	count         int
}

func newTail() *cobra.Command {
	var f tailFlags
	cmd := &cobra.Command{
		Use:     "tail [URL]",
		Short:   "Watch a stream in the terminal",
		Long:    tailHelp,
		Example: tailExamples,
		Args:    args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, given []string) error {
			f.client.URL = "ws://127.0.0.1:8080"
			if len(given) == 1 {
				f.client.URL = given[0]
			}
			return tail(cmd.Context(), &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.stream, "stream", "", "stream kind: full, lite or domains (default lite, or what the URL's path says)")
	flags.BoolVar(&f.json, "json", false, "print every message as the server sent it, one per line")
	flags.BoolVar(&f.domains, "domains", false, "print nothing but names, one per line")
	flags.StringVar(&f.client.Since, "since", "", "resume after this cursor")
	flags.StringVar(&f.client.Token, "token", "", "bearer token (or CERTSTREAM_TOKEN)")
	flags.BoolVar(&f.client.TokenInQuery, "token-in-query", false, "send the token as ?token=")
	flags.StringArrayVar(&f.client.Filter.Suffix, "suffix", nil, "only this name and its subdomains (repeatable)")
	flags.StringArrayVar(&f.client.Filter.Domain, "domain", nil, "only names that match this regular expression (repeatable)")
	flags.StringArrayVar(&f.client.Filter.Issuer, "issuer", nil, "only issuers that match (repeatable)")
	flags.StringArrayVar(&f.client.Filter.Source, "source", nil, "only logs whose name, operator or URL matches (repeatable)")
	flags.StringArrayVar(&f.client.Filter.ExcludeDomain, "exclude-domain", nil, "not what has a name that matches (repeatable)")
	flags.StringArrayVar(&f.client.Filter.ExcludeIssuer, "exclude-issuer", nil, "not what has an issuer that matches (repeatable)")
	flags.BoolVar(&f.client.Filter.Any, "any", false, "one matching filter is enough (default: all must match)")
	flags.IntVarP(&f.count, "count", "n", 0, "stop after so many certificates")
	flags.StringVar(&f.ca, "ca", "", "PEM file of the CA to trust, for wss://, https:// and tls://")
	flags.BoolVar(&f.insecure, "insecure", false, "accept any TLS certificate")
	flags.StringVar(&f.color, "color", "auto", "auto, always or never")
	cmd.MarkFlagsMutuallyExclusive("json", "domains")
	return cmd
}

// tail runs until the stream ends for good, the context does, or nobody reads the output any more.
func tail(ctx context.Context, f *tailFlags) error {
	o, err := f.options()
	if err != nil {
		return usageError{err}
	}
	c, err := client.New(o)
	if err != nil {
		return usageError{err}
	}
	printer, err := terminal.New(os.Stdout, terminal.Options{Color: f.color})
	if err != nil {
		return usageError{err}
	}
	t := tailer{flags: f, printer: printer, out: os.Stdout, errs: os.Stderr}
	for message, err := range c.Messages(ctx) {
		if err != nil {
			return err
		}
		if more, err := t.show(message); err != nil || !more {
			return err
		}
	}
	return nil
}

// options are the client's, completed from flags and environment.
func (f *tailFlags) options() (client.Options, error) {
	o := f.client
	if o.Token == "" {
		o.Token = os.Getenv("CERTSTREAM_TOKEN")
	}
	o.Stream = client.Stream(strings.TrimSuffix(f.stream, "-only"))
	if o.Stream == "" && f.domains {
		o.Stream = client.Domains
	}
	version, _ := build()
	o.UserAgent = "certstream-operator-tail/" + version
	if f.ca == "" && !f.insecure {
		return o, nil
	}
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.insecure}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return o, fmt.Errorf("--ca: %w", err)
		}
		o.TLS.RootCAs = x509.NewCertPool()
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return o, fmt.Errorf("--ca: %s holds no PEM certificate", f.ca)
		}
	}
	return o, nil
}

// tailer shows messages.
type tailer struct {
	flags     *tailFlags
	printer   *terminal.Printer
	out, errs io.Writer
	shown     int
}

// show prints a message in the form asked for; more is false once there were enough.
func (t *tailer) show(m client.Message) (more bool, err error) {
	if t.flags.json && m.Reconnecting() == nil {
		_, err := t.out.Write(append(m.Raw, '\n'))
		return t.counted(m), err
	}
	switch e := m.Event().(type) {
	case *client.Certificate:
		if t.flags.domains {
			err = t.names(e.Leaf.AllDomains)
		} else {
			err = t.printer.Certificate(e)
		}
	case *client.DomainNames:
		if t.flags.domains {
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
	return t.flags.count == 0 || t.shown < t.flags.count
}

func (t *tailer) names(names []string) error {
	var b strings.Builder
	for _, name := range names {
		b.WriteString(name)
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
		text = fmt.Sprintf("%v; next try in %.1f s", e.Err, e.After.Seconds())
	default:
		return nil
	}
	if t.printer.Live() && !t.flags.domains {
		return t.printer.Note("-- %s", text)
	}
	_, err := fmt.Fprintln(t.errs, "streamer tail:", text)
	return err
}

func gapText(g *client.Gap) string {
	count := "an unknown number of certificates"
	if g.Missed >= 0 {
		count = fmt.Sprintf("%d certificates", g.Missed)
	}
	if g.Log != "" {
		return fmt.Sprintf("gap: the server skipped %s of %s (%s)", count, g.Log, g.Reason)
	}
	return fmt.Sprintf("gap: %s missed (%s)", count, g.Reason)
}
