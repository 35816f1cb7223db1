package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// MaxFileBytes bounds a configuration file.
const MaxFileBytes = 1 << 20

// maxNodes bounds what is looked at of one file, aliases followed.
const maxNodes = 100_000

// decoder reads YAML into a Config and collects everything that is wrong with it.
type decoder struct {
	problems []Problem
	// lines says where each setting stands.
	lines map[string]int
	// unread are the settings whose value could not be read, so that a check of it would be of its default.
	unread map[string]bool
	nodes  int
}

func newDecoder() *decoder {
	return &decoder{lines: make(map[string]int), unread: make(map[string]bool)}
}

func (d *decoder) problem(key string, line int, fix, format string, args ...any) {
	d.problems = append(d.problems, Problem{Key: key, Line: line, Message: fmt.Sprintf(format, args...), Fix: fix})
}

// file decodes a whole file.
func (d *decoder) file(data []byte, c *Config) {
	if len(data) > MaxFileBytes {
		d.problem("", 0, "leave out what is not configuration", "the file is larger than %d bytes", MaxFileBytes)
		return
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return
	}
	if err == nil {
		if err = dec.Decode(&more); err == nil {
			d.problem("", more.Line, "put all settings into one", "there is a second YAML document")
			return
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		d.syntax(err)
		return
	}
	d.value(doc.Content[0], reflect.ValueOf(c).Elem(), "")
}

var syntaxLine = regexp.MustCompile(`^yaml: line (\d+): `)

// syntax reports what the YAML parser says.
func (d *decoder) syntax(err error) {
	text, line := strings.TrimPrefix(err.Error(), "yaml: "), 0
	if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
		text = err.Error()[len(m[0]):]
	}
	d.problem("", line, "mind the indentation, and quote what has special characters", "not YAML: %s", text)
}

// value decodes one node. A null leaves the default.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.nodes++; d.nodes > maxNodes {
		if d.nodes == maxNodes+1 {
			d.problem(path, n.Line, "write fewer, and without aliases", "more than %d values", maxNodes)
		}
		return
	}
	if path != "" {
		d.lines[path] = n.Line
	}
	switch {
	case n.Tag == "!!null":
	case n.Kind == yaml.ScalarNode:
		d.scalar(n, v, path)
	case n.Kind == yaml.SequenceNode:
		d.sequence(n, v, path)
	case hasKeys(v.Type()):
		d.section(n, v, path)
	case v.Kind() == reflect.Map:
		d.mapping(n, v, path)
	default:
		d.problem(path, n.Line, "write "+wanted(v.Type()), "is a mapping")
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if hasKeys(v.Type()) && !isText(v.Type()) || v.Kind() == reflect.Map || v.Kind() == reflect.Slice {
		d.problem(path, n.Line, "write "+wanted(v.Type()), "is a single value")
		return
	}
	if err := setText(v, n.Value); err != nil {
		d.unread[path] = true
		d.problem(path, n.Line, err.Error(), "%s", badValue(v, n.Value))
	}
}

// badValue says that a text cannot be read, without showing a secret.
func badValue(v reflect.Value, text string) string {
	switch v.Interface().(type) {
	case Secret, Token:
		return "the value cannot be read"
	}
	return quote(text) + " cannot be read"
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, path string) {
	if v.Kind() != reflect.Slice {
		d.problem(path, n.Line, "write "+wanted(v.Type()), "is a list")
		return
	}
	list := reflect.MakeSlice(v.Type(), 0, min(len(n.Content), 64))
	for i, item := range n.Content {
		elem := newElem(v.Type().Elem())
		d.value(item, elem, fmt.Sprintf("%s[%d]", path, i))
		list = reflect.Append(list, elem)
		if d.nodes > maxNodes {
			return
		}
	}
	v.Set(list)
}

// newElem is an element with its defaults.
func newElem(t reflect.Type) reflect.Value {
	elem := reflect.New(t).Elem()
	if hasKeys(t) {
		setDefaults(elem)
	}
	return elem
}

// wanted says in words what a type is written as.
func wanted(t reflect.Type) string {
	switch {
	case t.Kind() == reflect.Slice:
		return "a list: [a, b], or one `- a` a line"
	case t.Kind() == reflect.Map || hasKeys(t) && !isText(t):
		return "its settings below it, indented"
	default:
		return "a single value"
	}
}

// keys walks a mapping and reports duplicate keys and merges.
func (d *decoder) keys(n *yaml.Node, path string, each func(key, value *yaml.Node)) {
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content) && d.nodes <= maxNodes; i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode {
			d.problem(path, k.Line, "write `key: value`", "a key is not a text")
			continue
		}
		key := join(path, k.Value)
		if k.Tag == "!!merge" {
			d.problem(key, k.Line, "write the settings out", "YAML merges are not supported")
			continue
		}
		if first, dup := seen[k.Value]; dup {
			d.problem(key, k.Line, "keep one of them", "is already set in line %d", first)
			continue
		}
		seen[k.Value] = k.Line
		each(k, n.Content[i+1])
	}
}

func (d *decoder) section(n *yaml.Node, v reflect.Value, path string) {
	t := v.Type()
	byKey := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		byKey[t.Field(i).Tag.Get("yaml")] = i
	}
	d.keys(n, path, func(key, value *yaml.Node) {
		i, ok := byKey[key.Value]
		if !ok {
			fix := ""
			if len(d.problems) < mostProblems { // further ones are only counted
				fix = suggestKey(t, path, key.Value)
			}
			d.problem(join(path, key.Value), key.Line, fix, "is not a known key")
			return
		}
		d.value(value, v.Field(i), join(path, key.Value))
	})
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	m := reflect.MakeMap(v.Type())
	d.keys(n, path, func(key, value *yaml.Node) {
		elem := newElem(v.Type().Elem())
		d.value(value, elem, join(path, key.Value))
		m.SetMapIndex(reflect.ValueOf(key.Value), elem)
	})
	v.Set(m)
}

// suggestKey says what was probably meant by a key that a section does not have.
func suggestKey(section reflect.Type, path, key string) string {
	var here []string
	for i := range section.NumField() {
		here = append(here, section.Field(i).Tag.Get("yaml"))
	}
	if hint := foreignHint(join(path, key)); hint != "" {
		return hint
	}
	if near := nearest(key, here); near != "" {
		return fmt.Sprintf("did you mean %s?", join(path, near))
	}
	for _, f := range Fields() {
		if f.Path == key || strings.HasSuffix(f.Path, "."+key) {
			return fmt.Sprintf("did you mean %s?", f.Path)
		}
	}
	return "known here: " + strings.Join(here, ", ")
}
