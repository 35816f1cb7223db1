package build

import (
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// serviceAccount is the pod's identity, without any right and without a token. There is none where the spec names one.
func serviceAccount(s *Stream) runtime.ApplyConfiguration {
	if s.Spec.PodTemplate.ServiceAccountName != "" {
		return nil
	}
	return owned(s, corev1ac.ServiceAccount(Name(s.CertStream), s.Namespace)).WithAutomountServiceAccountToken(false)
}
