package status

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
)

// ingesting says whether logs are followed and answer. Which of them do not is told with the figures, and as rarely.
func ingesting(v *view) *metav1.Condition {
	kind := v1alpha1.ConditionIngesting
	switch {
	case v.pod == nil:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonNoPod, "There is no pod to follow logs")
	case v.report != nil && v.report.Err != nil:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStatusUnreadable, v.unreadable())
	case len(v.ready) == 0:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStarting, "No pod is ready that could say which logs it follows")
	}
	logs, known := v.logs()
	if !known || v.readable() && v.report.Ingestion() == observe.IngestionStarting {
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStarting, "The pod has not heard from any log yet")
	}
	status, reason, message := judge(logs, v.listFailing())
	return condition(kind, status, reason, message)
}

func (v *view) listFailing() bool { return v.readable() && v.report.ListFailing }

func judge(f v1alpha1.LogFigures, listFailing bool) (status metav1.ConditionStatus, reason, message string) {
	note := ""
	if listFailing {
		note = "; the list of logs cannot be renewed: check that spec.logs.list can be reached"
	}
	switch {
	case f.Followed == 0 && listFailing:
		return metav1.ConditionFalse, v1alpha1.ReasonLogListFailing,
			"No list of logs could be fetched: check that the pod reaches spec.logs.list, through spec.logs.proxy if there is one"
	case f.Followed == 0:
		return metav1.ConditionFalse, v1alpha1.ReasonNoLogs, "No log is selected: widen spec.logs.select, or name logs in spec.logs.custom"
	case f.Failing == f.Followed:
		return metav1.ConditionFalse, v1alpha1.ReasonAllLogsFailing,
			fmt.Sprintf("%s: check that the pod reaches the Internet: %s%s",
				of(f.Followed, "The only log does not answer", fmt.Sprintf("None of %d logs answers", f.Followed)), worstLogs(f), note)
	case f.Failing > 0:
		return metav1.ConditionTrue, v1alpha1.ReasonSomeLogsFailing,
			fmt.Sprintf("%d of %s %s; each is tried again: %s%s", f.Failing, counted(f.Followed), of(f.Failing, "fails", "fail"), worstLogs(f), note)
	case f.Lagging > 0:
		return metav1.ConditionTrue, v1alpha1.ReasonLogsLagging,
			fmt.Sprintf("%d of %s %s: %s%s", f.Lagging, counted(f.Followed),
				of(f.Lagging, "is more than a minute behind and catches up", "are more than a minute behind and catch up"), worstLogs(f), note)
	}
	return metav1.ConditionTrue, v1alpha1.ReasonLogsFollowed, fmt.Sprintf("%s %s%s", counted(f.Followed), of(f.Followed, "is followed and keeps up", "are followed and keep up"), note)
}

// counted is a number of logs.
func counted(n int32) string { return fmt.Sprintf("%d %s", n, of(n, "log", "logs")) }

// of takes the word for one or for more.
func of(n int32, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// worstLogs names the worst.
func worstLogs(f v1alpha1.LogFigures) string {
	var names []string
	for _, w := range f.Worst {
		names = append(names, w.Name+" ("+w.Problem+")")
	}
	if more := int(f.Failing+f.Lagging) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}
