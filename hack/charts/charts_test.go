package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestReadValues(t *testing.T) {
	for _, tt := range []struct {
		name, values string
		want         []value
		err          string
	}{
		{
			name: "values, groups and values that are mappings",
			values: `
# How many.
replicas: 2

# A group's own comment is for readers of the file.
image:
  # Where it is,
  # on two lines.
  repository: example.com/a
  deeper:
    # A list.
    list: [a, b]
# A mapping without comments inside.
resources:
  limits: {memory: 1Gi}
`,
			want: []value{
				{"replicas", "2", "How many."},
				{"image.repository", `"example.com/a"`, "Where it is, on two lines."},
				{"image.deeper.list", `["a","b"]`, "A list."},
				{"resources", `{"limits":{"memory":"1Gi"}}`, "A mapping without comments inside."},
			},
		},
		{
			name:   "what is commented out belongs to what is above",
			values: "# The streams.\nstreams: {}\n#  main: {}\n\n# Labels.\nlabels: {}\n",
			want:   []value{{"streams", "{}", "The streams."}, {"labels", "{}", "Labels."}},
		},
		{
			name:   "each value has a comment",
			values: "# Said.\na: 1\nb: 2\n",
			err:    "the value b has no comment",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readValues(write(t, "values.yaml", tt.values))
			wantError(t, err, tt.err)
			if tt.err == "" {
				if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(value{})); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

const testCRD = `
spec:
  group: example.com
  names: {kind: Thing}
  versions:
    - name: v1
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              description: What is wanted.
              default: {}
              x-kubernetes-validations: [{rule: "true"}]
              properties:
                size: {type: integer, default: 3}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: string}}}
                labels: {type: object, additionalProperties: {type: string}}
`

func TestValuesSchema(t *testing.T) {
	for _, tt := range []struct {
		name, schema, values string
		want, err            string
	}{
		{
			name:   "a part of the custom resource stands in, closed and described",
			schema: "type: object\nproperties:\n  thing: {$crd: spec}\n",
			values: "# The thing.\nthing: {}\n",
			want: `{"type":"object","additionalProperties":false,"properties":{"thing":{
				"type":"object","description":"The thing.","additionalProperties":false,"properties":{
					"size":{"type":"integer","default":3},
					"free":{"type":"object","additionalProperties":true,"properties":{"a":{"type":"string"}}},
					"labels":{"type":"object","additionalProperties":{"type":"string"}}}}}}`,
		},
		{
			name:   "a part that is not there",
			schema: "type: object\nproperties:\n  thing: {$crd: spec.sice}\n",
			values: "# The thing.\nthing: {}\n",
			err:    "has no field sice",
		},
		{
			name:   "a value that the schema lacks",
			schema: "type: object\nproperties:\n  a: {type: string}\n",
			values: "# A.\na: x\n# B.\nb: x\n",
			err:    "lacks b",
		},
		{
			name:   "a value that only the schema has",
			schema: "type: object\nproperties:\n  a: {type: object, properties: {b: {type: string}, c: {type: string}}}\n",
			values: "a:\n  # B.\n  b: x\n",
			err:    "values.yaml lacks a.c",
		},
		{
			name:   "places that share a schema have descriptions of their own",
			schema: "type: object\nproperties:\n  a: &s {type: string}\n  b: *s\n",
			values: "# A.\na: x\n# B.\nb: x\n",
			want: `{"type":"object","additionalProperties":false,"properties":{
				"a":{"type":"string","description":"A."},"b":{"type":"string","description":"B."}}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			chart := filepath.Dir(write(t, "values.schema.yaml", tt.schema))
			values, err := readValues(write(t, "values.yaml", tt.values))
			if err != nil {
				t.Fatal(err)
			}
			err = writeValuesSchema(chart, write(t, "crd.yaml", testCRD), values)
			wantError(t, err, tt.err)
			if tt.err == "" {
				compareJSON(t, tt.want, filepath.Join(chart, "values.schema.json"))
			}
		})
	}
}

func TestReadme(t *testing.T) {
	const head, foot = "# Chart\n\n", "\nThe end.\n"
	file := write(t, "README.md", head+readmeBegin+"old\n"+readmeEnd+foot)
	values := []value{{"a.b", `"x|y"`, "Either|or."}}
	if err := writeReadme(filepath.Dir(file), values); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := head + readmeBegin + "| value | default | what it does |\n|---|---|---|\n| `a.b` | `\"x\\|y\"` | Either\\|or. |\n" + readmeEnd + foot
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	wantError(t, writeReadme(filepath.Dir(write(t, "README.md", "no markers")), values), "has no lines")
}

func TestSchemasForKubeconform(t *testing.T) {
	swagger := write(t, "swagger.json", `{"definitions":{
		"io.k8s.api.core.v1.Pod":{"type":"object","x-kubernetes-group-version-kind":[{"group":"","version":"v1","kind":"Pod"}],
			"properties":{"spec":{"$ref":"#/definitions/Spec"},"when":{"type":"string","format":"date-time"}}},
		"Spec":{"type":"object","properties":{"port":{"type":"string","format":"int-or-string"}}},
		"io.k8s.apimachinery.pkg.api.resource.Quantity":{"type":"string"}}}`)
	dir := t.TempDir()
	if err := run("schemas", []string{"schemas", dir, write(t, "crd.yaml", testCRD)}, swagger, ""); err != nil {
		t.Fatal(err)
	}
	compareJSON(t, `{"$ref":"../definitions.json#/definitions/io.k8s.api.core.v1.Pod"}`, filepath.Join(dir, "v1", "pod_v1.json"))
	compareJSON(t, `{"definitions":{
		"io.k8s.api.core.v1.Pod":{"type":"object","additionalProperties":false,
			"properties":{"spec":{"$ref":"#/definitions/Spec"},"when":{"type":["string","null"],"format":"date-time"}}},
		"Spec":{"type":"object","additionalProperties":false,"properties":{"port":{"type":["integer","string"]}}},
		"io.k8s.apimachinery.pkg.api.resource.Quantity":{"type":["string","number"]}}}`, filepath.Join(dir, "definitions.json"))
	content, err := os.ReadFile(filepath.Join(dir, "example.com", "thing_v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(content), "x-kubernetes") || !strings.Contains(string(content), "ObjectMeta") {
		t.Errorf("the schema of the custom resource:\n%s", content)
	}
}

// The charts carry copies of what others generate; `make generate` renews them.
func TestChartsAreInStep(t *testing.T) {
	root := filepath.Join("..", "..")
	files := filepath.Join(root, "charts", "certstream-operator", "files")
	for copied, source := range map[string]string{
		"crd.yaml":            "config/crd/bases/certstream.io_certstreams.yaml",
		"role.yaml":           "config/rbac/role.yaml",
		"operator-rules.yaml": "config/prometheus/operator-rules.yaml",
	} {
		got, err := os.ReadFile(filepath.Join(files, copied))
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(root, source))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("the chart's %s is not %s any more: make generate", copied, source)
		}
	}
}

// write makes a file in a folder of its own.
func write(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Fatal(err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Fatalf("error %v, want one with %q", err, want)
	}
}

func compareJSON(t *testing.T, want, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var w, g any
	if err := yaml.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &g); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Error(diff)
	}
}
