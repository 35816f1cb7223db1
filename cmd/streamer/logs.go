package main

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/loglist"
)

const logsHelp = `Logs fetches the log list that the configuration names, and shows which logs serve
would follow. With --all it shows the others too, and why they are left out.`

const logsExamples = `  streamer logs
  streamer logs --all
  streamer logs --config config.yaml --json | jq -r '.[] | select(.followed) | .url'`

func newLogs() *cobra.Command {
	var path string
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:     "logs",
		Short:   "Show which logs would be followed",
		Long:    logsHelp,
		Example: logsExamples,
		Args:    args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := config.Load(config.Options{Path: path})
			if err != nil {
				return invalid(err)
			}
			version, _ := build()
			decisions, sources, err := streamer.Resolve(cmd.Context(), loaded.Config, version, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			if asJSON {
				err = logsJSON(cmd.OutOrStdout(), decisions, all)
			} else {
				err = logsTable(cmd.OutOrStdout(), decisions, sources, all)
			}
			return errors.Join(err, unreachable(sources))
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVarP(&all, "all", "a", false, "also show logs that are not followed")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// unreachable is the error of lists that could not be had.
func unreachable(sources []loglist.SourceStatus) error {
	var errs []error
	for _, s := range sources {
		if s.Error != "" {
			errs = append(errs, fmt.Errorf("log list %s: %s", s.Name, s.Error))
		}
	}
	return errors.Join(errs...)
}

func logsTable(w io.Writer, decisions []loglist.Decision, sources []loglist.SourceStatus, all bool) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	header := "OPERATOR\tNAME\tPROTOCOL\tSTATE\tCERTIFICATES THAT EXPIRE\tURL"
	if all {
		header = "FOLLOWED\t" + header + "\tWHY"
	}
	fmt.Fprintln(table, header)
	followed := 0
	for _, d := range decisions {
		l := d.Log
		if d.Followed {
			followed++
		} else if !all {
			continue
		}
		row := fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", cmp.Or(l.Operator, "-"), l.Name, l.Protocol, cmp.Or(string(l.State), "-"), interval(l), l.URL)
		if all {
			yes := "no"
			if d.Followed {
				yes = "yes"
			}
			row = yes + "\t" + row + "\t" + d.Reason
		}
		fmt.Fprintln(table, row)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%d of %d logs are followed%s\n", followed, len(decisions), origin(sources))
	return err
}

// origin says where the list is from.
func origin(sources []loglist.SourceStatus) string {
	text := ""
	for _, s := range sources {
		text += "; list " + s.Name
		if s.Version != "" {
			text += " " + s.Version
		}
		switch {
		case s.Signed != "":
			text += ", signed by " + s.Signed
		case s.Logs > 0:
			text += ", unsigned"
		}
		if s.FromDisk {
			text += ", kept from " + s.Fetched.Format(time.RFC3339)
		}
	}
	return text
}

func interval(l loglist.Log) string {
	if l.From.IsZero() && l.Until.IsZero() {
		return "any time"
	}
	return l.From.Format(time.DateOnly) + " to " + l.Until.Format(time.DateOnly)
}

// logJSON is a log as --json shows it.
type logJSON struct {
	Followed bool   `json:"followed"`
	Reason   string `json:"reason"`
	Name     string `json:"name"`
	Operator string `json:"operator"`
	Protocol string `json:"type"`
	State    string `json:"state"`
	URL      string `json:"url"`
	LogID    string `json:"log_id"`
}

func logsJSON(w io.Writer, decisions []loglist.Decision, all bool) error {
	rows := []logJSON{}
	for _, d := range decisions {
		l := d.Log
		if d.Followed || all {
			rows = append(rows, logJSON{
				Followed: d.Followed, Reason: d.Reason, Name: l.Name, Operator: l.Operator, Protocol: string(l.Protocol),
				State: string(l.State), URL: l.URL, LogID: base64.StdEncoding.EncodeToString(l.ID[:]),
			})
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(rows)
}
