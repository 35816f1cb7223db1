package envtest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// ruleCase is an object that a rule of the CRD admits, and one that it refuses.
type ruleCase struct {
	// Field is the path that the refusal names; Message begins as the rule's message does.
	Field, Message string
	// Accept and Refuse are specs.
	Accept, Refuse map[string]any
	// AcceptName and RefuseName are for rules about the name.
	AcceptName, RefuseName string
}

// rule is an XValidation rule of the CRD: the path of the field that its refusal names, with [] for any index, and what it says.
type rule struct{ path, message string }

func TestEveryRuleAdmitsAndRefuses(t *testing.T) {
	t.Parallel()
	s := need(t)
	namespace, rules := s.namespace(t), rulesOf(crdSchema(t))
	for i, c := range ruleCases(t) {
		t.Run(c.Field, func(t *testing.T) {
			t.Parallel()
			r, ok := c.rule(rules)
			if !ok {
				t.Fatalf("the CRD has no rule %q of %s", c.Message, c.Field)
			}
			if err := s.admit(t, namespace, or(c.AcceptName, fmt.Sprintf("a-%d", i)), nil, c.Accept); err != nil {
				t.Errorf("refused what the rule admits: %v", err)
			}
			err := s.admit(t, namespace, or(c.RefuseName, fmt.Sprintf("r-%d", i)), nil, c.Refuse)
			if !apierrors.IsInvalid(err) {
				t.Fatalf("want a refusal, got %v", err)
			}
			if !strings.Contains(err.Error(), c.Field+": Invalid value") || !strings.Contains(err.Error(), r.message) {
				t.Errorf("the refusal does not say that %s is wrong because %q: %v", c.Field, r.message, err)
			}
		})
	}
}

// What the operator's messages advise can be done: the claim is not the spec's, and the operator says what becomes of it.
func TestNoRuleHoldsTheVolume(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	for name, change := range map[string]string{
		"smaller":      `{state: {volume: {size: 4Gi, storageClassName: fast}}}`,
		"other-class":  `{state: {volume: {size: 5Gi, storageClassName: slow}}}`,
		"no-class":     `{state: {volume: {size: 5Gi}}}`,
		"other-access": `{state: {volume: {size: 5Gi, storageClassName: fast, accessMode: ReadWriteMany}}}`,
	} {
		old := parse(t, `{state: {volume: {size: 5Gi, storageClassName: fast}}}`)
		if err := s.admit(t, ns, name, old, parse(t, change)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A password that was put where it does not belong is not printed for that reason.
func TestARuleDoesNotPrintAPassword(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	for _, url := range []string{"http://user:hunter2@proxy.example:3128", "http://user:hunter2#@proxy.example", "user:hunter2@proxy.example:3128"} {
		err := s.admit(t, ns, "main", nil, map[string]any{"logs": map[string]any{"proxy": map[string]any{"url": url}}})
		if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "spec.logs.proxy.url") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestEveryRuleHasACase(t *testing.T) {
	t.Parallel()
	rules := rulesOf(crdSchema(t))
	covered := make(map[rule]bool)
	for _, c := range ruleCases(t) {
		r, _ := c.rule(rules)
		covered[r] = true
	}
	for _, r := range rules {
		if !covered[r] {
			t.Errorf("testdata/rules.yaml has no case of %s: %s", r.path, r.message)
		}
		if r.message == "" {
			t.Errorf("%s: a rule without a message", r.path)
		}
	}
}

func TestNoPatternWithoutAMessage(t *testing.T) {
	t.Parallel()
	walk(crdSchema(t), "", func(path string, node *apiextensionsv1.JSONSchemaProps) {
		if node.Pattern != "" && !isOthers(path, node) {
			t.Errorf("%s: a pattern refuses without saying how to mend: make it a rule with a message", path)
		}
	})
}

// The whole CRD goes into an annotation of at most 256 KiB when it is applied from the client's side.
func TestCRDFitsIntoAnAnnotation(t *testing.T) {
	t.Parallel()
	asJSON, err := yaml.YAMLToJSON(crdText(t))
	if err != nil {
		t.Fatal(err)
	}
	if most := 240_000; len(asJSON) > most {
		t.Errorf("the CRD has %d bytes of JSON, want at most %d", len(asJSON), most)
	}
}

func ruleCases(t *testing.T) []ruleCase {
	t.Helper()
	text, err := os.ReadFile("testdata/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var cases []ruleCase
	if err := yaml.UnmarshalStrict(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

var anyIndex = regexp.MustCompile(`\[\d+\]`)

// rule is the one that the case is of.
func (c ruleCase) rule(rules []rule) (rule, bool) {
	path := anyIndex.ReplaceAllString(c.Field, "[]")
	for _, r := range rules {
		if r.path == path && c.Message != "" && strings.HasPrefix(r.message, c.Message) {
			return r, true
		}
	}
	return rule{}, false
}

func rulesOf(schema *apiextensionsv1.JSONSchemaProps) []rule {
	var rules []rule
	walk(schema, "", func(path string, node *apiextensionsv1.JSONSchemaProps) {
		if path == "" {
			path = "<nil>"
		}
		for _, v := range node.XValidations {
			rules = append(rules, rule{path + v.FieldPath, v.Message})
		}
	})
	return rules
}

// admit asks the API server whether it would take a spec: as a new object, or as a change of old.
func (s *apiServer) admit(t *testing.T, namespace, name string, old, spec map[string]any) error {
	t.Helper()
	if old == nil {
		return s.client.Create(t.Context(), stream(namespace, name, spec), client.DryRunAll, client.FieldValidation("Strict"))
	}
	before := stream(namespace, name, old)
	if err := s.client.Create(t.Context(), before, client.FieldValidation("Strict")); err != nil {
		t.Fatalf("the object before: %v", err)
	}
	after := stream(namespace, name, spec)
	after.SetResourceVersion(before.GetResourceVersion())
	return s.client.Update(t.Context(), after, client.DryRunAll, client.FieldValidation("Strict"))
}

// stream is a CertStream with nothing but its spec.
func stream(namespace, name string, spec map[string]any) *unstructured.Unstructured {
	if spec == nil {
		spec = map[string]any{}
	}
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.Kind))
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func crdText(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(crdFile)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func crdSchema(t *testing.T) *apiextensionsv1.JSONSchemaProps {
	t.Helper()
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.UnmarshalStrict(crdText(t), &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// walk visits a schema and all below it. Paths are as refusals have them, with [] for any index.
func walk(node *apiextensionsv1.JSONSchemaProps, path string, visit func(string, *apiextensionsv1.JSONSchemaProps)) {
	visit(path, node)
	for name, child := range node.Properties {
		walk(&child, strings.TrimPrefix(path+"."+name, "."), visit)
	}
	if node.Items != nil && node.Items.Schema != nil {
		walk(node.Items.Schema, path+"[]", visit)
	}
}

// isOthers says whether a schema is part of a type of Kubernetes.
func isOthers(path string, node *apiextensionsv1.JSONSchemaProps) bool {
	return node.XIntOrString || strings.HasPrefix(path, "status.conditions[]") ||
		strings.HasPrefix(path, "spec.podTemplate.") && strings.Count(path, ".") > 2 ||
		strings.HasPrefix(path, "spec.networkPolicy.from[]")
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
