package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// suspended is there while spec.suspend holds.
func suspended(v *view) *metav1.Condition {
	if !v.suspended() {
		return nil
	}
	return condition(v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended,
		"Changes of the spec and of the objects are left alone until spec.suspend is false; the pod goes on")
}
