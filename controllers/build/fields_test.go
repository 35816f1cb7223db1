package build

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/internal/specs"
)

type schemaProps = apiextensionsv1.JSONSchemaProps

// specSchema is the schema of the spec.
func specSchema(t *testing.T) schemaProps {
	t.Helper()
	text, err := os.ReadFile("../../config/crd/bases/certstream.io_certstreams.yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd := new(apiextensionsv1.CustomResourceDefinition)
	if err := yaml.Unmarshal(text, crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
}

// field is one that holds a value of our own: those of Kubernetes' types are one field each.
type field struct {
	path, class string
}

// specFields are all fields of the spec with the class that their documentation states, or that of what they are in.
func specFields(props schemaProps, path, class string) (all []field) {
	switch {
	case strings.HasSuffix(props.Description, "Live.") || strings.Contains(props.Description, "Live;"):
		class = "live"
	case strings.HasSuffix(props.Description, "Restart."):
		class = "restart"
	}
	if props.Items != nil && props.Items.Schema.Type == "object" && len(props.Items.Schema.Properties) > 0 {
		path, props = path+"[]", *props.Items.Schema
	}
	if len(props.Properties) == 0 || isKubernetes(path) {
		return []field{{path, class}}
	}
	for _, name := range slices.Sorted(maps.Keys(props.Properties)) {
		all = append(all, specFields(props.Properties[name], strings.TrimPrefix(path+"."+name, "."), class)...)
	}
	return all
}

func isKubernetes(path string) bool {
	for _, of := range []string{
		"podTemplate.affinity", "podTemplate.containerSecurityContext", "podTemplate.env", "podTemplate.imagePullSecrets",
		"podTemplate.resources", "podTemplate.securityContext", "podTemplate.tolerations", "podTemplate.volumeMounts",
		"podTemplate.volumes", "networkPolicy.from", "networkPolicy.monitoringNamespaces",
	} {
		if strings.TrimSuffix(path, "[]") == of {
			return true
		}
	}
	return false
}

// change is another value of the same kind for every place of a path: a leaf, or a part of a Kubernetes type.
func change(value any, path []string) (changed bool) {
	object, ok := value.(map[string]any)
	if !ok {
		return false
	}
	name, isList := strings.CutSuffix(path[0], "[]")
	inner, set := object[name]
	if !set {
		return false
	}
	if len(path) == 1 {
		object[name] = other(inner)
		return true
	}
	if !isList {
		return change(inner, path[1:])
	}
	for _, element := range inner.([]any) {
		changed = change(element, path[1:]) || changed
	}
	return changed
}

// other is a different value that the builders still take.
func other(value any) any {
	switch v := value.(type) {
	case bool:
		return !v
	case float64:
		return v + 7
	case string:
		return otherText(v)
	case []any:
		return v[:len(v)-1]
	case map[string]any:
		return map[string]any{}
	}
	panic(fmt.Sprintf("%T", value))
}

func otherText(text string) string {
	for _, pair := range [][2]string{
		{"Debug", "Warn"}, {"Close", "Gap"}, {"Fresh", "Fail"}, {"Static", "RFC6962"}, {"LoadBalancer", "NodePort"}, {"Local", "Cluster"},
		{"Delete", "Retain"}, {"ReadWriteOncePod", "ReadWriteMany"}, {"Google", "Apple"}, {"ServiceMonitor", "PodMonitor"},
		{"2026-07-01", "2026-07-02"}, {"2027-01-01T00:00:00+01:00", "2027-02-01"}, {"X-API-Key", "X-Key"}, {"None", "Volume"},
		{"Volume", "None"}, {"IfNotPresent", "Never"}, {"RFC6962", "Static"}, {"Gap", "Close"}, {"Info", "Debug"},
		{"Fail", "Fresh"}, {"Consistency", "Full"},
	} {
		if text == pair[0] {
			return pair[1]
		}
	}
	switch {
	case strings.HasPrefix(text, "-----BEGIN"):
		return ""
	case strings.HasPrefix(text, "http"):
		return text + "/other"
	case strings.HasSuffix(text, "s") || strings.HasSuffix(text, "h") || strings.HasSuffix(text, "m") || strings.HasSuffix(text, "i"):
		return "2" + text
	}
	return text + "x"
}

// built is what the builders make of a spec: the pod, by its restart hash, and everything.
func built(t *testing.T, object map[string]any, deployed *Deployed) (podHash, all string, err error) {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	cs := new(v1alpha1.CertStream)
	if err := json.Unmarshal(encoded, cs); err != nil {
		t.Fatal(err)
	}
	s, err := newStream(cs)
	if err != nil {
		return "", "", err
	}
	s.Deployed = deployed
	objects, err := json.Marshal(Objects(s))
	if err != nil {
		t.Fatal(err)
	}
	return podTemplate(s).Annotations[AnnotationRestartHash], string(objects), nil
}

// inWords are the classes of fields whose documentation states them for what they are in, in a sentence.
func inWords(f field) string {
	for _, restart := range []string{"auth.tokens", "tls.secretName", "logs.caBundle"} {
		if strings.HasPrefix(f.path, restart) {
			return "restart"
		}
	}
	if strings.HasPrefix(f.path, "auth.") || strings.HasPrefix(f.path, "tls.") {
		return "live"
	}
	return f.class
}

// TestEveryFieldCounts holds that every field of the spec changes something in one of the specs of testdata, and that it replaces
// the pod where its documentation says Restart, and only there.
func TestEveryFieldCounts(t *testing.T) {
	fields := specFields(specSchema(t), "", "")
	counted := make(map[string]bool)
	for name, text := range cases(t) {
		countFields(t, name, text, fields, counted)
	}
	for _, f := range fields {
		if !counted[f.path] && f.path != "suspend" {
			t.Errorf("spec.%s changes nothing in any spec of testdata", f.path)
		}
	}
}

func countFields(t *testing.T, name, text string, fields []field, counted map[string]bool) {
	t.Helper()
	cs := specs.Default(t, text)
	original, err := json.Marshal(cs)
	if err != nil {
		t.Fatal(err)
	}
	decode := func() (object map[string]any) {
		if err := json.Unmarshal(original, &object); err != nil {
			t.Fatal(err)
		}
		return object
	}
	wasHash, was, err := built(t, decode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	deployed := &Deployed{RestartHash: wasHash, GracePeriodSeconds: gracePeriod(cs)}
	for _, f := range fields {
		object := decode()
		if !change(object["spec"], strings.Split(f.path, ".")) {
			continue
		}
		isHash, is, err := built(t, object, deployed)
		if err != nil || is == was {
			continue // it is not a value of this field, or of no effect here; another spec has one that is
		}
		counted[f.path] = true
		if restarts := isHash != wasHash; restarts != (inWords(f) == "restart") {
			t.Errorf("%s: the documentation of spec.%s says %q, but a change of it replaces the pod: %v", name, f.path, f.class, restarts)
		}
	}
}
