package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEveryFlagIsInOperations holds that the table of the manager's flags is whole.
func TestEveryFlagIsInOperations(t *testing.T) {
	page := readFile(t, "../../docs/operations.md")
	flags := regexp.MustCompile(`Var\(&o\.\w+, "([a-z-]+)"`).FindAllStringSubmatch(readFile(t, "../../cmd/manager/command.go"), -1)
	if len(flags) == 0 {
		t.Fatal("no flags found")
	}
	for _, f := range flags {
		if !strings.Contains(page, "| `--"+f[1]+"` |") {
			t.Errorf("docs/operations.md does not list --%s", f[1])
		}
	}
}

// TestSecurityListsTheOperatorsRights holds that the page and the role say the same.
func TestSecurityListsTheOperatorsRights(t *testing.T) {
	var role struct {
		Rules []struct{ APIGroups, Resources, Verbs []string }
	}
	if err := yaml.Unmarshal([]byte(readFile(t, "../../config/rbac/role.yaml")), &role); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range role.Rules {
		for i, group := range r.APIGroups {
			if group == "" {
				r.APIGroups[i] = "core"
			}
		}
		want = append(want, fmt.Sprintf("| %s | %s | %s |\n",
			strings.Join(r.APIGroups, ", "), strings.Join(r.Resources, ", "), strings.Join(r.Verbs, ", ")))
	}
	if table := strings.Join(want, ""); table == "" || !strings.Contains(readFile(t, "../../docs/security.md"), "|---|---|---|\n"+table+"\n") {
		t.Errorf("the table of rights in docs/security.md is not that of config/rbac/role.yaml:\n%s", table)
	}
}

// TestSecurityNamesWhatIsRefused holds that the page names all fields that restricted tenants may not set.
func TestSecurityNamesWhatIsRefused(t *testing.T) {
	page := readFile(t, "../../docs/security.md")
	fields := regexp.MustCompile(`\{"spec\.([A-Za-z.]+)[ "]`).FindAllStringSubmatch(readFile(t, "../../controllers/phase_resolve.go"), -1)
	if len(fields) < 10 {
		t.Fatalf("only %d fields found", len(fields))
	}
	for _, f := range fields {
		if !strings.Contains(page, "`"+f[1]+"`") {
			t.Errorf("docs/security.md does not name %s", f[1])
		}
	}
}

// TestLinksLeadSomewhere holds that what pages name of the repository is there.
func TestLinksLeadSomewhere(t *testing.T) {
	path := regexp.MustCompile("[`(]((?:docs|config|hack|charts|controllers|api|cmd|streamer|internal)/[\\w./-]*\\w)/?[`)]")
	for _, page := range pages() {
		for _, m := range path.FindAllStringSubmatch(readFile(t, "../../"+page), -1) {
			if _, err := os.Stat("../../" + m[1]); err != nil {
				t.Errorf("%s names %s, which there is not", page, m[1])
			}
		}
	}
}

// pages are those about the operator.
func pages() []string {
	return []string{
		"README.md", "docs/architecture.md", "docs/gitops.md", "docs/monitoring.md", "docs/operations.md", "docs/plugin.md", "docs/security.md",
		"docs/spec/v1alpha1/certstream.md", "docs/upgrade.md",
	}
}

// TestExamplesAreCertStreams holds that examples, whole or only a spec, have no field that the API does not have.
func TestExamplesAreCertStreams(t *testing.T) {
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	checked := 0
	for _, page := range pages() {
		for _, m := range block.FindAllStringSubmatch(readFile(t, "../../"+page), -1) {
			for example := range strings.SplitSeq(m[1], "---\n") {
				if !strings.HasPrefix(example, "apiVersion: certstream.io/") && !strings.HasPrefix(example, "spec:") {
					continue
				}
				checked++
				if err := yaml.UnmarshalStrict([]byte(example), new(v1alpha1.CertStream)); err != nil {
					t.Errorf("%s: %v in\n%s", page, err, example)
				}
			}
		}
	}
	if checked < 3 {
		t.Errorf("only %d examples found", checked)
	}
}
