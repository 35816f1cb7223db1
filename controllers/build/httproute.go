package build

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

func httpRouteKind() schema.GroupVersionKind {
	return kind("gateway.networking.k8s.io", "v1", "HTTPRoute")
}

// httpRoute leads WebSocket and SSE to the Service. Streams have no end, so that requests must have no time-out.
func httpRoute(s *Stream) runtime.ApplyConfiguration {
	wanted := s.Spec.Gateway
	if wanted == nil || !servesHTTP(s.CertStream) {
		return nil
	}
	var parents []any
	for _, ref := range wanted.ParentRefs {
		parents = append(parents, parentRef(ref))
	}
	spec := map[string]any{
		"parentRefs": parents,
		"rules": []any{map[string]any{
			"matches":     []any{map[string]any{"path": map[string]any{"type": "PathPrefix", "value": "/"}}},
			"backendRefs": []any{map[string]any{"name": Name(s.CertStream), "port": int64(s.Spec.Service.Port)}},
			"timeouts":    map[string]any{"request": "0s"},
		}},
	}
	if len(wanted.Hostnames) > 0 {
		spec["hostnames"] = asList(wanted.Hostnames)
	}
	return optional(s, httpRouteKind(), Name(s.CertStream), nil, wanted.Annotations, spec)
}

func parentRef(ref v1alpha1.GatewayReference) map[string]any {
	parent := map[string]any{"name": ref.Name}
	if ref.Namespace != "" {
		parent["namespace"] = ref.Namespace
	}
	if ref.SectionName != "" {
		parent["sectionName"] = ref.SectionName
	}
	return parent
}
