package main

import (
	"fmt"
	"go/ast"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// field is a row of a table.
type field struct {
	comment
	path, kind string
	// of is the struct that the field holds, empty where it is none of ours.
	of string
}

// reference is the generated part of the page: a section per field of the spec that has fields of its own, and one for the status.
func (a api) reference() (string, error) {
	top, err := a.fields("CertStreamSpec", comment{})
	if err != nil {
		return "", err
	}
	var page strings.Builder
	page.WriteString("## Fields of the spec\n\n")
	writeTable(&page, top, true)
	writeRules(&page, slices.Concat(a["CertStream"].rules, a["CertStreamSpec"].rules))
	for _, f := range top {
		if f.of == "" {
			continue
		}
		if err := a.section(&page, "spec."+f.path, f); err != nil {
			return "", err
		}
	}
	status, err := a.flatten("CertStreamStatus", "", comment{})
	if err != nil {
		return "", err
	}
	page.WriteString("## Fields of the status\n\n")
	writeTable(&page, status, false)
	return strings.TrimSpace(page.String()) + "\n", nil
}

func (a api) section(page *strings.Builder, path string, f field) error {
	inner, err := a.flatten(f.of, "", f.comment)
	if err != nil {
		return err
	}
	fmt.Fprintf(page, "### `%s`\n\n`%s`%s\n\n", path, path, strings.TrimPrefix(a[f.of].text, f.of))
	writeTable(page, inner, true)
	writeRules(page, slices.Concat(a[f.of].rules, rulesOf(inner)))
	return nil
}

// flatten lists the fields of a struct and of the structs in it, each with its path.
func (a api) flatten(name, path string, parent comment) (all []field, err error) {
	direct, err := a.fields(name, parent)
	if err != nil {
		return nil, err
	}
	for _, f := range direct {
		f.path = path + f.path
		all = append(all, f)
		if f.of == "" {
			continue
		}
		step := "."
		if strings.HasPrefix(f.kind, "list") {
			step = "[]."
		}
		inner, err := a.flatten(f.of, f.path+step, f.comment)
		if err != nil {
			return nil, err
		}
		all = append(all, inner...)
	}
	return all, nil
}

// fields are those of one struct. A class that a field does not state is its parent's.
func (a api) fields(name string, parent comment) (all []field, err error) {
	s, ok := a[name].expr.(*ast.StructType)
	if !ok {
		return nil, fmt.Errorf("%s is no struct of this package", name)
	}
	for _, f := range s.Fields.List {
		key, err := jsonName(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		c, err := readComment(f.Doc)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, key, err)
		}
		kind, of := a.kind(f.Type)
		of = a.fill(&c, of)
		if c.class == "" {
			c.class = parent.class
		}
		all = append(all, field{comment: c, path: key, kind: kind, of: of})
	}
	return all, nil
}

// fill adds to a field's comment what that of its type says, and returns the type if it is a struct.
func (a api) fill(c *comment, of string) string {
	t := a[of]
	if c.allowed == "" {
		c.allowed = t.allowed
	}
	if c.class == "" {
		c.class = t.class
	}
	if _, is := t.expr.(*ast.StructType); !is {
		return ""
	}
	c.rules = append(c.rules, t.rules...)
	return of
}

func jsonName(f *ast.Field) (string, error) {
	if f.Tag == nil {
		return "", fmt.Errorf("the field %s has no tag", f.Names)
	}
	tag, err := strconv.Unquote(f.Tag.Value)
	name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	return name, err
}

// kind says what a type is, in the words of a schema, and which type of this package it is made of.
func (a api) kind(expr ast.Expr) (kind, of string) {
	switch t := expr.(type) {
	case *ast.StarExpr:
		return a.kind(t.X)
	case *ast.ArrayType:
		kind, of = a.kind(t.Elt)
		return "list of " + plural(kind), of
	case *ast.MapType:
		kind, _ = a.kind(t.Value)
		return "map of " + plural(kind), ""
	case *ast.SelectorExpr:
		return foreign(t.Sel.Name), ""
	case *ast.Ident:
		return a.own(t.Name)
	}
	return "object", ""
}

func (a api) own(name string) (kind, of string) {
	t, ours := a[name]
	if !ours {
		return basic(name), ""
	}
	if _, is := t.expr.(*ast.StructType); is {
		return "object", name
	}
	return "string", name
}

func basic(name string) string {
	switch name {
	case "bool":
		return "boolean"
	case "int32", "int64":
		return "integer"
	}
	return name
}

// foreign says what a type of Kubernetes' own packages is: a plain value, or an object of that name.
func foreign(name string) string {
	switch name {
	case "Duration", "Quantity", "Time":
		return strings.ToLower(name)
	case "ServiceType", "ServiceExternalTrafficPolicy", "PullPolicy", "PersistentVolumeAccessMode", "PersistentVolumeClaimPhase":
		return "string"
	}
	return name
}

func plural(kind string) string {
	if strings.ToLower(kind) != kind { // the name of a type
		return kind
	}
	return kind + "s"
}

func rulesOf(fields []field) (rules []string) {
	for _, f := range fields {
		rules = append(rules, f.rules...)
	}
	return rules
}

func writeTable(page *strings.Builder, fields []field, classes bool) {
	header, line := "| field | type |", "|---|---|"
	if classes {
		header, line = header+" default | change |", line+"---|---|"
	}
	fmt.Fprintf(page, "%s what it is |\n%s---|\n", header, line)
	for _, f := range fields {
		fmt.Fprintf(page, "| `%s` | %s |", f.path, f.kind)
		if classes {
			fmt.Fprintf(page, " %s | %s |", f.standard(), f.class)
		}
		fmt.Fprintf(page, " %s |\n", f.explained())
	}
	page.WriteString("\n")
}

// standard is the default as the table shows it. That of an object is what its fields' defaults make.
func (f field) standard() string {
	switch {
	case f.required:
		return "required"
	case f.defaultValue == "" || f.defaultValue == "{}":
		return ""
	}
	return "`" + f.defaultValue + "`"
}

// explained is the text, and what the schema allows.
func (f field) explained() string {
	text := strings.ReplaceAll(f.text, "|", `\|`)
	if f.allowed != "" {
		text += " *" + strings.ToUpper(f.allowed[:1]) + f.allowed[1:] + ".*"
	}
	return text
}

func writeRules(page *strings.Builder, rules []string) {
	if len(rules) == 0 {
		return
	}
	page.WriteString("What is refused, and what is said then:\n\n")
	var seen []string
	for _, r := range rules {
		if slices.Contains(seen, r) {
			continue
		}
		seen = append(seen, r)
		fmt.Fprintf(page, "- %s\n", strings.ReplaceAll(r, "<", "&lt;"))
	}
	page.WriteString("\n")
}
