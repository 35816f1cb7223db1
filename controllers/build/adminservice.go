package build

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// adminService leads a ServiceMonitor to the admin port; nothing else needs it.
func adminService(s *Stream) runtime.ApplyConfiguration {
	if s.Spec.Monitoring.Monitor != v1alpha1.MonitorServiceMonitor {
		return nil
	}
	spec := corev1ac.ServiceSpec().WithType(corev1.ServiceTypeClusterIP).WithSelector(Selector(s.CertStream)).
		WithPorts(servicePort(portAdmin, AdminPort, nil))
	return owned(s, corev1ac.Service(AdminServiceName(s.CertStream), s.Namespace)).WithSpec(spec)
}
