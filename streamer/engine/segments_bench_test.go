package engine

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

// benchEntries are real certificates where there are any, with chains of a few issuers.
func benchEntries(b *testing.B, name string) []Entry {
	b.Helper()
	sets := certtest.Shared(b)
	if len(sets) == 0 {
		sets = certtest.Generated(b)
	}
	var list []Entry
	for _, set := range sets {
		if len(sets) > 1 && set.Name != name {
			continue
		}
		log := &Source{Name: "A log of 2026", Operator: "Operator", URL: "https://ct.example/2026", Protocol: Tiled}
		for i, der := range set.Certificates {
			chain := []Fingerprint{{byte(i % 20), 1}, {byte(i % 5), 2}}
			now := uint64(time.Now().UnixMilli())
			list = append(list, Entry{Source: log, Index: uint64(1e9 + i), Timestamp: now - uint64(i%5000), Seen: int64(now), DER: der, Chain: chain})
		}
	}
	return list
}

func benchSegments(b *testing.B) (*Window, *Segments) {
	b.Helper()
	w := NewWindow(WindowOptions{MaxBytes: 4 << 20, Numbering: Numbering{Epoch: "e1"}})
	s, err := NewSegments(SegmentOptions{Dir: b.TempDir(), Limits: SegmentLimits{MaxBytes: plenty}, Window: w,
		Issuers: NewIssuers(1<<20, upper), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return w, s
}

// BenchmarkSegments measures, per entry, what keeping and reading it costs, and what it takes on disk.
func BenchmarkSegments(b *testing.B) {
	for _, name := range []string{"navigli2025h2", "leafs-real-2019.tsv.gz"} {
		entries := benchEntries(b, name)
		total := 0
		for i := range entries {
			total += len(entries[i].DER)
		}
		fill := func(b *testing.B, w *Window, s *Segments, n int) {
			for done := 0; done < n; {
				batch := entries[:min(100, len(entries))]
				if at := done % len(entries); at+100 <= len(entries) {
					batch = entries[at : at+100]
				}
				last, _, err := w.Append(context.Background(), batch)
				if err != nil {
					b.Fatal(err)
				}
				w.Consumed(last)
				for s.turn(time.Now()) {
				}
				done += len(batch)
			}
		}
		b.Run("write/"+name, func(b *testing.B) {
			w, s := benchSegments(b)
			b.SetBytes(int64(total / len(entries)))
			b.ReportAllocs()
			fill(b, w, s, b.N)
			if kept := s.Stats(); kept.Entries > 0 {
				b.ReportMetric(float64(kept.Bytes)/float64(kept.Entries), "B_on_disk/op")
			}
		})
		b.Run("read/"+name, func(b *testing.B) {
			w, s := benchSegments(b)
			fill(b, w, s, 20_000)
			buf := make([]Entry, 128)
			b.SetBytes(int64(total / len(entries)))
			b.ReportAllocs()
			b.ResetTimer()
			for done, after := 0, uint64(0); done < b.N; {
				n, upTo, err := s.read(after, buf)
				if err != nil {
					b.Fatal(err)
				}
				if after = upTo; n == 0 {
					after = 0
				}
				done += n
			}
		})
	}
}
