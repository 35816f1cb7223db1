package build

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// runbookURL is where alerts lead to.
const runbookURL = "https://github.com/certstream-operator/certstream-operator/blob/main/docs/runbooks"

func prometheusRuleKind() schema.GroupVersionKind { return monitoringKind("PrometheusRule") }

// prometheusRule is the alerts of the stream. Where the operator makes no monitor they would only say that nobody scrapes.
func prometheusRule(s *Stream) runtime.ApplyConfiguration {
	if !valueOr(s.Spec.Monitoring.Rules, true) || s.Spec.Monitoring.Monitor == v1alpha1.MonitorNone {
		return nil
	}
	groups := s.rules.Groups(s.Namespace, s.Name, ClaimName(s.CertStream), runbookURL)
	return optional(s, prometheusRuleKind(), Name(s.CertStream), s.Spec.Monitoring.Labels, nil, map[string]any{"groups": groups})
}
