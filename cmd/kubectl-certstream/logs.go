package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

const logsHelp = `Logs shows the CT logs that a CertStream follows, as its pod reports them: where it is
in each, how far behind, and what is amiss. The logs that are worst off come first.

These are Certificate Transparency logs. What the pod writes is shown by kubectl logs.`

const logsExamples = `  kubectl certstream logs
  kubectl certstream logs main -o wide
  kubectl certstream logs main -o json | jq -r '.[] | select(.status != "healthy") | .url'
  kubectl logs deployment/certstream-main           what the pod writes`

func (p *plugin) logs() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:     "logs",
		Short:   "Show the CT logs that a CertStream follows",
		Long:    logsHelp,
		Example: logsExamples,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := oneOf("-o", output, "", "wide", "json", "yaml"); err != nil {
				return err
			}
			c, err := p.open()
			if err != nil {
				return err
			}
			s, err := c.streamer(cmd.Context(), first(given))
			if err != nil {
				return err
			}
			if output == "json" || output == "yaml" {
				return encode(cmd.OutOrStdout(), output, worstFirst(s.Logs))
			}
			page := p.page(cmd)
			if output == "wide" {
				renderWideLogTable(page, s)
			} else {
				renderLogTable(page, s)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), page.String())
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "wide, json or yaml")
	return p.named(cmd)
}

// streamer is what the pod of a CertStream says of itself.
func (c *cluster) streamer(ctx context.Context, name string) (*serve.Status, error) {
	cs, err := c.find(ctx, name)
	if err != nil {
		return nil, err
	}
	pod, err := c.pod(ctx, cs)
	if err != nil {
		return nil, err
	}
	if pod == nil {
		return nil, fmt.Errorf("CertStream %s: %w; kubectl certstream status %s says why", cs.Name, errNoPod, cs.Name)
	}
	s, err := c.report(ctx, pod)
	if err != nil {
		return nil, fmt.Errorf("asking pod %s: %w", pod.Name, err)
	}
	return s, nil
}
