package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

const statusHelp = `Status shows a CertStream on one page: what the operator says of it, what its pod says
of itself, and recent events. The logs that are worst off come first.

With -o json or yaml it prints the CertStream, the pod, the pod's whole /status and the
events as one document.`

const statusExamples = `  kubectl certstream status
  kubectl certstream status main --all
  kubectl certstream status main -o json | jq .streamer.window`

// overview is all that status shows.
type overview struct {
	CertStream *v1alpha1.CertStream `json:"certStream"`
	Pod        *podView             `json:"pod,omitempty"`
	// Streamer is what the pod says of itself, StreamerError why it could not be asked.
	Streamer      *serve.Status `json:"streamer,omitempty"`
	StreamerError string        `json:"streamerError,omitempty"`
	// Events are the newest last; EventsError is why they could not be read.
	Events      []eventView `json:"events"`
	EventsError string      `json:"eventsError,omitempty"`
}

// podView is a pod, as far as it matters here.
type podView struct {
	Name     string          `json:"name"`
	Node     string          `json:"node,omitempty"`
	Phase    corev1.PodPhase `json:"phase"`
	Ready    bool            `json:"ready"`
	Stopping bool            `json:"stopping,omitempty"`
	Restarts int32           `json:"restarts"`
	Created  metav1.Time     `json:"created"`
}

// eventView is an event.
type eventView struct {
	Last    metav1.Time `json:"last"`
	Type    string      `json:"type"`
	Reason  string      `json:"reason"`
	Object  string      `json:"object"`
	Count   int32       `json:"count"`
	Message string      `json:"message"`
}

func (p *plugin) status() *cobra.Command {
	var output string
	fold := folds{logs: 10, events: 8}
	var all bool
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show a CertStream on one page",
		Long:    statusHelp,
		Example: statusExamples,
		RunE: func(cmd *cobra.Command, given []string) error {
			if err := oneOf("-o", output, "", "json", "yaml"); err != nil {
				return err
			}
			c, err := p.open()
			if err != nil {
				return err
			}
			o, err := c.overview(cmd.Context(), first(given))
			if err != nil {
				return err
			}
			if output != "" {
				return encode(cmd.OutOrStdout(), output, o)
			}
			if all {
				fold = folds{logs: len(o.logs()), events: len(o.Events)}
			}
			page := p.page(cmd)
			page.width = page.columns()
			renderStatus(page, o, fold)
			_, err = io.WriteString(cmd.OutOrStdout(), page.String())
			return err
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "json or yaml (default: a page for people)")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "show all logs and events")
	return p.named(cmd)
}

// oneOf checks the value of a flag.
func oneOf(flag, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return usageError{fmt.Errorf("%s %q: want one of %v", flag, value, allowed[1:])}
}

// encode writes a value as JSON or YAML.
func encode(w io.Writer, format string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil && format == "yaml" {
		data, err = yaml.JSONToYAML(data)
	} else {
		data = append(data, '\n')
	}
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}

// overview gathers what there is to see. What cannot be had besides the CertStream itself is said, and is no failure.
func (c *cluster) overview(ctx context.Context, name string) (*overview, error) {
	cs, err := c.find(ctx, name)
	if err != nil {
		return nil, err
	}
	cs.ManagedFields = nil
	o := &overview{CertStream: cs, Events: []eventView{}}
	pod, err := c.pod(ctx, cs)
	switch {
	case err != nil:
		o.StreamerError = explain(err)
	case pod == nil:
		o.StreamerError = errNoPod.Error()
	default:
		o.Pod = viewPod(pod)
		if o.Streamer, err = c.report(ctx, pod); err != nil {
			o.StreamerError = explain(err)
		}
	}
	if err := c.events(ctx, o); err != nil {
		o.EventsError = explain(err)
	}
	return o, ctx.Err()
}

func (o *overview) logs() []serve.LogStatus {
	if o.Streamer == nil {
		return nil
	}
	return o.Streamer.Logs
}

func viewPod(pod *corev1.Pod) *podView {
	v := &podView{
		Name: pod.Name, Node: pod.Spec.NodeName, Phase: pod.Status.Phase, Ready: podReady(pod),
		Stopping: pod.DeletionTimestamp != nil, Created: pod.CreationTimestamp,
	}
	for i := range pod.Status.ContainerStatuses {
		v.Restarts += pod.Status.ContainerStatuses[i].RestartCount
	}
	return v
}

// events are those of the CertStream and of its pod.
func (c *cluster) events(ctx context.Context, o *overview) error {
	about := map[string]string{v1alpha1.Kind: o.CertStream.Name}
	if o.Pod != nil {
		about["Pod"] = o.Pod.Name
	}
	for kind, name := range about {
		var list corev1.EventList
		selector := fields.SelectorFromSet(fields.Set{"involvedObject.kind": kind, "involvedObject.name": name})
		if err := c.List(ctx, &list, client.InNamespace(c.namespace), client.MatchingFieldsSelector{Selector: selector}); err != nil {
			return err
		}
		for i := range list.Items {
			o.Events = append(o.Events, viewEvent(&list.Items[i]))
		}
	}
	slices.SortStableFunc(o.Events, func(a, b eventView) int { return a.Last.Compare(b.Last.Time) })
	return nil
}

// viewEvent reads an event of either of the two APIs that write them.
func viewEvent(e *corev1.Event) eventView {
	v := eventView{
		Last: e.LastTimestamp, Type: e.Type, Reason: e.Reason, Count: max(e.Count, 1), Message: e.Message,
		Object: e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name,
	}
	if e.Series != nil {
		v.Last, v.Count = metav1.NewTime(e.Series.LastObservedTime.Time), e.Series.Count
	}
	for _, t := range []time.Time{e.EventTime.Time, e.CreationTimestamp.Time} {
		if v.Last.IsZero() {
			v.Last = metav1.NewTime(t)
		}
	}
	return v
}
