package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Check says what is wrong with the values: those out of bounds, and those that do not go together. Line is 0 in all.
func (c *Config) Check() []Problem {
	k := &checker{c: c}
	k.bounds(reflect.ValueOf(c).Elem(), "")
	k.listeners()
	k.tls()
	k.addresses()
	k.auth()
	k.logs()
	k.customLogs()
	k.following()
	k.retention()
	return k.problems
}

type checker struct {
	c        *Config
	problems []Problem
}

func (k *checker) problem(key, fix, format string, args ...any) {
	k.problems = append(k.problems, Problem{Key: key, Message: fmt.Sprintf(format, args...), Fix: fix})
}

// bounds holds every value against its field's tags.
func (k *checker) bounds(section reflect.Value, path string) {
	for i := range section.NumField() {
		sf, v := section.Type().Field(i), section.Field(i)
		key := join(path, sf.Tag.Get("yaml"))
		switch {
		case isSection(sf.Type):
			k.bounds(v, key)
		case v.Kind() == reflect.Slice && hasKeys(sf.Type.Elem()):
			for j := range v.Len() {
				k.bounds(v.Index(j), fmt.Sprintf("%s[%d]", key, j))
			}
		case v.Kind() == reflect.Map:
			for _, name := range sortedKeys(v) {
				k.bounds(v.MapIndex(reflect.ValueOf(name)), join(key, name))
			}
		default:
			k.leaf(sf.Tag, v, key)
		}
	}
}

func sortedKeys(m reflect.Value) []string {
	var names []string
	for _, key := range m.MapKeys() {
		names = append(names, key.String())
	}
	slices.Sort(names)
	return names
}

func (k *checker) leaf(tag reflect.StructTag, v reflect.Value, key string) {
	if enum := tag.Get("enum"); enum != "" {
		k.enum(strings.Split(enum, ","), v, key)
	}
	least, most := tag.Get("min"), tag.Get("max")
	switch {
	case least != "" && number(v) < bound(v.Type(), least):
		k.problem(key, fmt.Sprintf("want at least %s", least), "%s is too small", textOf(v))
	case most != "" && number(v) > bound(v.Type(), most):
		k.problem(key, fmt.Sprintf("want at most %s", most), "%s is too large", textOf(v))
	}
}

func (k *checker) enum(allowed []string, v reflect.Value, key string) {
	values := []string{}
	if v.Kind() == reflect.Slice {
		for i := range v.Len() {
			values = append(values, v.Index(i).String())
		}
	} else {
		values = append(values, v.String())
	}
	for _, s := range values {
		if slices.Contains(allowed, s) {
			continue
		}
		fix := "want " + orList(allowed)
		if near := nearest(s, allowed); near != "" {
			fix = fmt.Sprintf("did you mean %s? (%s)", near, orList(allowed))
		}
		k.problem(key, fix, "%s is not one of its values", quote(s))
	}
}

// orList joins words: `a, b or c`.
func orList(words []string) string {
	last := len(words) - 1
	if last == 0 {
		return words[0]
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// number is a value with bounds as a float.
func number(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// bound is a tag's bound in the unit of the field's type.
func bound(t reflect.Type, text string) float64 {
	v := reflect.New(t).Elem()
	_ = setText(v, text)
	return number(v)
}

// textOf is a leaf's text form.
func textOf(v reflect.Value) string {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprint(v.Interface())
}
