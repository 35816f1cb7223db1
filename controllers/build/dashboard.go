package build

import (
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// dashboardConfigMap is the same for every stream, under the same file name: Grafana takes a dashboard's id only once.
func dashboardConfigMap(s *Stream) runtime.ApplyConfiguration {
	wanted := s.Spec.Monitoring.Dashboard
	if wanted == nil {
		return nil
	}
	return owned(s, corev1ac.ConfigMap(DashboardName(s.CertStream), s.Namespace).WithLabels(wanted.Labels)).
		WithAnnotations(wanted.Annotations).WithData(map[string]string{"certstream.json": Dashboard()})
}
