package telemetry

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHandlerSpeaksOpenMetrics(t *testing.T) {
	r := NewRegistry(Build{Version: "v1.2.3", Revision: "abc"})
	one := func() float64 { return 1 }
	Engine{Head: one, Entries: one, Bytes: one, Seconds: one, Issuers: one}.Register(r)
	Retention{Bytes: one, MaxBytes: one, Segments: one, Entries: one, Seconds: one, Failing: one, Full: one, Aside: one, Corrupt: one, Damaged: one,
		Missed: one, Errors: one}.Register(r)
	req := httptest.NewRequest("GET", "/metrics", nil)
	req.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	Handler(r).ServeHTTP(w, req)
	for _, want := range []string{`certstream_build_info{goversion="go`, `version="v1.2.3"`, "certstream_window_seconds 1", "certstream_retention_missed_entries_total 1",
		"# EOF"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %q in\n%s", want, w.Body)
		}
	}
}
