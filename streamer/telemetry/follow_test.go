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
	a.Request("ok")
	a.Request("rate_limited")
	b.Skipped(3)
	m.Operator("Google", 5, 0.5)
	want := `
		# HELP certstream_log_requests_total Requests to the log by outcome.
		# TYPE certstream_log_requests_total counter
		certstream_log_requests_total{log="Argon",operator="Google",outcome="ok"} 1
		certstream_log_requests_total{log="Argon",operator="Google",outcome="rate_limited"} 1
		# HELP certstream_log_breaker_state Circuit breaker of the log: 0 closed, 1 half open, 2 open.
		# TYPE certstream_log_breaker_state gauge
		certstream_log_breaker_state{log="Argon",operator="Google"} 2
		certstream_log_breaker_state{log="Wyvern",operator="DigiCert"} 0
	`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "certstream_log_requests_total", "certstream_log_breaker_state"); err != nil {
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
	l.Request("ok")
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
