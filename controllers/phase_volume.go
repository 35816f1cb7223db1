package controllers

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// defaultClass marks the storage class that claims without one get.
const defaultClass = "storageclass.kubernetes.io/is-default-class"

// checkVolume says why a claim waits, as far as its storage class explains it. Where the operator may not read storage classes,
// what the scheduler says of the pod has to do.
func (r *Reconciler) checkVolume(ctx context.Context, s *scope) error {
	if s.cs.Spec.State.Type == v1alpha1.StateExistingClaim && s.claim == nil {
		return stalled(v1alpha1.ReasonClaimNotFound,
			"PersistentVolumeClaim %s of spec.state.claimName does not exist: create it, or name another",
			s.cs.Spec.State.ClaimName)
	}
	if s.cs.Spec.State.Type != v1alpha1.StateVolume || s.claim == nil || s.claim.Status.Phase != corev1.ClaimPending {
		return nil
	}
	if name := s.claim.Spec.StorageClassName; name != nil && *name != "" {
		err := r.Live.Get(ctx, types.NamespacedName{Name: *name}, new(storagev1.StorageClass))
		if apierrors.IsNotFound(err) {
			return stalled(v1alpha1.ReasonStorageClassNotFound,
				"StorageClass %s of PersistentVolumeClaim %s does not exist: create it, or delete the claim and name another in "+
					"spec.state.volume.storageClassName", *name, s.claim.Name)
		}
		return nil
	}
	classes := new(storagev1.StorageClassList)
	if err := r.Live.List(ctx, classes); err != nil {
		return nil
	}
	if !slices.ContainsFunc(classes.Items, func(c storagev1.StorageClass) bool { return c.Annotations[defaultClass] == "true" }) {
		return stalled(v1alpha1.ReasonStorageClassNotFound,
			"PersistentVolumeClaim %s names no storage class and the cluster has no default one: "+
				"set spec.state.volume.storageClassName, or spec.state.type None", s.claim.Name)
	}
	return nil
}
