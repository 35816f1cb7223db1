package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// available says whether a pod is ready behind the Service. While one replaces another that is the old one.
func available(v *view) *metav1.Condition {
	kind := v1alpha1.ConditionAvailable
	switch {
	case len(v.ready) == 0:
		return condition(kind, metav1.ConditionFalse, v.trouble.Reason, v.trouble.Message)
	case v.Service == nil:
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonProgressing, "Service "+v.name()+" is not there yet")
	}
	return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonPodReady, "The pod is ready behind Service "+v.name())
}
