package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CertStreamStatus is what the operator sees.
type CertStreamStatus struct {
	// Generation of the spec that this status is about; -1 before the operator has seen it.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// Ready sums up; the others say what is amiss and what to do.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
	// The address to give to users: the outermost there is.
	// +optional
	URL string `json:"url,omitempty"`
	// Where clients connect.
	// +optional
	Endpoints *EndpointsStatus `json:"endpoints,omitempty"`
	// The configuration wanted and the one that runs.
	// +optional
	Config *ConfigStatus `json:"config,omitempty"`
	// What the pod reports. It is renewed at most once a minute, when it has changed by more than a fifth.
	// +optional
	Figures *Figures `json:"figures,omitempty"`
	// The claim that holds the state.
	// +optional
	Volume *VolumeStatus `json:"volume,omitempty"`
	// Image of the pod.
	// +optional
	Image string `json:"image,omitempty"`
	// Version that the pod reports.
	// +optional
	Version string `json:"version,omitempty"`
	// The last value of the annotation certstream.io/reconcile-requested-at that was acted upon.
	// +optional
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`
}

// EndpointsStatus says where clients connect.
type EndpointsStatus struct {
	// From inside the cluster.
	// +optional
	Cluster *Endpoint `json:"cluster,omitempty"`
	// From outside, by load balancer, Ingress or Gateway.
	// +optional
	// +listType=atomic
	External []Endpoint `json:"external,omitempty"`
}

// Endpoint is a set of addresses of one way in.
type Endpoint struct {
	// WebSocket URL of the lite stream.
	// +optional
	WebSocket string `json:"webSocket,omitempty"`
	// URL of Server-Sent Events.
	// +optional
	SSE string `json:"sse,omitempty"`
	// Host and port of raw TCP.
	// +optional
	TCP string `json:"tcp,omitempty"`
}

// ConfigStatus is the configuration wanted and the one that runs.
type ConfigStatus struct {
	// SHA-256 of the configuration that the operator wrote.
	// +optional
	WantedHash string `json:"wantedHash,omitempty"`
	// SHA-256 of the configuration that the pod has in force.
	// +optional
	RunningHash string `json:"runningHash,omitempty"`
}

// Figures are what the pod reports.
type Figures struct {
	// When they were read.
	// +optional
	ObservedTime metav1.Time `json:"observedTime,omitempty"`
	// The CT logs.
	// +optional
	Logs LogFigures `json:"logs,omitempty"`
	// Certificates per second over the last minute.
	// +optional
	EntriesPerSecond int64 `json:"entriesPerSecond"`
	// The same, to be read by people.
	// +optional
	Rate string `json:"rate,omitempty"`
	// How far the slowest log that answers is behind its head.
	// +optional
	LagSeconds int64 `json:"lagSeconds"`
	// The same, to be read by people.
	// +optional
	Lag string `json:"lag,omitempty"`
	// Connected clients.
	// +optional
	Clients int64 `json:"clients"`
	// Entries kept on the volume; absent while none are kept.
	// +optional
	Retention *RetentionFigures `json:"retention,omitempty"`
}

// RetentionFigures are the entries kept on the volume.
type RetentionFigures struct {
	// Age of the oldest.
	// +optional
	Seconds int64 `json:"seconds"`
	// The same, to be read by people.
	// +optional
	Span string `json:"span,omitempty"`
	// Bytes they take.
	// +optional
	Bytes int64 `json:"bytes"`
	// Bytes they may take.
	// +optional
	MaxBytes int64 `json:"maxBytes"`
	// Segments that could not be read and were set aside: holes in what clients can resume from.
	// +optional
	CorruptSegments int32 `json:"corruptSegments,omitempty"`
	// Why no further ones are kept at present: DiskFull or RetentionFailing.
	// +optional
	Problem string `json:"problem,omitempty"`
}

// LogFigures sum up the CT logs.
type LogFigures struct {
	// Logs followed.
	// +optional
	Followed int32 `json:"followed"`
	// Logs that answer and are more than a minute behind their head.
	// +optional
	Lagging int32 `json:"lagging"`
	// Logs that do not answer, or whose answers are refused.
	// +optional
	Failing int32 `json:"failing"`
	// Logs whose entries are sent without verification, though it is on: most have no key in spec.logs.custom.
	// +optional
	Unverified int32 `json:"unverified,omitempty"`
	// Logs that are marked as ones that have lied.
	// +optional
	Misbehaved int32 `json:"misbehaved,omitempty"`
	// What they did, at most five.
	// +optional
	// +listType=atomic
	Misbehaviour []LogMisbehaviour `json:"misbehaviour,omitempty"`
	// Logs that keep up, of those followed.
	// +optional
	Summary string `json:"summary,omitempty"`
	// The worst of those that fail or lag, at most five.
	// +optional
	// +listType=atomic
	Worst []LogProblem `json:"worst,omitempty"`
}

// LogProblem is a CT log that fails or lags.
type LogProblem struct {
	// Name of the log.
	Name string `json:"name"`
	// What is amiss: Lagging, or the class of its last error.
	Problem string `json:"problem"`
	// Seconds behind its head.
	// +optional
	LagSeconds int64 `json:"lagSeconds,omitempty"`
	// Entries behind its head.
	// +optional
	LagEntries int64 `json:"lagEntries,omitempty"`
}

// LogMisbehaviour is what a CT log was caught at.
type LogMisbehaviour struct {
	// Name of the log.
	Name string `json:"name"`
	// What it did: two_roots, fork, rollback, wrong_entry, final_head or unexplained; see docs/verification.md.
	Kind string `json:"kind"`
	// When it was first caught.
	// +optional
	Since metav1.Time `json:"since,omitempty"`
	// File of the evidence in the pod; absent where none could be kept.
	// +optional
	Evidence string `json:"evidence,omitempty"`
}

// VolumeStatus is the claim that holds the state.
type VolumeStatus struct {
	// Name of the PersistentVolumeClaim.
	ClaimName string `json:"claimName"`
	// Its phase.
	// +optional
	Phase corev1.PersistentVolumeClaimPhase `json:"phase,omitempty"`
	// Its size.
	// +optional
	Capacity *resource.Quantity `json:"capacity,omitempty"`
}
