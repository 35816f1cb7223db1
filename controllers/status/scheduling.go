package status

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// scheduleWithin is how long a pod may look for a node before somebody should know: autoscalers and provisioners need a while.
const scheduleWithin = 15 * time.Second

// schedulingTrouble is why the pod has no node.
func schedulingTrouble(v *view) *Problem {
	if v.Claim != nil && v.Claim.Status.Phase == corev1.ClaimLost {
		return failing(v1alpha1.ReasonClaimNotFound, "The volume of claim %s is gone: restore it, or delete the claim to begin at the logs' heads", v.Claim.Name)
	}
	c := podCondition(v.pod, corev1.PodScheduled)
	if c == nil || c.Status != corev1.ConditionFalse {
		return nil
	}
	why := quoted(c.Message, "the scheduler does not say why")
	switch {
	case waitsForVolume(v, why):
		return waiting(v1alpha1.ReasonVolumePending, "Claim %s has no volume yet: check that its storage class has a provisioner that works: %s", v.Claim.Name, why)
	case c.Reason != corev1.PodReasonUnschedulable:
		return waiting(v1alpha1.ReasonPodPending, "The pod waits to be scheduled: %s", why)
	case v.within(c.LastTransitionTime.Time, scheduleWithin):
		return waiting(v1alpha1.ReasonPodPending, "No node takes the pod yet: %s", why)
	}
	return failing(v1alpha1.ReasonPodUnschedulable, "No node takes the pod: add room, or change spec.podTemplate: %s", why)
}

// waitsForVolume says whether it is the claim that keeps the pod from its node.
func waitsForVolume(v *view, why string) bool {
	return v.Claim != nil && v.Claim.Status.Phase == corev1.ClaimPending && strings.Contains(strings.ToLower(why), "volume")
}
