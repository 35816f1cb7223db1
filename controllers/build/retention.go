package build

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

const (
	// defaultRetention is the share of the volume, in percent, where the spec names neither a share nor bytes.
	defaultRetention = 60
	// stateReserve stays free on the volume: for checkpoints, evidence against logs, and what the file system takes.
	stateReserve = 100 << 20
	// leastRetention and mostRetention are the streamer's own bounds.
	leastRetention, mostRetention = 16 << 20, 65536 << 30
)

// Retains says whether the spec asks for entries to be kept on its volume.
func Retains(cs *v1alpha1.CertStream) bool {
	return ClaimName(cs) != "" && valueOr(cs.Spec.State.Retention.Enabled, true)
}

// Capacity is the size of a claim: what it has, or what is asked for while it has none. It is nil where there is no claim.
func Capacity(claim *corev1.PersistentVolumeClaim) *resource.Quantity {
	if claim == nil {
		return nil
	}
	if size, ok := claim.Status.Capacity[corev1.ResourceStorage]; ok {
		return &size
	}
	if size, ok := claim.Spec.Resources.Requests[corev1.ResourceStorage]; ok {
		return &size
	}
	return nil
}

// RetainedBytes is how much of the volume is for entries kept for resume. It is 0 where none are kept, where there is no room for
// any, and while the size of the volume is not known: capacity is nil then, and the spec does not say it.
func RetainedBytes(cs *v1alpha1.CertStream, capacity *resource.Quantity) int64 {
	if capacity == nil && cs.Spec.State.Type != v1alpha1.StateExistingClaim {
		capacity = cs.Spec.State.Volume.Size
	}
	if capacity == nil || !Retains(cs) {
		return 0
	}
	r, room := &cs.Spec.State.Retention, capacity.Value()-stateReserve
	if room < leastRetention {
		return 0
	}
	if r.MaxBytes != nil {
		return min(r.MaxBytes.Value(), room)
	}
	size, percent := capacity.Value(), int64(valueOr(r.Percent, defaultRetention))
	share := size/100*percent + size%100*percent/100 // the product of both could be too large
	if share = min(share, room, mostRetention); share < leastRetention {
		return 0
	}
	return share >> 20 << 20
}

// retention sets how many bytes are kept, and for how long.
func (t *translation) retention(bytes int64) {
	t.Retention.MaxBytes = config.Bytes(bytes)
	if bytes != 0 {
		set(&t.Retention.MaxAge, t.spec.State.Retention.MaxAge, duration)
	}
}
