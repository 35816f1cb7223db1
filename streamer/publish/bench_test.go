package publish

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// BenchmarkDedup is what an entry costs the publisher, all told, without and with deduplication: where all are different, and
// where each certificate comes twice.
func BenchmarkDedup(b *testing.B) {
	for copies := 1; copies <= 2; copies++ {
		for _, dedup := range []filter.Switch{filter.Off, filter.On} {
			b.Run(fmt.Sprintf("copies=%d/dedup=%v", copies, dedup == filter.On), func(b *testing.B) {
				benchmarkDedup(b, copies, dedup)
			})
		}
	}
}

func benchmarkDedup(b *testing.B, copies int, dedup filter.Switch) {
	r := newRig(Options{Lanes: 1})
	r.subscribe(b, message.Lite, feed.WebSocket, compile(b, filter.Query{ExcludeDomain: filter.Values{"nowhere"}, Dedup: dedup}))
	next := serials(b)
	batch := make([]engine.Entry, 0, batchSize)
	b.ReportAllocs()
	defer certtest.CPU(b)()
	for i := 0; b.Loop(); i++ {
		batch = append(batch, engine.Entry{Source: source, DER: next(i / copies)})
		if len(batch) < batchSize {
			continue
		}
		if _, _, err := r.window.Append(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		n, err := r.window.Read(r.Head(), r.buf)
		if err != nil || n != len(batch) {
			b.Fatalf("read %d entries, %v", n, err)
		}
		r.publish(r.buf[:n])
		batch = batch[:0]
	}
}

// serials makes precertificates that differ in their serial number.
func serials(b *testing.B) func(i int) []byte {
	der := testlog.NewCA("Benchmark").Issue(testlog.Shape{
		Precert: true, DNS: []string{"www.example.com", "example.com"}, Filler: 300}).DER
	c, err := x509.ParseCertificate(der)
	if err != nil {
		b.Fatal(err)
	}
	at := bytes.Index(der, c.SerialNumber.Bytes()) + 1
	return func(i int) []byte {
		other := bytes.Clone(der)
		binary.BigEndian.PutUint64(other[at:], uint64(i))
		return other
	}
}
