package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestExplained(t *testing.T) {
	const definition = `spec:
  versions:
  - schema:
      openAPIV3Schema:
        properties:
          spec:
            properties:
              empty: {description: Nothing to add., type: string}
              limits:
                default: {}
                description: Limits.
                properties:
                  most: {default: 10000000, description: How many. Live., maximum: 20000000, minimum: 0}
                  least: {description: How few., minimum: 1}
                  top: {description: Not more., maximum: 9}
              names: {default: [a, b], description: Names. Restart., items: {type: string}, maxItems: 3, type: array}
              list:
                description: List.
                items: {description: Merged., properties: {switch: {default: true, description: On.}}, type: object}
                type: array
              podTemplate:
                properties:
                  labels: {default: {x: "1"}, description: Labels., maxProperties: 2, properties: {x: {default: y, description: Kept.}}}
          status:
            properties:
              seen: {default: 1, description: Seen.}
`
	want := map[string]string{
		"empty": "Nothing to add.", "limits": "Limits.", "names": "Names. Default: a, b. At most 3 entries. Restart.", "list": "List.",
		"limits.most": "How many. Default: 10000000. From 0 to 20000000. Live.", "limits.least": "How few. At least 1.",
		"limits.top": "Not more. At most 9.", "list.switch": "On. Default: true.",
		"podTemplate.labels": `Labels. Default: {"x":"1"}. At most 2 entries.`, "podTemplate.labels.x": "Kept.",
	}
	once, err := explained([]byte(definition))
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct{ Versions []map[string]any }
	}
	if err := yaml.Unmarshal(once, &crd); err != nil {
		t.Fatal(err)
	}
	properties := in(crd.Spec.Versions[0], "schema", "openAPIV3Schema", "properties")
	got := map[string]string{}
	collect(got, in(properties, "spec"), "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if seen := in(properties, "status", "properties", "seen")["description"]; seen != "Seen." {
		t.Errorf("the status says %q", seen)
	}
	if item := in(properties, "spec", "properties", "list", "items")["description"]; item != nil {
		t.Errorf("kubectl explain adds %q to the text of the list", item)
	}
	if twice, err := explained(once); err != nil || !bytes.Equal(once, twice) {
		t.Errorf("a second time changes it: %v", err)
	}
}

// collect finds all descriptions by path.
func collect(all map[string]string, schema map[string]any, path string) {
	if text, is := schema["description"].(string); is {
		all[path] = text
	}
	for _, fields := range []map[string]any{in(schema, "properties"), in(schema, "items", "properties")} {
		for name, field := range fields {
			inner, _ := field.(map[string]any)
			step := name
			if path != "" {
				step = path + "." + name
			}
			collect(all, inner, step)
		}
	}
}

// The definition in the repository is one that was explained.
func TestTheDefinitionIsExplained(t *testing.T) {
	text, err := os.ReadFile("../../config/crd/bases/certstream.io_certstreams.yaml")
	if err != nil {
		t.Fatal(err)
	}
	again, err := explained(text)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, again) {
		t.Error("config/crd/bases lacks defaults or bounds in its descriptions, or is written otherwise: run go generate ./...")
	}
}
