package build

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// runbookURL is where alerts lead to.
const runbookURL = "https://github.com/certstream-operator/certstream-operator/blob/main/docs/runbooks"

func prometheusRuleKind() schema.GroupVersionKind { return monitoringKind("PrometheusRule") }

// prometheusRule is the alerts of the stream.
func prometheusRule(s *Stream) runtime.ApplyConfiguration {
	if !valueOr(s.Spec.Monitoring.Rules, true) {
		return nil
	}
	groups := runtime.DeepCopyJSONValue(s.rules)
	return optional(s, prometheusRuleKind(), Name(s.CertStream), s.Spec.Monitoring.Labels, nil, map[string]any{"groups": groups})
}
