// Command monitoring renders the alert rules as one stream gets them, the operator's rules, and every query of the dashboard as a
// rule. It writes them for promtool, or asks a Prometheus every one of them.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// The stream that tests are about.
const (
	testNamespace = "certs"
	testName      = "main"
	runbooks      = "https://example.org/runbooks"
)

const usage = `usage: monitoring render DIRECTORY              write rule files for promtool
       monitoring query URL NAMESPACE NAME    ask the Prometheus at URL every query about a CertStream`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "render":
		return render(args[1])
	case len(args) == 4 && args[0] == "query":
		files, err := files(args[2], args[3])
		if err != nil {
			return err
		}
		return query(os.Stdout, args[1], files)
	}
	return errors.New(usage)
}

// files are rule files by name.
func files(namespace, name string) (map[string][]any, error) {
	rules, err := build.ParseRules()
	if err != nil {
		return nil, err
	}
	operator, err := operatorGroups("config/prometheus/operator-rules.yaml")
	if err != nil {
		return nil, err
	}
	dashboard, err := dashboardGroups(namespace, name)
	if err != nil {
		return nil, err
	}
	return map[string][]any{"rules.yaml": rules.Groups(namespace, name, "certstream-"+name, runbooks), "operator.yaml": operator, "dashboard.yaml": dashboard}, nil
}

func render(dir string) error {
	files, err := files(testNamespace, testName)
	if err != nil {
		return err
	}
	for file, groups := range files {
		data, err := yaml.Marshal(map[string]any{"groups": groups})
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// operatorGroups are the groups of a PrometheusRule in a file.
func operatorGroups(path string) ([]any, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var rule struct {
		Spec struct {
			Groups []any `json:"groups"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(data, &rule); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return rule.Spec.Groups, nil
}

// dashboardGroups are the dashboard's queries, each as a recording rule named by its panel.
func dashboardGroups(namespace, name string) ([]any, error) {
	var board struct {
		Panels []struct {
			ID      int
			Targets []struct{ RefID, Expr string }
		}
		Annotations struct {
			List []struct{ Target struct{ Expr string } }
		}
	}
	if err := json.Unmarshal([]byte(build.Dashboard()), &board); err != nil {
		return nil, err
	}
	fill := strings.NewReplacer("$namespace", namespace, "$stream", name, "$log", ".*", "$__rate_interval", "5m")
	variable := regexp.MustCompile(`\$\w+`)
	var rules []any
	add := func(record, expression string) error {
		expression = fill.Replace(expression)
		if left := variable.FindString(expression); left != "" {
			return fmt.Errorf("dashboard: %s: the variable %s is not known", record, left)
		}
		rules = append(rules, map[string]any{"record": record, "expr": expression})
		return nil
	}
	for _, p := range board.Panels {
		for _, t := range p.Targets {
			if err := add(fmt.Sprintf("dashboard:panel%d:%s", p.ID, t.RefID), t.Expr); err != nil {
				return nil, err
			}
		}
	}
	for i, a := range board.Annotations.List {
		if a.Target.Expr == "" {
			continue
		}
		if err := add(fmt.Sprintf("dashboard:annotation:%d", i), a.Target.Expr); err != nil {
			return nil, err
		}
	}
	return []any{map[string]any{"name": "dashboard", "rules": rules}}, nil
}
