package build

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
)

// adminService is for whoever scrapes the admin port, inside the cluster only.
func adminService(s *Stream) runtime.ApplyConfiguration {
	spec := corev1ac.ServiceSpec().WithType(corev1.ServiceTypeClusterIP).WithSelector(Selector(s.CertStream)).
		WithPorts(servicePort(portAdmin, AdminPort, nil))
	return owned(s, corev1ac.Service(AdminServiceName(s.CertStream), s.Namespace)).WithSpec(spec)
}
