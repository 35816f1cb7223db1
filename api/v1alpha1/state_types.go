package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StateType is where state is kept.
//
// +kubebuilder:validation:Enum=Volume;ExistingClaim;None
type StateType string

// The places of state.
const (
	// StateVolume is a PersistentVolumeClaim that the operator makes.
	StateVolume StateType = "Volume"
	// StateExistingClaim is a PersistentVolumeClaim that is there.
	StateExistingClaim StateType = "ExistingClaim"
	// StateNone keeps state with the pod: it outlives a crash of the container, not the pod.
	StateNone StateType = "None"
)

// ReclaimPolicy is what becomes of the claim when the CertStream is deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete
type ReclaimPolicy string

// The reclaim policies.
const (
	ReclaimRetain ReclaimPolicy = "Retain"
	ReclaimDelete ReclaimPolicy = "Delete"
)

// StateRecovery is what to do when no checkpoint can be read.
//
// +kubebuilder:validation:Enum=Fail;Fresh
type StateRecovery string

// The ways of recovery.
const (
	RecoveryFail  StateRecovery = "Fail"
	RecoveryFresh StateRecovery = "Fresh"
)

// StateSpec says where the positions in the logs are kept, so that a restart goes on where it stopped.
//
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'None' || !has(self.retention) || !(has(self.retention.percent) || has(self.retention.maxBytes) || has(self.retention.maxAge))",fieldPath=".retention",message="spec.state.retention keeps entries on a volume, and spec.state.type None has none: take another type, or remove percent, maxBytes and maxAge"
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'Volume' || !has(self.retention) || !has(self.retention.maxBytes) || !has(self.volume) || !has(self.volume.size) || quantity(string(self.retention.maxBytes)).add(quantity('100Mi')).compareTo(quantity(string(self.volume.size))) <= 0",fieldPath=".retention",message="spec.state.retention.maxBytes leaves the rest of the state less than 100Mi: make spec.state.volume.size larger, or maxBytes smaller"
// +kubebuilder:validation:XValidation:rule="!has(self.type) || (self.type == 'ExistingClaim') == has(self.claimName)",fieldPath=".claimName",message="spec.state.claimName goes with type ExistingClaim: set both or neither"
type StateSpec struct {
	// `Volume`: on a claim that the operator makes, as `volume` says. `ExistingClaim`: on the claim `claimName`, which stays
	// yours. `None`: with the pod; it outlives a crash of the container, but a new pod begins at the logs' heads. With a volume
	// a restart stops the old pod before the new one starts; without, they overlap. Restart.
	// +optional
	// +kubebuilder:default=Volume
	Type StateType `json:"type,omitempty"`
	// The claim that the operator makes for type `Volume`.
	// +optional
	// +kubebuilder:default={}
	Volume VolumeSpec `json:"volume,omitempty"`
	// The claim to use for type `ExistingClaim`. It is never changed or deleted. Restart.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	ClaimName string `json:"claimName,omitempty"`
	// Entries kept on the volume for clients that come back when memory no longer has what they missed. With type `None` nothing
	// is kept.
	// +optional
	// +kubebuilder:default={}
	Retention RetentionSpec `json:"retention,omitempty"`
	// Time between checkpoints, which is what a crash repeats at most: 100ms to 10m. Restart.
	// +optional
	// +kubebuilder:default="5s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('10m')",message="spec.state.checkpointInterval is a duration such as 30s or 1h30m, between 100ms and 10m"
	CheckpointInterval *metav1.Duration `json:"checkpointInterval,omitempty"`
	// When no checkpoint on the volume can be read: `Fail` stops with an error, `Fresh` begins at the logs' heads. Restart.
	// +optional
	// +kubebuilder:default=Fail
	Recovery StateRecovery `json:"recovery,omitempty"`
}

// RetentionSpec is what is kept on the volume for clients that come back. Of what is kept the oldest goes first. 100 MiB of the
// volume stay free for the rest of the state, whatever is asked for here.
//
// +kubebuilder:validation:XValidation:rule="!has(self.percent) || !has(self.maxBytes)",message="set spec.state.retention.percent or maxBytes, not both"
type RetentionSpec struct {
	// Whether entries are kept. Switching it off removes those that are. Live.
	// +optional
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`
	// Share of the volume's size, in percent; it follows a volume that grows. Absent means 60, unless `maxBytes` is set. Live.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=90
	Percent *int32 `json:"percent,omitempty"`
	// Bytes in place of a share: 16Mi to 64Ti. Live.
	// +optional
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('16Mi')) >= 0 && quantity(string(self)).compareTo(quantity('64Ti')) <= 0",message="spec.state.retention.maxBytes is between 16Mi and 64Ti"
	MaxBytes *resource.Quantity `json:"maxBytes,omitempty"`
	// Age at which entries are removed: 1m to 87600h. Absent keeps them as long as there is space. Live.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('87600h')",message="spec.state.retention.maxAge is a duration such as 90m or 24h, between 1m and 87600h"
	MaxAge *metav1.Duration `json:"maxAge,omitempty"`
}

// VolumeSpec is the claim that the operator makes.
type VolumeSpec struct {
	// Size of the claim. It can grow, where the storage class allows it. A claim never shrinks: one that is larger stays as it
	// is. Live.
	// +optional
	// +kubebuilder:default="4Gi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('16Mi')) >= 0",message="spec.state.volume.size is at least 16Mi"
	Size *resource.Quantity `json:"size,omitempty"`
	// Storage class; absent means the cluster's default. Live; it counts for a claim that does not exist yet. One that exists
	// keeps its class: the operator says `Refused` until the field is as it was. To move, use type `ExistingClaim`.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	StorageClassName *string `json:"storageClassName,omitempty"`
	// Access mode. Live; it counts for a claim that does not exist yet. One that exists keeps its mode: the operator says
	// `Refused` until the field is as it was.
	// +optional
	// +kubebuilder:default=ReadWriteOnce
	// +kubebuilder:validation:Enum=ReadWriteOnce;ReadWriteOncePod;ReadWriteMany
	AccessMode corev1.PersistentVolumeAccessMode `json:"accessMode,omitempty"`
	// What becomes of the claim when the CertStream is deleted: `Retain` keeps it, and a CertStream of the same name takes it
	// up again; `Delete` deletes it. Live.
	// +optional
	// +kubebuilder:default=Retain
	ReclaimPolicy ReclaimPolicy `json:"reclaimPolicy,omitempty"`
}
