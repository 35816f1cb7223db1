package config

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestRender holds that only what differs from the defaults is written, in the struct's order, whatever looks like YAML quoted.
func TestRender(t *testing.T) {
	c := Default()
	if out, err := Render(c); err != nil || string(out) != "{}\n" {
		t.Errorf("the defaults: %s, %v", out, err)
	}
	c.Protocols.TCP = true
	c.Host = "::1"
	c.RateLimit.PerSecond = 2.5
	c.Auth.Tokens = []Token{{Token: "yes"}, {Name: "null", Token: "1e3"}}
	c.Logs.States = []string{}
	c.CTLog.Operators = map[string]Operator{"b": {}, "a: b": {HTTP1: true}}
	c.LogList.Key = "-----BEGIN PUBLIC KEY-----\nx\n"
	want := `host: ::1
log_list:
  key: |
    -----BEGIN PUBLIC KEY-----
    x
logs:
  states: []
ct_log:
  operators:
    'a: b':
      http1: true
    b: {}
protocols:
  tcp: true
rate_limit:
  per_second: 2.5
auth:
  tokens:
    - "yes"
    - name: "null"
      token: "1e3"
`
	out, err := Render(c)
	if err != nil || string(out) != want {
		t.Errorf("error %v, %s", err, cmp.Diff(want, string(out)))
	}
}

// TestRenderedIsRead holds that any configuration survives rendering and reading.
func TestRenderedIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Default()
		for _, f := range rapid.SliceOfN(rapid.SampledFrom(Fields()), 0, 12).Draw(t, "fields") {
			drawValue(t, f.of(c))
		}
		out, err := Render(c)
		if err != nil {
			t.Fatal(err)
		}
		again, d := Default(), newDecoder()
		d.file(out, again)
		if len(d.problems) > 0 || !equivalent(c, again) {
			t.Fatalf("%v\n%s\n%s", d.problems, out, cmp.Diff(c, again))
		}
	})
}

// drawValue sets a leaf to anything its type can hold.
func drawValue(t *rapid.T, v reflect.Value) {
	texts := rapid.OneOf(
		rapid.SampledFrom([]string{"", "yes", "null", "~", "1e3", "0x1", "a: b", "- a", "# x", "&a", "<<", "a\nb", " a ", "é", "'", `"`,
			"\ttab", "\t\n", "a\n\tb", "\n a", "a \n"}),
		rapid.StringMatching(`[ -~]{0,20}`),
	)
	switch x := v.Addr().Interface().(type) {
	case *Time, *Start:
		_ = setText(v, rapid.SampledFrom([]string{"2026-07-01", "2026-07-01T12:00:00.25Z"}).Draw(t, "time"))
		return
	case *LogLevel:
		*x = "debug"
		return
	case *Bytes:
		*x = Bytes(rapid.Int64Range(0, 1<<50).Draw(t, "bytes"))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts.Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "int"))
	case reflect.Float64:
		v.SetFloat(rapid.Float64Range(-1e300, 1e300).Draw(t, "float"))
	case reflect.Slice:
		for range rapid.IntRange(0, 3).Draw(t, "length") {
			elem := newElem(v.Type().Elem())
			drawElem(t, elem)
			v.Set(reflect.Append(v, elem))
		}
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		for _, name := range rapid.SliceOfNDistinct(texts, 0, 3, rapid.ID).Draw(t, "names") {
			elem := newElem(v.Type().Elem())
			drawElem(t, elem)
			m.SetMapIndex(reflect.ValueOf(name), elem)
		}
		v.Set(m)
	}
}

// drawElem fills all fields of a mapping, or one text.
func drawElem(t *rapid.T, v reflect.Value) {
	if !hasKeys(v.Type()) {
		drawValue(t, v)
		return
	}
	for i := range v.NumField() {
		drawValue(t, v.Field(i))
	}
}
