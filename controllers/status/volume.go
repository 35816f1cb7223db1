package status

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// volume is the claim that holds the state.
func volume(claim *corev1.PersistentVolumeClaim) *v1alpha1.VolumeStatus {
	if claim == nil {
		return nil
	}
	v := &v1alpha1.VolumeStatus{ClaimName: claim.Name, Phase: claim.Status.Phase}
	if size, ok := claim.Status.Capacity[corev1.ResourceStorage]; ok {
		v.Capacity = &size
	}
	return v
}
