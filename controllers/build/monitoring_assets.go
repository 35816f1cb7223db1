package build

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed assets/rules.yaml
var rulesYAML []byte

//go:embed assets/dashboard.json
var dashboardJSON string

// Dashboard is the Grafana dashboard as JSON. It serves every stream: datasource, namespace and stream are its variables.
func Dashboard() string { return dashboardJSON }

// RuleGroups are the groups of the PrometheusRule of one stream. Claim is the volume claim that holds its state, empty where none
// does; runbooks is the address of the folder of runbooks, without a slash at its end.
func RuleGroups(namespace, name, claim, runbooks string) ([]any, error) {
	var file struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []any  `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.Unmarshal(rulesYAML, &file); err != nil {
		return nil, fmt.Errorf("reading the alert rules: %w", err)
	}
	// The values are DNS names and an address of our own: none of them can end a string of PromQL.
	fill := strings.NewReplacer("$(NAMESPACE)", namespace, "$(NAME)", name, "$(CLAIM)", claim, "$(RUNBOOKS)", runbooks)
	groups := make([]any, 0, len(file.Groups))
	for _, g := range file.Groups {
		if claim == "" {
			g.Rules = slices.DeleteFunc(g.Rules, isAboutClaim)
		}
		groups = append(groups, map[string]any{"name": g.Name, "rules": replaceStrings(g.Rules, fill)})
	}
	return groups, nil
}

// isAboutClaim says whether a rule makes sense only with a claim.
func isAboutClaim(rule any) bool {
	fields, _ := rule.(map[string]any)
	expression, _ := fields["expr"].(string)
	return strings.Contains(expression, "$(CLAIM)")
}

// replaceStrings replaces in all strings of a decoded document, in place where it can.
func replaceStrings(value any, by *strings.Replacer) any {
	switch v := value.(type) {
	case string:
		return by.Replace(v)
	case []any:
		for i := range v {
			v[i] = replaceStrings(v[i], by)
		}
	case map[string]any:
		for key := range v {
			v[key] = replaceStrings(v[key], by)
		}
	}
	return value
}
