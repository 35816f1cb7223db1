package build

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// servesHTTP says whether WebSocket or SSE is served.
func servesHTTP(cs *v1alpha1.CertStream) bool {
	p := cs.Spec.Protocols
	return valueOr(p.WebSocket.Enabled, true) || valueOr(p.SSE.Enabled, true)
}

// servesTCP says whether raw TCP is served.
func servesTCP(cs *v1alpha1.CertStream) bool { return valueOr(cs.Spec.Protocols.TCP.Enabled, false) }

// service is where clients connect.
func service(s *Stream) runtime.ApplyConfiguration {
	wanted := s.Spec.Service
	spec := corev1ac.ServiceSpec().WithType(corev1.ServiceTypeClusterIP).WithSelector(Selector(s.CertStream)).
		WithPorts(servicePorts(s.CertStream)...)
	if wanted.Type != "" {
		spec.WithType(wanted.Type)
	}
	if wanted.ExternalTrafficPolicy != "" {
		spec.WithExternalTrafficPolicy(wanted.ExternalTrafficPolicy)
	}
	if wanted.LoadBalancerClass != nil {
		spec.WithLoadBalancerClass(*wanted.LoadBalancerClass)
	}
	spec.WithLoadBalancerSourceRanges(wanted.LoadBalancerSourceRanges...)
	return owned(s, corev1ac.Service(Name(s.CertStream), s.Namespace).WithLabels(wanted.Labels)).
		WithAnnotations(wanted.Annotations).WithSpec(spec)
}

func servicePorts(cs *v1alpha1.CertStream) (ports []*corev1ac.ServicePortApplyConfiguration) {
	if servesHTTP(cs) {
		ports = append(ports, servicePort(portHTTP, cs.Spec.Service.Port, cs.Spec.Service.NodePort))
	}
	if servesTCP(cs) {
		ports = append(ports, servicePort(portTCP, cs.Spec.Service.TCPPort, cs.Spec.Service.TCPNodePort))
	}
	return ports
}

// servicePort leads to the container's port of the same name. Without a number of its own the cluster chooses the nodes' port.
func servicePort(name string, number int32, nodePort *int32) *corev1ac.ServicePortApplyConfiguration {
	port := corev1ac.ServicePort().WithName(name).WithProtocol(corev1.ProtocolTCP).WithPort(number).
		WithTargetPort(intstr.FromString(name))
	if nodePort != nil {
		port.WithNodePort(*nodePort)
	}
	return port
}
