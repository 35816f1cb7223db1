package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const (
	typesDir = "../../api/v1alpha1"
	pageFile = "../../docs/spec/v1alpha1/certstream.md"
)

func TestPageIsUpToDate(t *testing.T) {
	types, err := parse(typesDir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := types.reference()
	if err != nil {
		t.Fatal(err)
	}
	page := readFile(t, pageFile)
	want, err := replace([]byte(page), text)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != page {
		t.Errorf("%s is older than the types: run go generate ./hack/apidoc", pageFile)
	}
}

// TestEveryReasonIsExplained holds that the page names each condition and reason, in code font, and none that is not there.
func TestEveryReasonIsExplained(t *testing.T) {
	source := readFile(t, typesDir+"/conditions.go")
	page := readFile(t, pageFile)
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\t(?:Condition|Reason)\w+ += "(\w+)"`).FindAllStringSubmatch(source, -1) {
		known[m[1]] = true
		if !strings.Contains(page, "`"+m[1]+"`") {
			t.Errorf("%s does not explain %s", pageFile, m[1])
		}
	}
	if len(known) < 40 {
		t.Fatalf("only %d conditions and reasons found", len(known))
	}
	_, section, _ := strings.Cut(page, "## Conditions and their reasons")
	section, _, _ = strings.Cut(section, begin)
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)`(?:, `(\\w+)`)? \\|").FindAllStringSubmatch(section, -1) {
		for _, name := range m[1:] {
			if name != "" && !known[name] {
				t.Errorf("%s explains %s, which there is not", pageFile, name)
			}
		}
	}
}

func TestReferenceOfAType(t *testing.T) {
	dir := t.TempDir()
	source := "package v1\n\n" +
		"// CertStream is one.\ntype CertStream struct{}\n\n" +
		"// CertStreamSpec says what.\n//\n// +kubebuilder:validation:XValidation:rule=\"true\",message=\"say \\\"please\\\"\"\n" +
		"type CertStreamSpec struct {\n" +
		"\t// Part of it. Live.\n\t// +kubebuilder:default={}\n\tPart PartSpec `json:\"part,omitempty\"`\n" +
		"\t// How many | which. Restart.\n\t// +kubebuilder:default=3\n\t// +kubebuilder:validation:Minimum=1\n\t// +kubebuilder:validation:Maximum=5\n" +
		"\tMany *int32 `json:\"many,omitempty\"`\n}\n\n" +
		"// PartSpec is a part.\ntype PartSpec struct {\n" +
		"\t// Its items.\n\tItems []Item `json:\"items,omitempty\"`\n}\n\n" +
		"// Item is an item.\ntype Item struct {\n\t// Its kind.\n\t// +required\n\tKind Kind `json:\"kind\"`\n}\n\n" +
		"// Kind is a kind.\n//\n// +kubebuilder:validation:Enum=A;B\ntype Kind string\n\n" +
		"// CertStreamStatus is seen.\ntype CertStreamStatus struct {\n\t// Seen at.\n\tAt metav1.Time `json:\"at\"`\n}\n"
	if err := os.WriteFile(dir+"/x_types.go", []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	types, err := parse(dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := types.reference()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| `part` | object |  | live | Part of it. |\n",
		"| `many` | integer | `3` | restart | How many \\| which. *1 to 5.* |\n",
		"- say \"please\"\n",
		"### `spec.part`\n\n`spec.part` is a part.\n",
		"| `items` | list of objects |  | live | Its items. |\n",
		"| `items[].kind` | string | required | live | Its kind. *One of `A`, `B`.* |\n",
		"| `at` | time | Seen at. |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
