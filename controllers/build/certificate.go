package build

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

func certificateKind() schema.GroupVersionKind { return kind("cert-manager.io", "v1", "Certificate") }

// certificate asks cert-manager for one with the Service's names.
func certificate(s *Stream) runtime.ApplyConfiguration {
	tls := s.Spec.TLS
	if tls == nil || tls.IssuerRef == nil || tls.SecretName != "" {
		return nil
	}
	spec := map[string]any{
		"secretName": CertificateName(s.CertStream),
		"dnsNames":   asList(dnsNames(s.CertStream)),
		"issuerRef":  issuerRef(tls.IssuerRef),
		"privateKey": map[string]any{"algorithm": "ECDSA", "size": int64(256), "rotationPolicy": "Always"},
	}
	return optional(s, certificateKind(), CertificateName(s.CertStream), nil, nil, spec)
}

func issuerRef(ref *v1alpha1.IssuerReference) map[string]any {
	issuer := map[string]any{"name": ref.Name}
	if ref.Kind != "" {
		issuer["kind"] = ref.Kind
	}
	if ref.Group != "" {
		issuer["group"] = ref.Group
	}
	return issuer
}

// dnsNames are those of the Service, and those of the spec that are not among them.
func dnsNames(cs *v1alpha1.CertStream) []string {
	name := Name(cs)
	inNamespace := name + "." + cs.Namespace
	names := []string{name, inNamespace, inNamespace + ".svc", inNamespace + ".svc.cluster.local"}
	for _, further := range cs.Spec.TLS.DNSNames {
		if !slices.Contains(names, further) {
			names = append(names, further)
		}
	}
	return names
}
