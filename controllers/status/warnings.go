package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// noWarnings is False while there is advice to follow.
func noWarnings(v *view) *metav1.Condition {
	advice := v.Advice
	if v.readable() && v.report.StateFailing {
		advice = append([]Advice{{v1alpha1.ReasonStateFailing,
			"The last checkpoint could not be written, so that a restart would repeat or lose certificates: check that the volume has room"}}, advice...)
	}
	if len(advice) == 0 {
		return condition(v1alpha1.ConditionNoWarnings, metav1.ConditionTrue, v1alpha1.ReasonNoWarnings, "There is nothing to advise")
	}
	var messages []string
	for _, a := range advice {
		messages = append(messages, a.Message)
	}
	return condition(v1alpha1.ConditionNoWarnings, metav1.ConditionFalse, advice[0].Reason, sentences(messages))
}
