// Package specs reads CertStreams as users write them for tests: with the defaults, and by the rules, of the definition in
// config/crd/bases.
package specs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const file = "config/crd/bases/certstream.io_certstreams.yaml"

// Default reads a CertStream and gives it its defaults. The test fails if the API server would refuse it. What it has no name
// and namespace of is `main` in `certs`.
func Default(t testing.TB, text string) *v1alpha1.CertStream {
	t.Helper()
	cs, err := Parse(text)
	if err != nil {
		t.Fatalf("the API server would refuse this: %v\n%s", err, text)
	}
	return cs
}

// Parse reads a CertStream and gives it its defaults. The error is what the API server would refuse it for.
func Parse(text string) (*v1alpha1.CertStream, error) {
	d, err := load()
	if err != nil {
		return nil, err
	}
	encoded, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("reading the CertStream: %w", err)
	}
	var object map[string]any
	if err := json.Unmarshal(encoded, &object); err != nil {
		return nil, fmt.Errorf("reading the CertStream: %w", err)
	}
	if object == nil {
		object = map[string]any{}
	}
	name(object)
	if err := d.admit(object); err != nil {
		return nil, err
	}
	cs := new(v1alpha1.CertStream)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, cs); err != nil {
		return nil, fmt.Errorf("reading the CertStream: %w", err)
	}
	return cs, nil
}

// name fills in what a test does not care for.
func name(object map[string]any) {
	object["apiVersion"], object["kind"] = v1alpha1.SchemeGroupVersion.String(), v1alpha1.Kind
	metadata, _ := object["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
	}
	for key, value := range map[string]string{"name": "main", "namespace": "certs", "uid": "00000000-0000-4000-8000-000000000001"} {
		if _, set := metadata[key]; !set {
			metadata[key] = value
		}
	}
	object["metadata"] = metadata
}

// definition is the CertStream's schema in the forms that an API server works with.
type definition struct {
	schema    *schema.Structural
	validator validation.SchemaValidator
	rules     *cel.Validator
}

// admit does with an object what an API server does with one that is created.
func (d *definition) admit(object map[string]any) error {
	unknown := pruning.PruneWithOptions(object, d.schema, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	if len(unknown) > 0 {
		return fmt.Errorf("unknown field %s", strings.Join(unknown, ", "))
	}
	pruning.Prune(object, d.schema, true)
	defaulting.PruneNonNullableNullsWithoutDefaults(object, d.schema)
	defaulting.Default(object, d.schema)
	problems := validation.ValidateCustomResource(nil, object, d.validator)
	problems = append(problems, listtype.ValidateListSetsAndMaps(nil, d.schema, object)...)
	if len(problems) == 0 && d.rules != nil {
		broken, _ := d.rules.Validate(context.Background(), nil, d.schema, object, nil, math.MaxInt64)
		problems = append(problems, broken...)
	}
	return problems.ToAggregate()
}

// load reads the definition once.
var load = sync.OnceValues(func() (*definition, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, fmt.Errorf("reading the definition: %w", err)
	}
	crd := new(apiextensionsv1.CustomResourceDefinition)
	if err := yaml.UnmarshalStrict(text, crd); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return newDefinition(crd)
})

func newDefinition(crd *apiextensionsv1.CustomResourceDefinition) (*definition, error) {
	properties := new(apiextensions.JSONSchemaProps)
	versioned := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(versioned, properties, nil); err != nil {
		return nil, fmt.Errorf("converting the schema: %w", err)
	}
	structural, err := schema.NewStructural(properties)
	if err != nil {
		return nil, fmt.Errorf("the schema: %w", err)
	}
	validator, _, err := validation.NewSchemaValidator(properties)
	if err != nil {
		return nil, fmt.Errorf("the schema: %w", err)
	}
	// An API server bounds the cost of a rule; that bound is for its own tests.
	return &definition{structural, validator, cel.NewValidator(structural, true, math.MaxInt64)}, nil
}

// repository is the directory of go.mod, above the test's.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("looking for the repository: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no " + file + " above the working directory")
		}
	}
}
