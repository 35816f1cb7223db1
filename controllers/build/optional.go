package build

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// OptionalKinds are the kinds that a cluster may lack.
func OptionalKinds() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{serviceMonitorKind(), podMonitorKind(), prometheusRuleKind(), httpRouteKind(), certificateKind()}
}

// optional is an owned object of a kind that a cluster need not have, and whose module we do not import.
func optional(s *Stream, kind schema.GroupVersionKind, name string, labels, annotations map[string]string, spec map[string]any) runtime.ApplyConfiguration {
	metadata := map[string]any{
		"name": name, "namespace": s.Namespace, "labels": asValues(join(labels, Labels(s.CertStream))),
		"ownerReferences": []any{map[string]any{
			"apiVersion": v1alpha1.SchemeGroupVersion.String(), "kind": v1alpha1.Kind,
			"name": s.Name, "uid": string(s.UID), "controller": true,
		}},
	}
	if len(annotations) > 0 {
		metadata["annotations"] = asValues(annotations)
	}
	u := &unstructured.Unstructured{Object: map[string]any{"metadata": metadata, "spec": spec}}
	u.SetGroupVersionKind(kind)
	return client.ApplyConfigurationFromUnstructured(u)
}

// asValues is a map of strings as it is in decoded JSON.
func asValues(m map[string]string) map[string]any {
	values := make(map[string]any, len(m))
	for key, value := range m {
		values[key] = value
	}
	return values
}

// asList is a list of strings as it is in decoded JSON.
func asList(all []string) []any {
	values := make([]any, 0, len(all))
	for _, value := range all {
		values = append(values, value)
	}
	return values
}
