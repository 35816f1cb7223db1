package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Class says what a changed setting needs.
type Class string

// The classes of settings.
const (
	Live    Class = "live"    // applied while running
	Restart Class = "restart" // applied at the next start
)

// Field describes one setting.
type Field struct {
	// Path is its key with those of its sections: `rate_limit.per_second`. Owner and Name say where it stands in the source.
	Path, Owner, Name string
	// Env are the variables that set it, the documented one first; none for lists of mappings, and mappings.
	Env []string
	// Default, Min and Max are in text form; Enum are the values allowed, empty for any.
	Default, Min, Max string
	Enum              []string
	// Class says what a change needs.
	Class Class
	// Gone says why it has no effect; empty for nearly all.
	Gone string
	// Type is its Go type.
	Type reflect.Type
	// Elem describes the elements of lists of mappings, and of mappings; their paths begin at the element.
	Elem []Field

	index []int
}

// Fields are all settings, in the order of the struct.
func Fields() []Field { return fieldsOf(reflect.TypeFor[Config](), Field{}) }

// fieldsOf lists the settings below a section.
func fieldsOf(t reflect.Type, section Field) []Field {
	var all []Field
	for i := range t.NumField() {
		sf := t.Field(i)
		f := newField(t, sf, section)
		f.index = append(append([]int(nil), section.index...), i)
		if isSection(sf.Type) {
			all = append(all, fieldsOf(sf.Type, f)...)
			continue
		}
		if elem := sectionElem(sf.Type); elem != nil {
			f.Elem = fieldsOf(elem, Field{Class: f.Class})
			for j := range f.Elem {
				f.Elem[j].Env = nil
			}
			if !isText(elem) {
				f.Env = nil
			}
		}
		all = append(all, f)
	}
	return all
}

func newField(owner reflect.Type, sf reflect.StructField, section Field) Field {
	f := Field{
		Path: join(section.Path, sf.Tag.Get("yaml")), Owner: owner.Name(), Name: sf.Name, Type: sf.Type, Class: section.Class,
		Default: sf.Tag.Get("default"), Min: sf.Tag.Get("min"), Max: sf.Tag.Get("max"),
		Gone: sf.Tag.Get("gone"),
	}
	if class := sf.Tag.Get("class"); class != "" {
		f.Class = Class(class)
	}
	if enum := sf.Tag.Get("enum"); enum != "" {
		f.Enum = strings.Split(enum, ",")
	}
	names := sf.Tag.Get("env")
	if names == "" {
		names = strings.ToUpper(strings.ReplaceAll(f.Path, ".", "_"))
	}
	for name := range strings.SplitSeq(names, ",") {
		if whole, ok := strings.CutPrefix(name, "="); ok {
			f.Env = append(f.Env, whole)
		} else {
			f.Env = append(f.Env, envPrefix+name)
		}
	}
	return f
}

func join(section, key string) string {
	if section == "" {
		return key
	}
	return section + "." + key
}

// isSection says whether a type is a mapping of settings with keys of their own.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() > 0 && t.Field(0).Tag.Get("yaml") != "" && !isText(t)
}

// sectionElem is the element type of a list or mapping of mappings, else nil.
func sectionElem(t reflect.Type) reflect.Type {
	if (t.Kind() == reflect.Slice || t.Kind() == reflect.Map) && hasKeys(t.Elem()) {
		return t.Elem()
	}
	return nil
}

// hasKeys says whether a mapping can be decoded into the type: sections, and Token, which a text can also stand for.
func hasKeys(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.NumField() > 0 && t.Field(0).Tag.Get("yaml") != ""
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// Default is the configuration of a streamer to which nobody has said anything.
func Default() *Config {
	c := new(Config)
	setDefaults(reflect.ValueOf(c).Elem())
	return c
}

// setDefaults fills a section. Its tags are constants of this package; a test holds them to be readable.
func setDefaults(v reflect.Value) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if isSection(sf.Type) {
			setDefaults(v.Field(i))
		} else if text := sf.Tag.Get("default"); text != "" {
			_ = setText(v.Field(i), text)
		}
	}
}

// setText sets a leaf from its text form; lists are separated by commas. Its errors say what is wanted.
func setText(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		return setBool(v, text)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return errors.New("want a whole number")
		}
		v.SetInt(n)
		return nil
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
			return errors.New("want a number")
		}
		v.SetFloat(n)
		return nil
	case reflect.Slice:
		return setList(v, text)
	default:
		return fmt.Errorf("cannot be set from a text of type %s", v.Type())
	}
}

func setBool(v reflect.Value, text string) error {
	switch strings.ToLower(text) {
	case "true", "yes", "on", "1":
		v.SetBool(true)
	case "false", "no", "off", "0":
		v.SetBool(false)
	default:
		return errors.New("want true or false")
	}
	return nil
}

func setList(v reflect.Value, text string) error {
	list := reflect.MakeSlice(v.Type(), 0, 1)
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		elem := reflect.New(v.Type().Elem()).Elem()
		if err := setText(elem, part); err != nil {
			return err
		}
		list = reflect.Append(list, elem)
	}
	v.Set(list)
	return nil
}
