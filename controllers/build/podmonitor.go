package build

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// MonitoringGroup is that of the Prometheus operator's kinds.
const MonitoringGroup = "monitoring.coreos.com"

func monitoringKind(name string) schema.GroupVersionKind {
	return kind(MonitoringGroup, "v1", name)
}

func podMonitorKind() schema.GroupVersionKind { return monitoringKind("PodMonitor") }

// podMonitor has Prometheus scrape the pod without a Service.
func podMonitor(s *Stream) runtime.ApplyConfiguration {
	if s.Spec.Monitoring.Monitor != v1alpha1.MonitorPodMonitor {
		return nil
	}
	return optional(s, podMonitorKind(), Name(s.CertStream), s.Spec.Monitoring.Labels, nil, monitorSpec(s, "podMetricsEndpoints"))
}

// monitorSpec is the same for both monitors but for the name of its list. Rules and dashboard tell streams apart by the label
// `certstream`, which is made of the label of the pod.
func monitorSpec(s *Stream, endpoints string) map[string]any {
	endpoint := map[string]any{
		"port": portAdmin, "path": "/metrics", "scheme": "http",
		"relabelings": []any{map[string]any{
			"action":       "replace",
			"sourceLabels": []any{"__meta_kubernetes_pod_label_app_kubernetes_io_instance"},
			"targetLabel":  "certstream",
		}},
	}
	if interval := s.Spec.Monitoring.Interval; interval != "" {
		endpoint["interval"] = interval
	}
	return map[string]any{
		"jobLabel": labelName,
		"selector": map[string]any{"matchLabels": asValues(Selector(s.CertStream))},
		endpoints:  []any{endpoint},
	}
}
