package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const restartHelp = `Restart replaces the pod of a CertStream, as kubectl rollout restart does for others: it
sets the annotation certstream.io/restarted-at, and the operator acts on it.

With its state on a volume the stream goes on where it stopped; clients resume by their
cursors.`

const restartExamples = `  kubectl certstream restart main
  kubectl certstream restart main --wait --timeout 2m`

func (p *plugin) restart() *cobra.Command {
	var waits bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "restart",
		Short:   "Replace the pod of a CertStream",
		Long:    restartHelp,
		Example: restartExamples,
		RunE: func(cmd *cobra.Command, given []string) error {
			return p.runRestart(cmd, first(given), waits, timeout)
		},
	}
	cmd.Flags().BoolVar(&waits, "wait", false, "return when the new pod is ready")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "how long --wait waits")
	return p.named(cmd)
}

func (p *plugin) runRestart(cmd *cobra.Command, name string, waits bool, timeout time.Duration) error {
	ctx := cmd.Context()
	c, err := p.open()
	if err != nil {
		return err
	}
	cs, err := c.find(ctx, name)
	if err != nil {
		return err
	}
	if cs.Spec.Suspend {
		return fmt.Errorf("CertStream %s is suspended, so the operator would do nothing: kubectl certstream resume %s comes first", cs.Name, cs.Name)
	}
	old, err := c.podUIDs(ctx, cs)
	if err != nil {
		return err
	}
	if err := c.change(ctx, cs, p.markRestart); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "certstream/%s restart asked for\n", cs.Name)
	if !waits {
		return nil
	}
	pod, err := c.awaitReplacement(ctx, cs, old, timeout)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "certstream/%s restarted: pod %s is ready\n", cs.Name, pod)
	return err
}

// markRestart sets the annotation. Two restarts within a second are two.
func (p *plugin) markRestart(cs *v1alpha1.CertStream) {
	if cs.Annotations == nil {
		cs.Annotations = map[string]string{}
	}
	cs.Annotations[v1alpha1.AnnotationRestart] = p.now().UTC().Format(time.RFC3339Nano)
}

func (c *cluster) podUIDs(ctx context.Context, cs *v1alpha1.CertStream) ([]types.UID, error) {
	pods, err := c.pods(ctx, cs)
	uids := make([]types.UID, 0, len(pods))
	for i := range pods {
		uids = append(uids, pods[i].UID)
	}
	return uids, err
}

// awaitReplacement returns the name of a ready pod that is none of the old ones, once those are gone.
func (c *cluster) awaitReplacement(ctx context.Context, cs *v1alpha1.CertStream, old []types.UID, timeout time.Duration) (ready string, err error) {
	var seen string
	err = wait.PollUntilContextTimeout(ctx, c.pollInterval, timeout, true, func(ctx context.Context) (bool, error) {
		pods, err := c.pods(ctx, cs)
		if err != nil {
			seen = cmp.Or(seen, "the pods could not be listed: "+err.Error()) // what was seen says more than that time is up
			return false, nil
		}
		ready, seen = "", "no new pod yet"
		for i := range pods {
			switch {
			case slices.Contains(old, pods[i].UID):
				seen = "pod " + pods[i].Name + " is still there"
				return false, nil
			case usefulness(&pods[i]) == 3:
				ready = pods[i].Name
			default:
				seen = "pod " + pods[i].Name + " is not ready"
			}
		}
		return ready != "", nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return "", fmt.Errorf("not restarted within %s: %s; the restart goes on, and kubectl certstream status %s tells of it", timeout, seen, cs.Name)
	}
	return ready, err
}
