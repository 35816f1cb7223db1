package ctlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// served is the body of an answer of a test log with 256 entries.
func served(tb testing.TB, o testlog.Options, path string) []byte {
	tb.Helper()
	l := testlog.New(o)
	l.Append(sharedPool()[:256]...)
	l.Publish()
	resp, err := (&http.Client{Transport: testlog.Transport(l)}).Get(l.URL() + path)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		tb.Fatalf("%s: HTTP %d, error %v", path, resp.StatusCode, err)
	}
	return body
}

func bufferOf(body []byte) *buffer {
	buf := newBuffer()
	buf.grow(len(body))
	buf.b = append(buf.b, body...)
	return buf
}

const perAnswer = 256

// reportPerEntry turns the time of an answer into that of an entry.
func reportPerEntry(b *testing.B) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/perAnswer, "ns/entry")
}

// BenchmarkGetEntries decodes an answer of 256 entries; the copy of the body is part of it, as the scanner works in place.
func BenchmarkGetEntries(b *testing.B) {
	body := served(b, testlog.Options{}, "ct/v1/get-entries?start=0&end=255")
	b.Run("scanner and leaf hashes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m := newBatch()
			m.body = bufferOf(body)
			if err := m.decodeEntries(m.body.b, 0, perAnswer); err != nil {
				b.Fatal(err)
			}
			m.Release()
		}
		reportPerEntry(b)
	})
	b.Run("scanner", func(b *testing.B) {
		b.ReportAllocs()
		work := bytes.Clone(body)
		for b.Loop() {
			copy(work, body)
			if err := scanEntries(work, perAnswer, func(span, span) {}); err != nil {
				b.Fatal(err)
			}
		}
		reportPerEntry(b)
	})
	b.Run("encoding json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var a struct {
				Entries []struct {
					LeafInput []byte `json:"leaf_input"`
					ExtraData []byte `json:"extra_data"`
				}
			}
			if err := json.Unmarshal(body, &a); err != nil {
				b.Fatal(err)
			}
		}
		reportPerEntry(b)
	})
}

func BenchmarkDataTile(b *testing.B) {
	packed := served(b, testlog.Options{Static: true}, "tile/data/000")
	plain, err := inflate(packed, defaultMaxBody)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("walk and leaf hashes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m := newBatch()
			if err := m.decodeTile(plain, 0, tileWidth, false); err != nil {
				b.Fatal(err)
			}
			m.body = newBuffer()
			m.Release()
		}
		reportPerEntry(b)
	})
	b.Run("gunzip", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			buf, err := inflate(packed, defaultMaxBody)
			if err != nil {
				b.Fatal(err)
			}
			buf.free()
		}
		reportPerEntry(b)
	})
}

// BenchmarkFrontier sets the cost of an append beside that of the hashes it cannot do without: one leaf of 1,356 bytes and, on
// average, one node.
func BenchmarkFrontier(b *testing.B) {
	leaf := make([]byte, 1357)
	b.Run("append and leaf hash", func(b *testing.B) {
		b.ReportAllocs()
		var f Frontier
		for b.Loop() {
			f.Append(sha256.Sum256(leaf))
		}
	})
	b.Run("hashes alone", func(b *testing.B) {
		b.ReportAllocs()
		var node [65]byte
		for b.Loop() {
			h := sha256.Sum256(leaf)
			copy(node[1:], h[:])
			h = sha256.Sum256(node[:])
		}
	})
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		var f Frontier
		for b.Loop() {
			f.Append(Hash{1})
		}
	})
}

// BenchmarkRead reads answers of 256 entries over loopback and verifies them; the server's share of the CPU is in it.
func BenchmarkRead(b *testing.B) {
	for _, o := range []testlog.Options{{Name: "rfc6962"}, {Name: "static", Static: true}} {
		b.Run(o.Name, func(b *testing.B) {
			l := testlog.New(o)
			for range 8 {
				l.Append(sharedPool()[:perAnswer]...)
			}
			l.Publish()
			s, err := testlog.Serve("127.0.0.1:0", nil, l)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(s.Close)
			log := open(b, l, func(o *Options) { o.PageHint = perAnswer })
			head, err := log.Head(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			var f Frontier
			for b.Loop() {
				at := f.Size % head.Size
				batch, err := log.Entries(b.Context(), head, at, at+perAnswer)
				if err != nil {
					b.Fatal(err)
				}
				for i := range batch.Entries {
					f.Append(batch.Entries[i].LeafHash)
				}
				batch.Release()
			}
			reportPerEntry(b)
		})
	}
}
