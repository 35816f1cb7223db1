// Command explain writes what the schema of a CustomResourceDefinition says into the descriptions of its spec: the default and
// the bounds, which `kubectl explain` shows nowhere else. It changes the files in place.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: explain CRD...")
		os.Exit(2)
	}
	for _, file := range os.Args[1:] {
		if err := update(file); err != nil {
			fmt.Fprintf(os.Stderr, "explain: %s: %v\n", file, err)
			os.Exit(1)
		}
	}
}

func update(file string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := explained(old)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// explained is a definition whose descriptions say more.
func explained(definition []byte) ([]byte, error) {
	var crd map[string]any
	// Numbers stay as they are written: 10000000 is not 1e+07.
	numbers := func(d *json.Decoder) *json.Decoder { d.UseNumber(); return d }
	if err := yaml.Unmarshal(definition, &crd, numbers); err != nil {
		return nil, err
	}
	spec, _ := crd["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	for _, v := range versions {
		version, _ := v.(map[string]any)
		explain(in(version, "schema", "openAPIV3Schema", "properties", "spec"), "spec")
	}
	text, err := yaml.Marshal(crd)
	return append([]byte("---\n"), text...), err
}

// in is what lies at a path, nil where nothing does.
func in(object map[string]any, path ...string) map[string]any {
	for _, step := range path {
		object, _ = object[step].(map[string]any)
	}
	return object
}

// explain completes the description of a field and of those in it. Types of Kubernetes speak for themselves.
func explain(schema map[string]any, path string) {
	description, _ := schema["description"].(string)
	if facts := facts(schema); description != "" && facts != "" && !strings.Contains(description, facts) {
		schema["description"] = insert(description, facts)
	}
	delete(in(schema, "items"), "description") // kubectl would print it after the field's own, as one text
	if strings.HasPrefix(path, "spec.podTemplate.") || strings.HasPrefix(path, "spec.networkPolicy.") {
		return
	}
	for _, fields := range []map[string]any{in(schema, "properties"), in(schema, "items", "properties")} {
		for name, field := range fields {
			if inner, is := field.(map[string]any); is {
				explain(inner, path+"."+name)
			}
		}
	}
}

// insert puts facts at the end of a text, before the class of the field.
func insert(text, facts string) string {
	for _, class := range []string{"Live.", "Restart."} {
		if before, is := strings.CutSuffix(text, class); is {
			return before + facts + " " + class
		}
	}
	return text + " " + facts
}

// facts are the default and the bounds in words.
func facts(schema map[string]any) string {
	var all []string
	if value := value(schema["default"]); value != "" {
		all = append(all, "Default: "+value+".")
	}
	least, most := schema["minimum"], schema["maximum"]
	switch {
	case least != nil && most != nil:
		all = append(all, fmt.Sprintf("From %v to %v.", least, most))
	case least != nil:
		all = append(all, fmt.Sprintf("At least %v.", least))
	case most != nil:
		all = append(all, fmt.Sprintf("At most %v.", most))
	}
	for _, key := range []string{"maxItems", "maxProperties"} {
		if most := schema[key]; most != nil {
			all = append(all, fmt.Sprintf("At most %v entries.", most))
		}
	}
	return strings.Join(all, " ")
}

// value is a default as people write it, empty where it is an empty object: that stands for the defaults of its fields.
func value(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case map[string]any:
		if len(v) == 0 {
			return ""
		}
	case []any:
		words := make([]string, len(v))
		for i := range v {
			words[i] = value(v[i])
		}
		return strings.Join(words, ", ")
	}
	text, _ := json.Marshal(v) // it was JSON
	return string(text)
}
