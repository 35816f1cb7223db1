package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Kind is a server whose settings can be imported.
type Kind string

// The servers known. Auto finds out by the settings' names.
const (
	Auto       Kind = ""
	KindGo     Kind = "go"     // certstream-server-go: its YAML, or its CERTSTREAM_ variables
	KindRust   Kind = "rust"   // certstream-server-rust 1.2 or later: its YAML, or its variables
	KindElixir Kind = "elixir" // CaliDog's certstream-server: its variables
)

// Import translates another server's settings, a YAML file or a file of NAME=value lines, into ours. The notes say what has
// no equivalent, or not quite the same meaning, and what is to be seen to.
func Import(r io.Reader, kind Kind) (ours []byte, notes []string, err error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFileBytes+1))
	if err != nil {
		return nil, nil, fmt.Errorf("reading the settings to import: %w", err)
	}
	if len(data) > MaxFileBytes {
		return nil, nil, fmt.Errorf("the settings to import are larger than %d bytes", MaxFileBytes)
	}
	settings, err := readSettings(data)
	if err != nil {
		return nil, nil, err
	}
	if kind == Auto {
		kind = detect(settings)
	}
	rules, ok := importRules()[kind]
	if !ok {
		return nil, nil, fmt.Errorf("there is no import from %q: want go, rust or elixir", kind)
	}
	im := &importer{out: Default(), rules: rules, got: make(map[string]setting)}
	im.all(settings)
	for _, p := range im.out.Check() {
		im.note("to do: %s", p)
	}
	ours, err = Render(im.out)
	return ours, im.notes, err
}

// setting is one of the other server's: a scalar or a list.
type setting struct {
	path string
	node *yaml.Node
	// env says that it came as a variable, where lists are separated by commas.
	env bool
}

func (s setting) text() string {
	if s.node == nil {
		return ""
	}
	return s.node.Value
}

// on says whether it is a true boolean.
func (s setting) on() bool {
	var b bool
	return setBool(reflect.ValueOf(&b).Elem(), s.text()) == nil && b
}

var envLine = regexp.MustCompile(`^(?:export\s+|-e\s+|--env\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)

// readSettings reads NAME=value lines, if all lines are, else YAML.
func readSettings(data []byte) ([]setting, error) {
	if settings, ok := readVariables(data); ok {
		return settings, nil
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, fmt.Errorf("reading the settings to import: neither NAME=value lines nor YAML: %w", err)
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("reading the settings to import: neither NAME=value lines nor a YAML mapping")
	}
	var all []setting
	nodes := 0
	flatten(doc.Content[0], "", &nodes, &all)
	if nodes > maxNodes {
		return nil, fmt.Errorf("the settings to import are more than %d values", maxNodes)
	}
	return all, nil
}

func readVariables(data []byte) (all []setting, ok bool) {
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), "\\"))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := envLine.FindStringSubmatch(line)
		if m == nil {
			return nil, false
		}
		value := strings.Trim(m[2], `"'`)
		all = append(all, setting{path: m[1], env: true, node: &yaml.Node{Kind: yaml.ScalarNode, Value: value}})
	}
	return all, len(all) > 0
}

// flatten lists the scalars and lists below a mapping.
func flatten(n *yaml.Node, path string, nodes *int, all *[]setting) {
	for i := 0; i+1 < len(n.Content) && *nodes <= maxNodes; i += 2 {
		*nodes++
		key, value := join(path, n.Content[i].Value), n.Content[i+1]
		if value.Kind == yaml.AliasNode {
			value = value.Alias
		}
		if value.Kind == yaml.MappingNode && strings.Count(key, ".") < 8 {
			flatten(value, key, nodes, all)
		} else if value.Tag != "!!null" {
			*all = append(*all, setting{path: key, node: value})
		}
	}
}

// detect finds out whose settings these are.
func detect(all []setting) Kind {
	goes := []string{"webserver", "general", "prometheus", "streamprocessing"}
	for _, s := range all {
		name := strings.ToLower(strings.TrimPrefix(s.path, envPrefix))
		if slices.ContainsFunc(goes, func(p string) bool { return strings.HasPrefix(name, p+".") || strings.HasPrefix(name, p+"_") }) {
			return KindGo
		}
	}
	ofRust := func(s setting) bool { return !s.env || strings.HasPrefix(s.path, envPrefix) }
	if len(all) == 0 || slices.ContainsFunc(all, ofRust) {
		return KindRust
	}
	return KindElixir
}

