package v1alpha1

import corev1 "k8s.io/api/core/v1"

// PodTemplateSpec is what to add to the pod. Maps are joined; where a key is the operator's too, the operator's value holds.
// Lists are appended to the operator's. Security contexts are joined field by field, and yours hold. All else replaces the
// operator's value.
//
// +kubebuilder:validation:XValidation:rule="!has(self.volumeMounts) || self.volumeMounts.all(m, m.mountPath.startsWith('/') && !m.mountPath.contains('..') && ['//','/./','/etc//','/etc/./','/etc/certstream','/var//','/var/./','/var/lib//','/var/lib/./','/var/lib/certstream'].all(p, !m.mountPath.startsWith(p)) && !(m.mountPath in ['/','/.','/etc','/etc/','/etc/.','/var','/var/','/var/.','/var/lib','/var/lib/','/var/lib/.']))",fieldPath=".volumeMounts",message="/etc/certstream and /var/lib/certstream, with what is above and below them, are the operator's, and a mount path is absolute, with no ..: choose another"
type PodTemplateSpec struct {
	// Labels of the pod, besides the operator's.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('certstream.io/'))",message="labels under app.kubernetes.io/ and certstream.io/ are the operator's: choose another prefix"
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations of the pod.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('certstream.io/'))",message="annotations under certstream.io/ are the operator's: choose another prefix"
	Annotations map[string]string `json:"annotations,omitempty"`
	// Image of the streamer. Absent means the one that belongs to the operator's version, so that an upgrade of the operator
	// replaces the pod.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]+([-._/:a-z0-9]*[a-z0-9])?(:[A-Za-z0-9_][-.A-Za-z0-9_]{0,127})?(@sha256:[0-9a-f]{64})?$')",message="an image is of the form registry.example.com/certstream/streamer:v1, with @sha256:DIGEST to pin it"
	Image string `json:"image,omitempty"`
	// When the image is pulled.
	// +optional
	// +kubebuilder:default=IfNotPresent
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`
	// Secrets with the credentials of the image's registry.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=name
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets,omitempty"`
	// Processor and memory. GOMEMLIMIT is set to nine tenths of the memory limit.
	// +optional
	// +kubebuilder:default={requests: {cpu: "100m", memory: "128Mi"}, limits: {memory: "512Mi"}}
	Resources *corev1.ResourceRequirements `json:"resources,omitempty"`
	// Labels that the pod's node must have.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// Taints that the pod bears.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// Where the pod runs, by the labels of nodes and other pods.
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`
	// Priority class of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`
	// Runtime class of the pod.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName *string `json:"runtimeClassName,omitempty"`
	// ServiceAccount of the pod. Absent means one that the operator makes. No token is mounted either way.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	ServiceAccountName string `json:"serviceAccountName,omitempty"`
	// Security context of the pod. The operator's is restricted: not root, group 65532, seccomp RuntimeDefault.
	// +optional
	SecurityContext *corev1.PodSecurityContext `json:"securityContext,omitempty"`
	// Security context of the container. The operator's is restricted: no privilege, no capability, read-only root.
	// +optional
	ContainerSecurityContext *corev1.SecurityContext `json:"containerSecurityContext,omitempty"`
	// Variables of the container. Those that begin with CERTSTREAM_ would change the configuration behind the operator's back.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:items:XValidation:rule="!self.name.startsWith('CERTSTREAM_')",message="variables that begin with CERTSTREAM_ are the operator's: set the field of the spec instead"
	Env []corev1.EnvVar `json:"env,omitempty"`
	// Volumes of the pod. Names that begin with `certstream-` are the operator's.
	// +optional
	// +kubebuilder:validation:MaxItems=32
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:items:XValidation:rule="!self.name.startsWith('certstream-')",message="volumes that begin with certstream- are the operator's: choose another name"
	Volumes []corev1.Volume `json:"volumes,omitempty"`
	// Where the container has them.
	// +optional
	// +kubebuilder:validation:MaxItems=16
	// +listType=map
	// +listMapKey=mountPath
	VolumeMounts []corev1.VolumeMount `json:"volumeMounts,omitempty"`
}
