package engine

import (
	"context"
	"testing"
)

// BenchmarkAppend measures what numbering and keeping an entry of typical size costs, a reader keeping up.
func BenchmarkAppend(b *testing.B) {
	w := fresh(32 << 20)
	batch := make([]Entry, 256)
	for i := range batch {
		batch[i] = entry(uint64(i), 1500)
		batch[i].Chain = []Fingerprint{{1}, {2}}
	}
	buf := make([]Entry, 256)
	b.SetBytes(1500)
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(batch) {
		if _, _, err := w.Append(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		n, _ := w.Read(w.Head()-256, buf)
		w.Consumed(buf[n-1].Offset)
	}
}

// BenchmarkIntern measures a chain of two known issuers, as every RFC 6962 entry brings.
func BenchmarkIntern(b *testing.B) {
	s := NewIssuers(1<<20, upper)
	one, two := entry(1, 1300).DER, entry(2, 1500).DER
	b.ReportAllocs()
	for range b.N {
		s.Intern(one)
		s.Intern(two)
	}
}
