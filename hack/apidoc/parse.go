package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// api holds the types of a package by name.
type api map[string]typeDecl

// typeDecl is a type and what its comment says.
type typeDecl struct {
	comment
	expr ast.Expr
}

// comment is a doc comment, taken apart.
type comment struct {
	text string
	// class is "live", "restart" or another word for what a change does; empty where the comment does not say.
	class string
	// defaultValue is what the schema fills in, allowed the bounds that it checks, in words.
	defaultValue, allowed string
	required              bool
	// rules are the messages of CEL rules.
	rules []string
}

// parse reads the types in a directory.
func parse(dir string) (api, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_types.go"))
	if err != nil {
		return nil, err
	}
	types, set := api{}, token.NewFileSet()
	for _, file := range files {
		f, err := parser.ParseFile(set, file, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, decl := range f.Decls {
			if err := types.add(decl); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return types, nil
}

func (a api) add(decl ast.Decl) error {
	general, ok := decl.(*ast.GenDecl)
	if !ok || general.Tok != token.TYPE {
		return nil
	}
	for _, s := range general.Specs {
		spec := s.(*ast.TypeSpec)
		c, err := readComment(general.Doc)
		if err != nil {
			return fmt.Errorf("%s: %w", spec.Name.Name, err)
		}
		a[spec.Name.Name] = typeDecl{comment: c, expr: spec.Type}
	}
	return nil
}

// readComment takes a doc comment apart: words first, markers after them.
func readComment(doc *ast.CommentGroup) (c comment, err error) {
	var words []string
	limits := map[string]string{}
	for line := range strings.Lines(doc.Text()) {
		line = strings.TrimSpace(line)
		marker, is := strings.CutPrefix(line, "+")
		if !is {
			words = append(words, line)
			continue
		}
		if err := c.marker(marker, limits); err != nil {
			return c, err
		}
	}
	c.text = strings.TrimSpace(strings.Join(words, " "))
	c.takeClass()
	if c.allowed == "" {
		c.allowed = span(limits["Minimum"], limits["Maximum"])
	}
	return c, nil
}

// marker reads one marker of controller-gen.
func (c *comment) marker(marker string, limits map[string]string) error {
	name, value, _ := strings.Cut(marker, "=")
	switch name = strings.TrimPrefix(name, "kubebuilder:"); name {
	case "required":
		c.required = true
	case "default":
		c.defaultValue = strings.Trim(value, `"`)
	case "validation:Enum":
		c.allowed = "one of `" + strings.ReplaceAll(value, ";", "`, `") + "`"
	case "validation:Minimum", "validation:Maximum":
		limits[strings.TrimPrefix(name, "validation:")] = value
	case "validation:XValidation:rule", "validation:items:XValidation:rule":
		return c.rule(value)
	}
	return nil
}

var message = regexp.MustCompile(`message=("(?:[^"\\]|\\.)*")$`)

func (c *comment) rule(marker string) error {
	found := message.FindStringSubmatch(marker)
	if found == nil {
		return fmt.Errorf("a rule without a message: %s", marker)
	}
	text, err := strconv.Unquote(found[1])
	c.rules = append(c.rules, text)
	return err
}

// takeClass takes the class of a field off the end of its text.
func (c *comment) takeClass() {
	for _, word := range []string{"Live", "Restart"} {
		if text, is := strings.CutSuffix(c.text, " "+word+"."); is {
			c.text, c.class = text, strings.ToLower(word)
			return
		}
		if sentence := " " + word + "; "; strings.Contains(c.text, sentence) {
			c.class = strings.ToLower(word)
		}
	}
	switch {
	case strings.Contains(c.text, "Every part of it is live"):
		c.class = "live"
	case strings.Contains(c.text, "is of class restart"):
		c.class = "live, restart"
	case strings.Contains(c.text, "cannot be changed"):
		c.class = "never"
	}
}

func span(least, most string) string {
	switch {
	case least != "" && most != "":
		return least + " to " + most
	case least != "":
		return "at least " + least
	case most != "":
		return "at most " + most
	}
	return ""
}
