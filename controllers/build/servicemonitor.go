package build

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

func serviceMonitorKind() schema.GroupVersionKind { return monitoringKind("ServiceMonitor") }

// serviceMonitor has Prometheus scrape the admin port. Of the Services that it selects only one has a port of that name.
func serviceMonitor(s *Stream) runtime.ApplyConfiguration {
	if s.Spec.Monitoring.Monitor != v1alpha1.MonitorServiceMonitor {
		return nil
	}
	return optional(s, serviceMonitorKind(), Name(s.CertStream), s.Spec.Monitoring.Labels, nil, monitorSpec(s, "endpoints"))
}
