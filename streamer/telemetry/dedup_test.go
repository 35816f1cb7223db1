package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestDedup(t *testing.T) {
	n := 0.0
	next := func() float64 { n++; return n }
	r := prometheus.NewRegistry()
	five := func() float64 { return 5 }
	Dedup{Filters: five, Certificates: five, Bytes: five, MaxBytes: five, Suppressed: five, Repeated: next, Expired: five, Forgotten: five}.Register(r)
	want := `
# HELP certstream_dedup_copies_total Copies of certificates that a filter with deduplication has had before: suppressed, repeated for clients that came after the copy before, or sent because that has expired.
# TYPE certstream_dedup_copies_total counter
certstream_dedup_copies_total{result="expired"} 5
certstream_dedup_copies_total{result="repeated"} 1
certstream_dedup_copies_total{result="suppressed"} 5
# HELP certstream_dedup_bytes Memory taken by deduplication.
# TYPE certstream_dedup_bytes gauge
certstream_dedup_bytes 5
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "certstream_dedup_copies_total", "certstream_dedup_bytes"); err != nil {
		t.Error(err)
	}
}