// importer collects ours.
type importer struct {
	out   *Config
	notes []string
	rules ruleSet
	// got are the settings read, for rules that need several.
	got map[string]setting
}

// ruleSet says what becomes of a server's settings.
type ruleSet struct {
	// keys holds rules by path; one that ends in `.` is for all below.
	keys map[string]rule
	// variables names the paths of variables that are not CERTSTREAM_ and the path in capitals.
	variables map[string]string
	// ours says that keys without a rule mean what ours of the same name mean.
	ours bool
	// after is called when all have been seen.
	after func(*importer)
}

type rule func(im *importer, s setting)

func importRules() map[Kind]ruleSet {
	return map[Kind]ruleSet{KindGo: goRules(), KindRust: rustRules(), KindElixir: elixirRules()}
}

func (im *importer) note(format string, args ...any) {
	im.notes = append(im.notes, fmt.Sprintf(format, args...))
}

func (im *importer) all(settings []setting) {
	for i, s := range settings {
		if s.env {
			settings[i].path = im.rules.path(s.path)
		}
		im.got[settings[i].path] = settings[i]
	}
	for _, s := range settings {
		if r := im.rules.find(s.path); r != nil {
			r(im, s)
		} else if im.rules.ours && fieldByPath(s.path) != nil {
			im.set(s.path, s)
		} else {
			im.note("%s: has no equivalent", s.path)
		}
	}
	if im.rules.after != nil {
		im.rules.after(im)
	}
}

func (rs ruleSet) find(path string) rule {
	if r, ok := rs.keys[path]; ok {
		return r
	}
	for prefix, r := range rs.keys {
		if strings.HasSuffix(prefix, ".") && strings.HasPrefix(path, prefix) {
			return r
		}
	}
	return nil
}

// path is that of a variable; its own name when it is not known.
func (rs ruleSet) path(variable string) string {
	if p, ok := rs.variables[variable]; ok {
		return p
	}
	if rs.ours {
		for _, f := range Fields() {
			if slices.Contains(f.Env, variable) {
				return f.Path
			}
		}
	}
	for key := range rs.keys {
		if envPrefix+strings.ToUpper(strings.ReplaceAll(key, ".", "_")) == variable {
			return key
		}
	}
	return variable
}

func fieldByPath(path string) *Field {
	for _, f := range Fields() {
		if f.Path == path {
			return &f
		}
	}
	return nil
}

// set takes a setting over as ours of the given path.
func (im *importer) set(path string, s setting) {
	v := fieldByPath(path).of(im.out)
	if s.env {
		if err := setText(v, s.text()); err != nil {
			im.note("%s: %s: %v", s.path, badValue(v, s.text()), err)
		}
		return
	}
	d := newDecoder()
	d.value(s.node, v, path)
	for _, p := range d.problems {
		im.note("%s: %s", s.path, Problem{Message: p.Message, Fix: p.Fix})
	}
}

// setString sets ours from a text that a rule has made.
func (im *importer) setString(path, text string, s setting) {
	im.set(path, setting{path: s.path, env: true, node: &yaml.Node{Kind: yaml.ScalarNode, Value: text}})
}

// to makes a rule for a setting that ours of another name equals.
func to(path string) rule { return func(im *importer, s setting) { im.set(path, s) } }

// withUnit is to for a number to which ours adds a unit.
func withUnit(path, unit string) rule {
	return func(im *importer, s setting) { im.setString(path, s.text()+unit, s) }
}

// gone makes a rule for what has no equivalent.
func gone(why string) rule {
	return func(im *importer, s setting) { im.note("%s: has no equivalent: %s", s.path, why) }
}

// noted makes a rule that has nothing to set.
func noted(why string) rule { return func(im *importer, s setting) { im.note("%s: %s", s.path, why) } }

// items are a list's elements that are mappings, each as its texts by key.
func (s setting) items() []map[string]string {
	var all []map[string]string
	if s.node == nil || s.node.Kind != yaml.SequenceNode {
		return nil
	}
	for _, n := range s.node.Content {
		item := make(map[string]string)
		for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
			item[n.Content[i].Value] = n.Content[i+1].Value
		}
		all = append(all, item)
	}
	return all
}

// texts are a list's elements, or a variable's parts.
func (s setting) texts() []string {
	var all []string
	if s.env {
		_ = setList(reflect.ValueOf(&all).Elem(), s.text())
		return all
	}
	for _, n := range s.node.Content {
		all = append(all, n.Value)
	}
	return all
}
