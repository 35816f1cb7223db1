package build

import (
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// configFile is the key in the ConfigMap, and the file in the pod.
const configFile = "config.yaml"

// configMap is the streamer's configuration.
func configMap(s *Stream) runtime.ApplyConfiguration {
	return owned(s, corev1ac.ConfigMap(Name(s.CertStream), s.Namespace)).WithData(map[string]string{configFile: string(s.Config)})
}
