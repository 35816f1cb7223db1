package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestFollowSeriesAreBoundedByTheLogsFollowed(t *testing.T) {
	r := prometheus.NewRegistry()
	m := NewFollow(r)
	a, b := m.Log("Argon", "Google"), m.Log("Wyvern", "DigiCert")
	a.Set(10, 8, 7, 2, 1.5)
	a.SetConditions("open", true, false, true)
	a.Entries(8)
	a.Begin("head")
	a.Begin("tile")
	a.Begin("tile")
	a.Request("ok", 700)
	a.Request("rate_limited", 0)
	a.Fetched(256)
	b.Skipped(3)
	m.Operator("Google", 5, 0.5)
	want := `
		# HELP certstream_log_requests_total Requests to the log by outcome.
		# TYPE certstream_log_requests_total counter
		certstream_log_requests_total{log="Argon",operator="Google",outcome="ok"} 1
		certstream_log_requests_total{log="Argon",operator="Google",outcome="rate_limited"} 1
		# HELP certstream_log_fetches_total Requests to the log by what they were for: head, entries, tile, partial_tile, issuer, proof.
		# TYPE certstream_log_fetches_total counter
		certstream_log_fetches_total{log="Argon",operator="Google",what="head"} 1
		certstream_log_fetches_total{log="Argon",operator="Google",what="tile"} 2
		# HELP certstream_log_received_bytes_total Bytes of the log's answers, as they came over the wire.
		# TYPE certstream_log_received_bytes_total counter
		certstream_log_received_bytes_total{log="Argon",operator="Google"} 700
		certstream_log_received_bytes_total{log="Wyvern",operator="DigiCert"} 0
		# HELP certstream_log_requests_in_flight Requests to the log that wait for their answer.
		# TYPE certstream_log_requests_in_flight gauge
		certstream_log_requests_in_flight{log="Argon",operator="Google"} 1
		certstream_log_requests_in_flight{log="Wyvern",operator="DigiCert"} 0
		# HELP certstream_log_breaker_state Circuit breaker of the log: 0 closed, 1 half open, 2 open.
		# TYPE certstream_log_breaker_state gauge
		certstream_log_breaker_state{log="Argon",operator="Google"} 2
		certstream_log_breaker_state{log="Wyvern",operator="DigiCert"} 0
	`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "certstream_log_requests_total", "certstream_log_breaker_state",
		"certstream_log_fetches_total", "certstream_log_received_bytes_total", "certstream_log_requests_in_flight"); err != nil {
		t.Error(err)
	}
	a.Delete()
	b.Delete()
	m.DeleteOperator("Google")
	if n, err := testutil.GatherAndCount(r); err != nil || n != 1 { // the catch-up rate stays
		t.Errorf("%d series left, error %v", n, err)
	}
}

func TestFollowWithoutMetrics(t *testing.T) {
	var m *Follow
	l := m.Log("Argon", "Google")
	l.Set(1, 1, 1, 0, 0)
	l.SetConditions("closed", false, false, true)
	l.Entries(1)
	l.Begin("head")
	l.Request("ok", 1)
	l.Fetched(1)
	l.Skipped(1)
	l.Rewind()
	l.Repeat()
	l.Mismatch()
	l.Misbehaviour()
	l.Delete()
	m.Operator("Google", 1, 0)
	m.DeleteOperator("Google")
	m.CatchUp(1)
	m.Checkpoint(nil)
	if l != nil {
		t.Error("handles without metrics")
	}
}
