package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/sets"
)

// value is one value of a chart: where it is, what it is unless set, and what its comment says.
type value struct {
	path        string
	standard    string
	description string
}

// readValues reads a values.yaml. Each value must have a comment; a mapping whose own values have comments is a group.
func readValues(file string) ([]value, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, err
	}
	var values []value
	var undocumented []error
	var walk func(prefix string, mapping *yaml.Node)
	walk = func(prefix string, mapping *yaml.Node) {
		for i := 0; i < len(mapping.Content); i += 2 {
			key, node := mapping.Content[i], mapping.Content[i+1]
			path := prefix + key.Value
			if isGroup(node) {
				walk(path+".", node)
				continue
			}
			v := value{path: path, standard: standard(node), description: comment(key.HeadComment)}
			if v.description == "" {
				undocumented = append(undocumented, fmt.Errorf("%s: the value %s has no comment", file, path))
			}
			values = append(values, v)
		}
	}
	walk("", document.Content[0])
	return values, errors.Join(undocumented...)
}

// isGroup tells whether a node is a mapping of documented values, rather than a value that happens to be a mapping.
func isGroup(node *yaml.Node) bool {
	return node.Kind == yaml.MappingNode && len(node.Content) > 0 &&
		(node.Content[0].HeadComment != "" || isGroup(node.Content[1]))
}

// comment is the text of a comment's last paragraph: what stands before an empty line belongs to what is above.
func comment(head string) string {
	paragraphs := strings.Split(head, "\n\n")
	var lines []string
	for line := range strings.Lines(paragraphs[len(paragraphs)-1]) {
		lines = append(lines, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#")))
	}
	return strings.Join(lines, " ")
}

// standard is what a value is unless set, on one line of JSON.
func standard(node *yaml.Node) string {
	var v any
	if err := node.Decode(&v); err != nil {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// The part of a README between these lines is generated.
const (
	readmeBegin = "<!-- values: generated from values.yaml by make generate -->\n"
	readmeEnd   = "<!-- end of values -->\n"
)

// writeReadme replaces the table of values in a chart's README.
func writeReadme(chart string, values []value) error {
	file := filepath.Join(chart, "README.md")
	readme, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(readme, []byte(readmeBegin))
	_, after, closed := bytes.Cut(rest, []byte(readmeEnd))
	if !ok || !closed {
		return fmt.Errorf("%s has no lines %q and %q", file, readmeBegin, readmeEnd)
	}
	var out bytes.Buffer
	out.Write(before)
	out.WriteString(readmeBegin)
	out.WriteString("| value | default | what it does |\n|---|---|---|\n")
	for _, v := range values {
		cell := strings.NewReplacer("|", `\|`)
		fmt.Fprintf(&out, "| `%s` | `%s` | %s |\n", v.path, cell.Replace(v.standard), cell.Replace(v.description))
	}
	out.WriteString(readmeEnd)
	out.Write(after)
	return os.WriteFile(file, out.Bytes(), 0o644)
}

// writeValuesSchema writes a chart's values.schema.json from its values.schema.yaml.
func writeValuesSchema(chart, crd string, values []value) error {
	var schema map[string]any
	if err := readYAML(filepath.Join(chart, "values.schema.yaml"), &schema); err != nil {
		return err
	}
	definition, err := readCRD(crd)
	if err != nil {
		return err
	}
	stream, err := definition.schema(definition.Spec.Versions[0].Name)
	if err != nil {
		return err
	}
	if err := fill(schema, stream); err != nil {
		return err
	}
	visit(schema, closeObject)
	if err := describe(schema, values); err != nil {
		return err
	}
	return writeJSON(filepath.Join(chart, "values.schema.json"), schema)
}

// fill puts the CertStream's schema in place of `$crd: path`.
func fill(schema, stream map[string]any) error {
	var missing []error
	visit(schema, func(node map[string]any) {
		path, ok := node["$crd"].(string)
		if !ok {
			return
		}
		part := stream
		for name := range strings.SplitSeq(path, ".") {
			properties, _ := part["properties"].(map[string]any)
			if part, ok = properties[name].(map[string]any); !ok {
				missing = append(missing, fmt.Errorf("$crd: a CertStream has no field %s (of %s)", name, path))
				return
			}
		}
		delete(node, "$crd")
		for k, v := range part {
			// Default and description of a CertStream's field are not those of a chart's value of the same type.
			if k != "default" && k != "description" {
				node[k] = v
			}
		}
	})
	return errors.Join(missing...)
}

// describe puts the comments of values.yaml into the schema, for editors.
func describe(schema map[string]any, values []value) error {
	for _, v := range values {
		at := schema
		for name := range strings.SplitSeq(v.path, ".") {
			properties, _ := at["properties"].(map[string]any)
			next, ok := properties[name].(map[string]any)
			if !ok {
				return fmt.Errorf("values.schema.yaml lacks %s, which values.yaml has", v.path)
			}
			// An anchor of YAML makes one map of many: each place gets its own.
			copied := make(map[string]any, len(next)+1)
			for k, e := range next {
				copied[k] = e
			}
			properties[name] = copied
			at = copied
		}
		at["description"] = v.description
	}
	return undescribed(schema, "", sets.New[string]("global", "enabled"))
}

// undescribed finds what the schema admits and values.yaml does not show.
func undescribed(schema map[string]any, prefix string, except sets.Set[string]) error {
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		property, _ := p.(map[string]any)
		path := prefix + name
		if property["description"] != nil || except.Has(path) {
			continue
		}
		if _, group := property["properties"]; !group {
			return fmt.Errorf("values.yaml lacks %s, which values.schema.yaml has", path)
		}
		if err := undescribed(property, path+".", except); err != nil {
			return err
		}
	}
	return nil
}
