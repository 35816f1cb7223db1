package build

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// schedule adds what the spec says of the pod and the operator has no opinion about. The merge rules are in the documentation
// of PodTemplateSpec; labels, annotations, lists and security contexts are joined where they are built.
func schedule(pod *corev1ac.PodSpecApplyConfiguration, p v1alpha1.PodTemplateSpec) {
	pod.WithNodeSelector(p.NodeSelector).
		WithTolerations(convertAll[corev1ac.TolerationApplyConfiguration](p.Tolerations)...).
		WithImagePullSecrets(convertAll[corev1ac.LocalObjectReferenceApplyConfiguration](p.ImagePullSecrets)...)
	if p.Affinity != nil {
		pod.WithAffinity(convert[corev1ac.AffinityApplyConfiguration](p.Affinity))
	}
	if p.PriorityClassName != "" {
		pod.WithPriorityClassName(p.PriorityClassName)
	}
	if p.RuntimeClassName != nil {
		pod.WithRuntimeClassName(*p.RuntimeClassName)
	}
}
