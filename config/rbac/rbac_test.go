// Package rbac holds the roles of the operator and of those who use it.
package rbac

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// The Helm chart has the same rules: hack/charts.sh copies role.yaml.
func TestNoRoleGivesMoreThanItNames(t *testing.T) {
	for _, file := range roleFiles(t) {
		t.Run(file, func(t *testing.T) {
			for _, rule := range rules(t, file) {
				for _, list := range [][]string{rule.Verbs, rule.APIGroups, rule.Resources, rule.NonResourceURLs} {
					if slices.Contains(list, "*") {
						t.Errorf("%v has a wildcard: name what is needed", rule)
					}
				}
				for _, verb := range []string{"escalate", "bind", "impersonate"} {
					if slices.Contains(rule.Verbs, verb) {
						t.Errorf("%v: %s lets its holder become more than it is", rule, verb)
					}
				}
				if len(rule.Verbs) == 0 || len(rule.Resources)+len(rule.NonResourceURLs) == 0 {
					t.Errorf("%v gives nothing", rule)
				}
			}
		})
	}
}

func TestTheOperatorReadsSecretsAndTouchesNoRoles(t *testing.T) {
	for _, rule := range rules(t, "role.yaml") {
		if slices.Contains(rule.Resources, "secrets") {
			for _, verb := range rule.Verbs {
				if !slices.Contains([]string{"get", "list", "watch"}, verb) {
					t.Errorf("the operator may %s Secrets; it has to read them only", verb)
				}
			}
		}
		if slices.Contains(rule.APIGroups, rbacv1.GroupName) {
			t.Errorf("the operator may touch roles: %v", rule)
		}
		for _, forbidden := range []string{"pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token", "nodes"} {
			if slices.Contains(rule.Resources, forbidden) {
				t.Errorf("the operator has no use for %s", forbidden)
			}
		}
	}
}

func roleFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(files, "role.yaml") || len(files) < 6 {
		t.Fatalf("found the roles %v, want role.yaml and five others at least", files)
	}
	return files
}

// rules reads a Role or ClusterRole strictly.
func rules(t *testing.T, file string) []rbacv1.PolicyRule {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(bytes.TrimPrefix(content, []byte("---\n")), &role); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if len(role.Rules) == 0 {
		t.Fatalf("%s has no rules", file)
	}
	return role.Rules
}
