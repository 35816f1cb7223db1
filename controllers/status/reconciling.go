package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// reconciling is there while the operator works towards the spec. It gives way to Stalled, and there is nothing to work towards
// while the CertStream is suspended.
func reconciling(v *view) *metav1.Condition {
	if v.suspended() || len(v.stalledProblems()) > 0 {
		return nil
	}
	var messages []string
	for _, p := range v.Problems {
		messages = append(messages, p.Message)
	}
	if len(messages) > 0 {
		return condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, v.Problems[0].Reason, sentences(messages))
	}
	if c := ready(v); c.Status != metav1.ConditionTrue {
		return condition(v1alpha1.ConditionReconciling, metav1.ConditionTrue, c.Reason, c.Message)
	}
	return nil
}
