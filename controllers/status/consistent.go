package status

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
)

// logsConsistent is False while a log is marked as one that has lied, also where it was caught before verification was switched
// off.
func logsConsistent(v *view) *metav1.Condition {
	kind, verification := v1alpha1.ConditionLogsConsistent, v.Stream.Spec.Logs.Verification
	if c := v.unasked(kind, "verifies logs"); c != nil {
		return c
	}
	logs, known := v.logs()
	switch {
	case known && logs.Misbehaved > 0:
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonLogMisbehaved, misbehaved(logs))
	case verification == v1alpha1.VerificationOff:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonVerificationOff,
			"spec.logs.verification is Off: only the signatures of logs are checked")
	case !known || logs.Followed == 0 || v.readable() && v.report.Ingestion() == observe.IngestionStarting:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStarting, "The pod has not heard from any log yet")
	case logs.Unverified == logs.Followed:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonUnverified,
			"No log is verified: it has no key in spec.logs.custom, or has given no proof yet; kubectl certstream logs says which")
	}
	return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonLogsConsistent, consistent(logs, verification))
}

// unasked is what a condition about the pod's own findings is while no pod can be asked; nil when one can.
func (v *view) unasked(kind, what string) *metav1.Condition {
	switch {
	case v.pod == nil:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonNoPod, "There is no pod that "+what)
	case v.report != nil && v.report.Err != nil:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStatusUnreadable, v.unreadable())
	case len(v.ready) == 0:
		return condition(kind, metav1.ConditionUnknown, v1alpha1.ReasonStarting, "No pod is ready that "+what)
	}
	return nil
}

// consistent says what was checked of logs that were not caught.
func consistent(f v1alpha1.LogFigures, verification v1alpha1.Verification) string {
	checked := "what they send is in the trees that they signed, and each has shown one tree only"
	if verification == v1alpha1.VerificationConsistency {
		checked = "each has shown one tree only; their entries are not checked"
	}
	if f.Unverified == 0 {
		return "No log has been caught: " + checked
	}
	return fmt.Sprintf("No log has been caught: %s; %d of %d %s not verified: kubectl certstream logs says which, and why", checked,
		f.Unverified, f.Followed, of(f.Unverified, "is", "are"))
}

// misbehaved says which logs were caught at what, and where the evidence is.
func misbehaved(f v1alpha1.LogFigures) string {
	var all []string
	for _, m := range f.Misbehaviour {
		text := fmt.Sprintf("%s %s (%s), first seen %s", m.Name, deed(m.Kind), m.Kind, m.Since.UTC().Format(time.RFC3339))
		if m.Evidence != "" {
			text += ", evidence in the pod at " + m.Evidence
		}
		all = append(all, text)
	}
	if more := int(f.Misbehaved) - len(f.Misbehaviour); more > 0 {
		all = append(all, fmt.Sprintf("%d more", more))
	}
	return strings.Join(all, "; ") + ". Entries go on in the stream; docs/runbooks/CertStreamLogMisbehaved.md says what to do"
}

// deed is what a log did, in words.
func deed(kind string) string {
	switch kind {
	case "two_roots":
		return "signed two roots for one tree size"
	case "fork":
		return "signed two trees that do not continue each other"
	case "rollback":
		return "signed a smaller tree long after a larger one"
	case "wrong_entry":
		return "serves another entry than the one in its tree"
	case "final_head":
		return "ended with another tree than its log list says"
	}
	return "serves entries that do not lead to the tree it signed, and why could not be found out"
}
