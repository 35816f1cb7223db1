package build

import (
	"testing"

	"github.com/certstream-operator/certstream-operator/controllers/internal/specs"
)

// BenchmarkReconcile is what the builders take of a reconcile; BenchmarkParseRules is what they take once, at the start.
func BenchmarkReconcile(b *testing.B) {
	builder, err := NewBuilder(defaults())
	if err != nil {
		b.Fatal(err)
	}
	cs := specs.Default(b, "spec: {}")
	b.ReportAllocs()
	for b.Loop() {
		s, err := builder.Stream(cs, nil)
		if err != nil || len(Objects(s)) == 0 {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseRules(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRules(); err != nil {
			b.Fatal(err)
		}
	}
}
