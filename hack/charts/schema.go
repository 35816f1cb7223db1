package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// crd is what is needed of a CustomResourceDefinition.
type crd struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []struct {
			Name   string `json:"name"`
			Schema struct {
				OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
			} `json:"schema"`
		} `json:"versions"`
	} `json:"spec"`
}

func readCRD(file string) (*crd, error) {
	var d crd
	if err := readYAML(file, &d); err != nil {
		return nil, err
	}
	if len(d.Spec.Versions) == 0 {
		return nil, fmt.Errorf("%s is not a CustomResourceDefinition", file)
	}
	return &d, nil
}

// schema is a version's schema as JSON schema that admits no field but those it names.
func (d *crd) schema(version string) (map[string]any, error) {
	for _, v := range d.Spec.Versions {
		if v.Name == version {
			visit(v.Schema.OpenAPIV3Schema, plain)
			return v.Schema.OpenAPIV3Schema, nil
		}
	}
	return nil, fmt.Errorf("%s has no version %s", d.Spec.Names.Kind, version)
}

// visit calls f for a schema and every schema in it.
func visit(schema map[string]any, f func(map[string]any)) {
	f(schema)
	for key, v := range schema {
		switch key {
		case "default", "enum", "const", "example":
			// Values, not schemas.
		case "properties", "patternProperties", "definitions":
			named, _ := v.(map[string]any)
			for _, e := range named {
				if sub, ok := e.(map[string]any); ok {
					visit(sub, f)
				}
			}
		default:
			list, ok := v.([]any)
			if !ok {
				list = []any{v}
			}
			for _, e := range list {
				if sub, ok := e.(map[string]any); ok {
					visit(sub, f)
				}
			}
		}
	}
}

// plain turns Kubernetes' dialect of OpenAPI into JSON schema that admits no field but those it names: what only an API server
// understands goes.
func plain(schema map[string]any) {
	switch schema["format"] {
	case "int-or-string":
		delete(schema, "format")
		schema["type"] = []any{"integer", "string"}
	case "date-time", "micro-time":
		// Generated manifests have `creationTimestamp: null`.
		schema["type"] = []any{"string", "null"}
	}
	if schema["x-kubernetes-preserve-unknown-fields"] == true {
		schema["additionalProperties"] = true
	}
	for key := range schema {
		if strings.HasPrefix(key, "x-kubernetes-") {
			delete(schema, key)
		}
	}
	closeObject(schema)
}

// closeObject refuses unknown properties of an object that names its properties.
func closeObject(schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	if len(properties) > 0 && schema["additionalProperties"] == nil {
		schema["additionalProperties"] = false
	}
}

// writeSchemas writes one file per kind where kubeconform looks for it: DIR/GROUP/KIND_VERSION.json.
func writeSchemas(dir, swagger string, crds []string) error {
	if err := writeKubernetes(dir, swagger); err != nil {
		return err
	}
	for _, file := range crds {
		d, err := readCRD(file)
		if err != nil {
			return err
		}
		for _, v := range d.Spec.Versions {
			schema, err := d.schema(v.Name)
			if err != nil {
				return err
			}
			openMetadata(schema)
			if err := writeKind(dir, d.Spec.Group, v.Name, d.Spec.Names.Kind, schema); err != nil {
				return err
			}
		}
	}
	return nil
}

// openMetadata lets ObjectMeta through: a definition says only `metadata: {type: object}`.
func openMetadata(schema map[string]any) {
	properties, _ := schema["properties"].(map[string]any)
	properties["metadata"] = map[string]any{"$ref": "../definitions.json#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
}

// writeKubernetes writes the schemas of Kubernetes' own kinds, which refer to one file of definitions.
func writeKubernetes(dir, swagger string) error {
	var document struct {
		Definitions map[string]map[string]any `json:"definitions"`
	}
	content, err := os.ReadFile(swagger)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, &document); err != nil {
		return fmt.Errorf("%s: %w", swagger, err)
	}
	for name, definition := range document.Definitions {
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		delete(definition, "x-kubernetes-group-version-kind")
		visit(definition, plain)
		if strings.HasSuffix(name, "api.resource.Quantity") {
			definition["type"] = []any{"string", "number"}
		}
		for _, k := range kinds {
			kind, _ := k.(map[string]any)
			schema := map[string]any{"$ref": "../definitions.json#/definitions/" + name}
			if err := writeKind(dir, text(kind["group"]), text(kind["version"]), text(kind["kind"]), schema); err != nil {
				return err
			}
		}
	}
	return writeJSON(filepath.Join(dir, "definitions.json"), map[string]any{"definitions": document.Definitions})
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// writeKind writes the schema of a kind. The core group has no name: kubeconform calls it by its version.
func writeKind(dir, group, version, kind string, schema map[string]any) error {
	if group == "" {
		group = version
	}
	file := filepath.Join(dir, group, strings.ToLower(kind)+"_"+version+".json")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return writeJSON(file, schema)
}

func readYAML(file string, into any) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func writeJSON(file string, v any) error {
	content, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(content, '\n'), 0o644)
}
