package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// stalled is there while the operator can do no more until somebody acts.
func stalled(v *view) *metav1.Condition {
	problems := v.stalledProblems()
	if len(problems) == 0 {
		return nil
	}
	var messages []string
	for _, p := range problems {
		messages = append(messages, p.Message)
	}
	return condition(v1alpha1.ConditionStalled, metav1.ConditionTrue, problems[0].Reason, sentences(messages))
}
