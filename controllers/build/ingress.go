package build

import (
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
)

// ingress leads WebSocket and SSE of its hosts to the Service.
func ingress(s *Stream) runtime.ApplyConfiguration {
	wanted := s.Spec.Ingress
	if wanted == nil || !servesHTTP(s.CertStream) {
		return nil
	}
	spec := networkingv1ac.IngressSpec()
	for _, host := range wanted.Hosts {
		spec.WithRules(networkingv1ac.IngressRule().WithHost(host).WithHTTP(ingressPaths(s)))
	}
	if wanted.ClassName != nil {
		spec.WithIngressClassName(*wanted.ClassName)
	}
	if wanted.TLSSecretName != "" {
		spec.WithTLS(networkingv1ac.IngressTLS().WithHosts(wanted.Hosts...).WithSecretName(wanted.TLSSecretName))
	}
	return owned(s, networkingv1ac.Ingress(Name(s.CertStream), s.Namespace)).WithAnnotations(wanted.Annotations).WithSpec(spec)
}

func ingressPaths(s *Stream) *networkingv1ac.HTTPIngressRuleValueApplyConfiguration {
	backend := networkingv1ac.IngressServiceBackend().WithName(Name(s.CertStream)).
		WithPort(networkingv1ac.ServiceBackendPort().WithName(portHTTP))
	return networkingv1ac.HTTPIngressRuleValue().WithPaths(networkingv1ac.HTTPIngressPath().WithPath("/").
		WithPathType(networkingv1.PathTypePrefix).WithBackend(networkingv1ac.IngressBackend().WithService(backend)))
}
