package build

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// claim is the volume of the state. It goes with the CertStream only where the spec says so.
func claim(s *Stream) runtime.ApplyConfiguration {
	state := s.Spec.State
	if ClaimName(s.CertStream) == "" || state.Type == v1alpha1.StateExistingClaim {
		return nil
	}
	spec := corev1ac.PersistentVolumeClaimSpec().WithAccessModes(accessMode(state.Volume))
	if class := state.Volume.StorageClassName; class != nil {
		spec.WithStorageClassName(*class)
	}
	if size := state.Volume.Size; size != nil {
		spec.WithResources(corev1ac.VolumeResourceRequirements().WithRequests(corev1.ResourceList{corev1.ResourceStorage: *size}))
	}
	c := corev1ac.PersistentVolumeClaim(Name(s.CertStream), s.Namespace).WithLabels(Labels(s.CertStream)).WithSpec(spec)
	if state.Volume.ReclaimPolicy == v1alpha1.ReclaimDelete {
		c.WithOwnerReferences(ownerReference(s.CertStream))
	}
	return c
}

func accessMode(v v1alpha1.VolumeSpec) corev1.PersistentVolumeAccessMode {
	if v.AccessMode != "" {
		return v.AccessMode
	}
	return corev1.ReadWriteOnce
}
