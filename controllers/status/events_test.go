package status_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

func TestEvents(t *testing.T) {
	crash := unready(waiting("CrashLoopBackOff", ""), crashed(3, 1, "Error", ""))
	unread := reported(func(r *observe.Report) { r.Err = observe.TimedOut })
	someFail := reported(func(r *observe.Report) { r.Logs = append(r.Logs, failing("a", "tls")) })
	lies := reported(func(r *observe.Report) { r.Logs = append(r.Logs, lying("a", "fork", time.Hour, "")) })
	otherLies := reported(func(r *observe.Report) { r.Logs = append(r.Logs, lying("b", "fork", time.Minute, "")) })
	full := reported(func(r *observe.Report) { r.Retention.Failing, r.Retention.Full = true, true })
	for name, c := range map[string]struct {
		before, after *status.Observed
		want          []string
	}{
		"all well from the beginning": {nil, at(), nil},
		"nothing new":                 {at(), at(), nil},
		"starting":                    {nil, at(noPod()), nil},
		"amiss from the beginning":    {nil, at(noPod(refusedBy("no"))), []string{"Warning PodRefused Reconcile"}},
		"becomes ready": {at(noPod()), at(), []string{"Normal Ready Reconcile", "Normal PodReady Reconcile",
			"Normal Reloaded Reload", "Normal LogsFollowed Ingest"}},
		"crashes":           {at(), at(crash), []string{"Warning PodCrashing Reconcile"}},
		"crashes as before": {at(crash), at(unready(runningFor(-24*time.Hour), crashed(4, 1, "Error", ""))), nil},
		"overdue":           {at(unready(runningFor(-24 * time.Hour))), at(unready(runningFor(-24*time.Hour)), overdue), []string{"Warning PodNotReady Reconcile"}},
		"cannot be read":    {at(), at(unread), []string{"Warning StatusUnreadable Reload"}},
		"logs fail":         {at(), at(someFail), []string{"Warning SomeLogsFailing Ingest"}},
		"logs fail no more": {at(someFail), at(), []string{"Normal LogsFollowed Ingest"}},
		"advice":            {at(), at(advice("SharedLogs", "Share")), []string{"Warning SharedLogs Advise"}},
		"advice followed":   {at(advice("SharedLogs", "Share")), at(), []string{"Normal NoWarnings Advise"}},
		"suspended":         {at(), at(suspend), []string{"Normal Suspended Suspend"}},
		"resumed":           {at(suspend), at(), []string{"Normal Resumed Suspend"}},
		"rollout":           {at(), at(successor), []string{"Normal Progressing Reconcile"}},
		"a log lies":        {at(), at(lies), []string{"Warning LogMisbehaved Verify"}},
		"another lies":      {at(lies), at(lies, otherLies), []string{"Warning LogMisbehaved Verify"}},
		"it lies as before": {at(lies), at(lies), nil},
		"a mark is lifted":  {at(lies), at(), []string{"Normal LogsConsistent Verify"}},
		"one of two is":     {at(lies, otherLies), at(lies), nil},
		"a liar restarts":   {at(lies, unready(runningFor(time.Second))), at(lies), []string{"Normal Ready Reconcile", "Normal PodReady Reconcile", "Normal Reloaded Reload", "Normal LogsFollowed Ingest", "Warning LogMisbehaved Verify"}},
		"disk full":         {at(), at(full), []string{"Warning DiskFull Retain"}},
		"room again":        {at(full), at(), []string{"Normal Retaining Retain"}},
		"a bad segment":     {at(), at(reported(func(r *observe.Report) { r.Retention.Aside = 1 })), []string{"Warning SegmentsCorrupt Retain"}},
		"monitor gone":      {at(), at(func(o *status.Observed) { o.Monitor = status.MonitorCRDMissing }), []string{"Normal CRDMissing Monitor"}},
	} {
		var before v1alpha1.CertStreamStatus
		if c.before != nil {
			before = status.Compute(*c.before, before)
		}
		c.after.Now = noon.AddDate(0, 0, 1)
		var got []string
		for _, e := range status.Events(before, status.Compute(*c.after, before)) {
			got = append(got, fmt.Sprintf("%s %s %s", e.Type, e.Reason, e.Action))
			if e.Message == "" || strings.Contains(e.Message, "\n") {
				t.Errorf("%s: event says %q", name, e.Message)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func at(changes ...change) *status.Observed {
	o := observed(changes...)
	return &o
}

// The condition that a CertStream is born with is none that an operator wrote: nothing is compared with it.
func TestBirth(t *testing.T) {
	born := v1alpha1.CertStreamStatus{ObservedGeneration: -1, Conditions: []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonPending, LastTransitionTime: metav1.Unix(0, 0),
	}}}
	for name, o := range map[string]*status.Observed{
		"all well":      at(),
		"not known yet": at(func(o *status.Observed) { o.Report = nil }),
		"amiss":         at(noPod(refusedBy("no"))),
	} {
		got, want := status.Compute(*o, born), status.Compute(*o, v1alpha1.CertStreamStatus{})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: status (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(status.Events(v1alpha1.CertStreamStatus{}, want), status.Events(born, got)); diff != "" {
			t.Errorf("%s: events (-want +got):\n%s", name, diff)
		}
	}
}

// Events warn of what somebody must do, and of nothing else.
func TestEventTypes(t *testing.T) {
	var texts strings.Builder
	for _, reason := range constants(t, "Reason") {
		fmt.Fprintf(&texts, "%s %s\n", status.EventType(reason), reason)
	}
	golden(t, "event_types.txt", texts.String())
}
