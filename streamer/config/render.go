package config

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Render writes a configuration as YAML that Load reads back as the same: what differs from the defaults, in the order of
// the struct, secrets in clear. Equal configurations give equal bytes.
func Render(c *Config) ([]byte, error) {
	root := renderSection(reflect.ValueOf(c).Elem(), reflect.ValueOf(Default()).Elem())
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("rendering the configuration: %w", err)
	}
	if out.Len() > MaxFileBytes {
		return nil, fmt.Errorf("rendering the configuration: its %d bytes are more than the %d allowed", out.Len(), MaxFileBytes)
	}
	return out.Bytes(), nil
}

// renderSection writes the settings of a section that differ from others.
func renderSection(v, defaults reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range v.NumField() {
		value, def := v.Field(i), defaults.Field(i)
		if same(value, def) {
			continue
		}
		rendered := renderValue(value, def)
		if isSection(value.Type()) && len(rendered.Content) == 0 {
			continue
		}
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: v.Type().Field(i).Tag.Get("yaml")}
		n.Content = append(n.Content, key, rendered)
	}
	return n
}

// same says whether two values mean the same: an empty list is an unset one.
func same(a, b reflect.Value) bool {
	if (a.Kind() == reflect.Slice || a.Kind() == reflect.Map) && a.Len() == 0 && b.Len() == 0 {
		return true
	}
	return reflect.DeepEqual(a.Interface(), b.Interface())
}

func renderValue(v, def reflect.Value) *yaml.Node {
	switch {
	case isSection(v.Type()):
		return renderSection(v, def)
	case v.Kind() == reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, renderElem(v.Index(i)))
		}
		return n
	case v.Kind() == reflect.Map:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, name := range sortedKeys(v) {
			n.Content = append(n.Content, text(name), renderElem(v.MapIndex(reflect.ValueOf(name))))
		}
		return n
	default:
		return renderLeaf(v)
	}
}

func renderElem(v reflect.Value) *yaml.Node {
	if t, ok := v.Interface().(Token); ok && t.Name == "" {
		return text(t.Token.Reveal())
	}
	if hasKeys(v.Type()) {
		return renderSection(v, newElem(v.Type()))
	}
	return renderLeaf(v)
}

// plainLines are several lines that no parser takes for anything else when they are written as a block: each begins with a
// visible character.
var plainLines = regexp.MustCompile(`^([!-~][ -~]*\n)+([!-~][ -~]*)?$`)

// text is a string node, quoted where a parser of YAML 1.1 or 1.2 would take it for something else.
func text(s string) *yaml.Node {
	n := new(yaml.Node)
	n.SetString(s)
	n.Tag = "!!str"
	word := strings.Contains("|y|n|yes|no|on|off|", "|"+strings.ToLower(s)+"|")
	if word || strings.Contains(s, "\n") && !plainLines.MatchString(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func renderLeaf(v reflect.Value) *yaml.Node {
	switch x := v.Interface().(type) {
	case Secret:
		return text(x.Reveal())
	case encoding.TextMarshaler:
		b, _ := x.MarshalText() // none of this package's types can fail
		return text(string(b))
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatBool(x)}
	case float64:
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatFloat(x, 'g', -1, 64)}
	}
	if v.CanInt() {
		return &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatInt(v.Int(), 10)}
	}
	return text(v.String())
}
