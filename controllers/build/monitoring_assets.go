package build

import (
	_ "embed"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"
)

//go:embed assets/rules.yaml
var rulesYAML []byte

//go:embed assets/dashboard.json
var dashboardJSON string

// Dashboard is the Grafana dashboard as JSON. It serves every stream: datasource, namespace and stream are its variables.
func Dashboard() string { return dashboardJSON }

// Rules are the rules of any stream, with places for what is the stream's own. They are not changed.
type Rules []ruleGroup

type ruleGroup struct {
	Name  string `json:"name"`
	Rules []any  `json:"rules"`
}

// ParseRules reads the rules.
func ParseRules() (Rules, error) {
	var file struct {
		Groups Rules `json:"groups"`
	}
	if err := yaml.Unmarshal(rulesYAML, &file); err != nil {
		return nil, fmt.Errorf("reading the alert rules: %w", err)
	}
	return file.Groups, nil
}

// Groups are the groups of the PrometheusRule of one stream. Claim is the volume claim that holds its state, empty where none
// does; runbooks is the address of the folder of runbooks, without a slash at its end.
func (r Rules) Groups(namespace, name, claim, runbooks string) []any {
	// The values are DNS names and an address of our own: none of them can end a string of PromQL.
	fill := strings.NewReplacer("$(NAMESPACE)", namespace, "$(NAME)", name, "$(CLAIM)", claim, "$(RUNBOOKS)", runbooks)
	groups := make([]any, 0, len(r))
	for _, g := range r {
		rules := make([]any, 0, len(g.Rules))
		for _, rule := range g.Rules {
			if claim != "" || !isAboutClaim(rule) {
				rules = append(rules, replaced(rule, fill))
			}
		}
		groups = append(groups, map[string]any{"name": g.Name, "rules": rules})
	}
	return groups
}

// isAboutClaim says whether a rule makes sense only with a claim.
func isAboutClaim(rule any) bool {
	fields, _ := rule.(map[string]any)
	expression, _ := fields["expr"].(string)
	return strings.Contains(expression, "$(CLAIM)")
}

// replaced is a copy of a decoded document with all its strings replaced in.
func replaced(value any, by *strings.Replacer) any {
	switch v := value.(type) {
	case string:
		return by.Replace(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = replaced(v[i], by)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for key := range v {
			object[key] = replaced(v[key], by)
		}
		return object
	}
	return value
}
