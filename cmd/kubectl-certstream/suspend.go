package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const suspendHelp = `Suspend sets spec.suspend: the operator leaves the CertStream's objects alone until it
is resumed. The pod goes on as it is, and its status is still read.

Where Argo CD, Flux or the like own the spec, set it there: they put it back otherwise.`

const resumeHelp = `Resume takes spec.suspend back: the operator makes the CertStream's objects what the
spec says again.`

func (p *plugin) suspend() *cobra.Command {
	return p.named(&cobra.Command{
		Use:     "suspend",
		Short:   "Make the operator leave a CertStream alone",
		Long:    suspendHelp,
		Example: "  kubectl certstream suspend main",
		RunE: func(cmd *cobra.Command, given []string) error {
			return p.setSuspend(cmd, first(given), true, "suspended: its pod goes on as it is")
		},
	})
}

func (p *plugin) resume() *cobra.Command {
	return p.named(&cobra.Command{
		Use:     "resume",
		Short:   "Make the operator take a CertStream up again",
		Long:    resumeHelp,
		Example: "  kubectl certstream resume main",
		RunE: func(cmd *cobra.Command, given []string) error {
			return p.setSuspend(cmd, first(given), false, "resumed")
		},
	})
}

func (p *plugin) setSuspend(cmd *cobra.Command, name string, suspend bool, done string) error {
	c, err := p.open()
	if err != nil {
		return err
	}
	cs, err := c.find(cmd.Context(), name)
	if err != nil {
		return err
	}
	if cs.Spec.Suspend == suspend {
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "certstream/%s unchanged: it is %s\n", cs.Name, standsStill(suspend))
		return err
	}
	if err := c.change(cmd.Context(), cs, func(cs *v1alpha1.CertStream) { cs.Spec.Suspend = suspend }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "certstream/%s %s\n", cs.Name, done)
	return err
}

func standsStill(suspend bool) string {
	if suspend {
		return "suspended already"
	}
	return "not suspended"
}

// change writes what a function changes, and nothing else: what others changed meanwhile stays.
func (c *cluster) change(ctx context.Context, cs *v1alpha1.CertStream, apply func(*v1alpha1.CertStream)) error {
	before := cs.DeepCopy()
	apply(cs)
	return c.Patch(ctx, cs, client.MergeFrom(before), client.FieldOwner(fieldManager))
}
