package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// defaultClass marks the storage class that claims without one get.
const defaultClass = "storageclass.kubernetes.io/is-default-class"

// claimInterval is how often a claim that the user made, which is not watched, is looked at: it may have grown.
const claimInterval = 5 * time.Minute

// checkVolume says why a claim waits, as far as its storage class explains it. Where the operator may not read storage classes,
// what the scheduler says of the pod has to do.
func (r *Reconciler) checkVolume(ctx context.Context, s *scope) error {
	if s.cs.Spec.State.Type == v1alpha1.StateExistingClaim && s.claim == nil {
		return stalled(v1alpha1.ReasonClaimNotFound,
			"PersistentVolumeClaim %s of spec.state.claimName does not exist: create it, or name another",
			s.cs.Spec.State.ClaimName)
	}
	if err := r.checkSharing(ctx, s); err != nil {
		return err
	}
	if s.cs.Spec.State.Type == v1alpha1.StateExistingClaim && build.Retains(s.cs) {
		return &requeueAfter{after: claimInterval}
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

// checkSharing refuses to the younger of two CertStreams the claim that the older keeps its state on: a streamer takes hold of its
// directory, so that the other one's pod would wait for it for ever.
func (r *Reconciler) checkSharing(ctx context.Context, s *scope) error {
	claim := build.ClaimName(s.cs)
	if claim == "" {
		return nil
	}
	same := new(v1alpha1.CertStreamList)
	err := r.Client.List(ctx, same, client.InNamespace(s.cs.Namespace), client.MatchingFields{indexClaims: claim})
	if err != nil {
		return fmt.Errorf("looking for streams on the same claim: %w", err)
	}
	for i := range same.Items {
		if other := &same.Items[i]; other.UID != s.cs.UID && byAge(*other, *s.cs) < 0 {
			return stalled(v1alpha1.ReasonObjectConflict,
				"PersistentVolumeClaim %s keeps the state of CertStream %s already: name another in spec.state.claimName", claim, other.Name)
		}
	}
	return nil
}
