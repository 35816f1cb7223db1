package envtest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// bound is one limit of a field's schema: values that it admits, and one that it refuses.
type bound struct {
	path   string
	within []any
	beyond any
}

// Every enumeration, minimum, maximum and length of the CRD that is ours is held against the API server.
func TestBounds(t *testing.T) {
	t.Parallel()
	s := need(t)
	namespace := s.namespace(t)
	for i, b := range boundsOf(crdSchema(t)) {
		t.Run(b.path, func(t *testing.T) {
			t.Parallel()
			for _, v := range b.within {
				if err := s.admit(t, namespace, fmt.Sprintf("in-%d", i), nil, specWith(b.path, v)); names(err, b.path) {
					t.Errorf("%.80v is refused: %v", v, err)
				}
			}
			if err := s.admit(t, namespace, fmt.Sprintf("out-%d", i), nil, specWith(b.path, b.beyond)); !names(err, b.path) {
				t.Errorf("%.80v is not refused for this field, but %v", b.beyond, err)
			}
		})
	}
}

// names says whether a refusal is about a field's own bounds.
func names(err error, path string) bool {
	if err == nil {
		return false
	}
	field := regexp.QuoteMeta(strings.ReplaceAll(path, "[]", "[0]"))
	return regexp.MustCompile(field + `(\[\d+\])?: (Unsupported value|Too long|Too many|Invalid value: .* should be (greater|less))`).MatchString(err.Error())
}

func boundsOf(schema *apiextensionsv1.JSONSchemaProps) []bound {
	var all []bound
	walk(schema, "", func(path string, n *apiextensionsv1.JSONSchemaProps) {
		if !strings.HasPrefix(path, "spec.") || isOthers(path, n) {
			return
		}
		if len(n.Enum) > 0 {
			b := bound{path: path, beyond: "Bogus"}
			for _, v := range n.Enum {
				b.within = append(b.within, strings.Trim(string(v.Raw), `"`))
			}
			all = append(all, b)
		}
		if n.Minimum != nil {
			all = append(all, bound{path, []any{int64(*n.Minimum)}, int64(*n.Minimum) - 1})
		}
		if n.Maximum != nil {
			all = append(all, bound{path, []any{int64(*n.Maximum)}, int64(*n.Maximum) + 1})
		}
		if n.MaxLength != nil {
			all = append(all, bound{path, nil, strings.Repeat("a", int(*n.MaxLength)+1)})
		}
		if n.MaxItems != nil {
			all = append(all, bound{path, nil, make([]any, *n.MaxItems+1)})
		}
	})
	return all
}

// specWith is a spec with one field set, and what its neighbours require.
func specWith(path string, value any) map[string]any {
	spec := map[string]any{}
	set(spec, strings.Split(strings.TrimPrefix(path, "spec."), "."), value)
	return spec
}

// required are the fields that a section must have beside the one under test.
var required = map[string]map[string]any{
	"auth":         {"tokens": []any{map[string]any{"secretName": "a"}}},
	"gateway":      {"parentRefs": []any{map[string]any{"name": "a"}}},
	"ingress":      {"hosts": []any{"a.example"}},
	"tokens[]":     {"secretName": "a"},
	"parentRefs[]": {"name": "a"},
	"custom[]":     {"name": "a", "url": "https://a.example"},
	"operators[]":  {"name": "a"},
	"issuerRef":    {"name": "a"},
	"secretKeyRef": {"name": "a", "key": "a"},
}

func set(in map[string]any, path []string, value any) {
	key, list := strings.CutSuffix(path[0], "[]")
	next := value
	if len(path) > 1 {
		section := map[string]any{}
		for k, v := range required[path[0]] {
			section[k] = v
		}
		set(section, path[1:], value)
		next = section
	}
	if list {
		next = []any{next}
	}
	in[key] = next
}
