package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// monitored says whether a monitor tells Prometheus to scrape the pod; it is absent where none is asked for.
func monitored(v *view) *metav1.Condition {
	kind, monitor := v1alpha1.ConditionMonitored, string(v.Stream.Spec.Monitoring.Monitor)
	switch v.Monitor {
	case MonitorCreated:
		return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonMonitorCreated, monitor+" "+v.name()+" tells Prometheus to scrape the pod")
	case MonitorCRDMissing:
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonCRDMissing,
			"The cluster has no "+monitor+"s: install the Prometheus operator, or set spec.monitoring.monitor to None")
	case MonitorNotWanted:
	}
	return nil
}
