package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"

	"github.com/certstream-operator/certstream-operator/streamer/config"
)

const intro = `# Configuration

<!-- Generated from streamer/config by "go generate ./streamer/config"; do not edit. -->

Every setting has a key in a YAML file, a default, and in most cases an environment variable. Variables beat the file, also
when the file is read again. An empty variable is as if not set; lists in variables are separated by commas. What Kubernetes
puts into the environment for Services (` + "`CERTSTREAM_PORT=tcp://…`" + `) is left alone.

The file is the first of: what ` + "`--config`" + ` names, what ` + "`CERTSTREAM_CONFIG`" + ` names, ` + "`./config.yaml`" + `, ` +
	"`./config.yml`" + `, ` + "`/etc/certstream/config.yaml`" + `. Having none is fine.

Unknown keys, keys given twice and values that make no sense are errors, all reported at once: ` + "`streamer validate`" + `.

*live*: a change of the file is applied while running. *restart*: it waits for the next start, and the log says so.

Durations are written as ` + "`500ms`, `10s`, `1h30m`" + `, memory as ` + "`4096`, `64KiB`, `32MiB`" + `; keys that end in ` +
	"`_ms` or `_secs`" + ` take whole numbers.

The keys and variables of certstream-server-rust 1.0.x are accepted with the same meaning, as are go-certstream's
` + "`WEBSOCKET_LISTEN` and `CUSTOM_LOG_LIST`" + `. ` + "`streamer config import FILE`" + ` translates files of other servers.
`

// Page is docs/configuration.md.
func Page(source string) ([]byte, error) {
	docs, err := comments(source)
	if err != nil {
		return nil, err
	}
	p := &page{docs: docs}
	p.out.WriteString(intro)
	p.sections(config.Fields())
	return p.out.Bytes(), nil
}

type page struct {
	out  bytes.Buffer
	docs map[string]string
}

// sections writes a table for each section.
func (p *page) sections(fields []config.Field) {
	const general = "General"
	order, bySection := []string{general}, map[string][]config.Field{}
	for _, f := range fields {
		section := general
		if i := strings.LastIndexByte(f.Path, '.'); i >= 0 {
			section = f.Path[:i]
		}
		if bySection[section] == nil && section != general {
			order = append(order, section)
		}
		bySection[section] = append(bySection[section], f)
	}
	for _, section := range order {
		title := "`" + section + "`"
		if section == general {
			title = section
		}
		p.table(title, bySection[section])
		for _, f := range bySection[section] {
			if f.Elem != nil {
				p.table("Each of `"+f.Path+"`", f.Elem)
			}
		}
	}
}

func (p *page) table(title string, fields []config.Field) {
	fmt.Fprintf(&p.out, "\n## %s\n\n", title)
	if doc := p.docs[fields[0].Owner]; doc != "" && fields[0].Owner != "Config" {
		_, text, _ := strings.Cut(doc, " ")
		fmt.Fprintf(&p.out, "%s%s\n\n", strings.ToUpper(text[:1]), text[1:])
	}
	p.out.WriteString("| key and variable | default | change | what it does |\n|---|---|---|---|\n")
	for _, f := range fields {
		key := f.Path[strings.LastIndexByte(f.Path, '.')+1:]
		fmt.Fprintf(&p.out, "| `%s`%s | %s | %s | %s%s |\n",
			key, variables(f.Env), code(f.Default), f.Class, escape(p.docs[f.Owner+"."+f.Name]), bounds(f))
	}
}

func variables(names []string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteString("<br>`" + n + "`")
	}
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func escape(text string) string { return strings.ReplaceAll(text, "|", "\\|") }

// bounds says which values are allowed.
func bounds(f config.Field) string {
	switch {
	case f.Gone != "":
		return " Instead: " + f.Gone + "."
	case len(f.Enum) > 0:
		return " *One of* `" + strings.Join(f.Enum, "`, `") + "`."
	case f.Min != "" && f.Max != "":
		return fmt.Sprintf(" *From* `%s` *to* `%s`.", f.Min, f.Max)
	case f.Min != "":
		return fmt.Sprintf(" *At least* `%s`.", f.Min)
	}
	return ""
}

// comments are those of the types (`RateLimit`) and fields (`RateLimit.PerSecond`) of a source file, each in one line.
func comments(source string) (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("reading the comments: %w", err)
	}
	docs := make(map[string]string)
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		for _, spec := range gen.Specs {
			t := spec.(*ast.TypeSpec) // a declaration of types holds nothing else
			docs[t.Name.Name] = oneLine(gen.Doc)
			if s, ok := t.Type.(*ast.StructType); ok {
				fieldComments(docs, t.Name.Name, s)
			}
		}
	}
	return docs, nil
}

func fieldComments(docs map[string]string, owner string, s *ast.StructType) {
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			docs[owner+"."+name.Name] = oneLine(f.Doc)
		}
	}
}

func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
