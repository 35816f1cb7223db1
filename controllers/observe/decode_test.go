package observe

import (
	"encoding/json"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// realStatus is a /status as the streamer writes it.
func realStatus() serve.Status {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	return serve.Status{
		Version: "1.2.3", Revision: "abc", StartedAt: at, UptimeSeconds: 60, Draining: true,
		Config: serve.ConfigStatus{
			Path: "/etc/certstream/config/config.yaml", Hash: "running", LoadedAt: at, LastError: "port: want a number", LastErrorAt: at,
			RejectedHash: "rejected", RestartNeeded: []string{"port"}, Warnings: []string{"limits.per_ip counts a proxy"},
		},
		LogList: serve.LogListStatus{Selected: 3, Sources: []serve.LogSource{{Name: "google", Error: "503"}}, Error: "503"},
		State:   serve.StateStatus{Dir: "/var/lib/certstream", LastError: "no space left on device"},
		Logs: []serve.LogStatus{
			{Name: "Argon 2026h1", State: "following", Status: serve.Healthy, Breaker: "closed", LagEntries: 12, LagSeconds: 1.5, LastErrorKind: "timeout"},
			{Name: "Nimbus 2026", State: "failing", Status: serve.Degraded, Breaker: "closed", LastError: "once", LastErrorKind: "timeout"},
			{Name: "Wyvern 2026h2", State: "failing", Status: serve.Unhealthy, Breaker: "open", LastError: "<html>", LastErrorKind: "server_error"},
			{Name: "Sphinx 2026h2", State: "failing", Status: serve.Degraded, Breaker: "half_open", LastErrorKind: "of another version"},
			{Name: "Mammoth 2026h1", State: "following", Status: serve.Unhealthy, Breaker: "closed", Unverified: "the log misbehaved", Misbehaviour: &serve.Misbehaviour{
				Kind: "fork", Why: "<script>", Since: at, Count: 3, Evidence: "/state/evidence/mammoth/1.json",
			}},
			{Name: "Elephant 2026h1", State: "failing", Status: serve.Unhealthy, Breaker: "open", Misbehaviour: &serve.Misbehaviour{Kind: "<b>", Since: at}},
		},
		Retention: &serve.RetentionStatus{
			Segments: 4, Entries: 1000, Bytes: 1 << 20, CapacityBytes: 1 << 30, Seconds: 90, AsideSegments: 2, LastError: "no space left", Full: true,
		},
		Clients:          []serve.ClientsCount{{Protocol: "ws", Stream: "lite", Count: 3}, {Protocol: "sse", Stream: "full", Count: 4}},
		EntriesPerSecond: 311.5,
	}
}

func encoded(t testing.TB, s serve.Status) string {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestDecodeARealStatus(t *testing.T) {
	got, err := decode([]byte(encoded(t, realStatus())))
	if err != nil {
		t.Fatal(err)
	}
	want := &Report{
		Version: "1.2.3", ConfigHash: "running", ConfigError: "port: want a number", RejectedHash: "rejected",
		RestartNeeded: []string{"port"}, Warnings: []string{"limits.per_ip counts a proxy"}, Draining: true,
		Logs: []Log{
			{Name: "Argon 2026h1", State: "following", Status: "healthy", LagEntries: 12, LagSeconds: 1.5},
			{Name: "Nimbus 2026", State: "failing", Status: "degraded"},
			{Name: "Wyvern 2026h2", State: "failing", Status: "unhealthy", Failing: true, ErrorKind: "server_error"},
			{Name: "Sphinx 2026h2", State: "failing", Status: "degraded", Failing: true, ErrorKind: "error"},
			{Name: "Mammoth 2026h1", State: "following", Status: "unhealthy", Unverified: true,
				Misbehaviour: &Misbehaviour{Kind: "fork", Since: realStatus().StartedAt, Evidence: "/state/evidence/mammoth/1.json"}},
			{Name: "Elephant 2026h1", State: "failing", Status: "unhealthy", Failing: true, ErrorKind: "error",
				Misbehaviour: &Misbehaviour{Kind: "unexplained", Since: realStatus().StartedAt}},
		},
		Retention:   &Retention{Bytes: 1 << 20, MaxBytes: 1 << 30, Seconds: 90, Aside: 2, Failing: true, Full: true},
		ListFailing: true, StateFailing: true, EntriesPerSecond: 311.5, Clients: 7, Uptime: time.Minute,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every kind of misbehaviour that the streamer has is known here.
func TestMisbehavioursOfTheStreamer(t *testing.T) {
	for _, kind := range []evidence.Kind{
		evidence.TwoRoots, evidence.Fork, evidence.Rollback, evidence.WrongEntry, evidence.FinalHead, evidence.Unexplained,
	} {
		if got := misbehaviourKind(string(kind)); got != string(kind) {
			t.Errorf("%s becomes %s", kind, got)
		}
	}
}

// Every class of error that the streamer has is known here.
func TestErrorKindsOfTheStreamer(t *testing.T) {
	for _, kind := range []ctlog.Kind{
		ctlog.RateLimited, ctlog.Forbidden, ctlog.NotYet, ctlog.ServerError, ctlog.Timeout, ctlog.Network, ctlog.TLS, ctlog.Redirected,
		ctlog.Malformed, ctlog.BadSignature, ctlog.BadProof, ctlog.NoProof, ctlog.Refused,
	} {
		if got := errorKind(string(kind)); got != string(kind) {
			t.Errorf("%s becomes %s", kind, got)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"nothing":        {"", nil},
		"a page":         {"<html>", nil},
		"half an answer": {`{"version": "1", "logs": [`, nil},
		"another type":   {`[1, 2]`, nil},
		"wrong field":    {`{"version": 1}`, nil},
		"another's JSON": {`{"status": "ok"}`, BadAnswer},
		"no array":       {`{"version": "1", "logs": {}}`, BadAnswer},
		"no log":         {`{"version": "1", "logs": [{}, 1]}`, nil},
	} {
		got, err := decode([]byte(c.body))
		if err == nil || got != nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// What a pod answers is cut to size.
func TestDecodeBounds(t *testing.T) {
	s := realStatus()
	s.Version = strings.Repeat("v", 1000)
	s.Config.LastError = strings.Repeat("é\n", 10000)
	s.Config.Warnings = make([]string, 1000)
	s.Logs = make([]serve.LogStatus, 5000)
	s.Logs[0] = serve.LogStatus{Name: "a\x00\u202eb" + strings.Repeat("c", 500), State: "hacking", Status: "fine", LagSeconds: 1e300}
	s.Clients = []serve.ClientsCount{{Count: -5}, {Count: 1 << 62}, {Count: 1 << 62}}
	s.EntriesPerSecond = -1
	got, err := decode([]byte(encoded(t, s)))
	if err != nil {
		t.Fatal(err)
	}
	checkBounds(t, got)
	first := got.Logs[0]
	if !strings.HasPrefix(first.Name, "a  bc") || first.State != "" || first.Status != "" || first.LagSeconds != 1e9 || got.Clients != 1e9 || got.EntriesPerSecond != 0 {
		t.Errorf("%+v, %d clients, %g entries/s", first, got.Clients, got.EntriesPerSecond)
	}
}

// A hostile answer of the greatest length takes little more memory than its text.
func TestDecodeTakesLittleMemory(t *testing.T) {
	const most = 2 << 20
	full := func(before, element, after string) string {
		return before + strings.Repeat(element+",", (most-len(before)-len(after))/(len(element)+1)-1) + element + after
	}
	for name, text := range map[string]string{
		"empty logs":      full(`{"version":"1","logs":[`, `{}`, `]}`),
		"numbers as logs": full(`{"version":"1","logs":[`, `0`, `]}`),
		"clients":         full(`{"version":"1","clients":[`, `{}`, `]}`),
		"warnings":        full(`{"version":"1","config":{"warnings":[`, `""`, `]}}`),
		"restarts":        full(`{"version":"1","config":{"restart_needed":[`, `""`, `]}}`),
		"sources":         full(`{"version":"1","log_list":{"sources":[`, `{}`, `]}}`),
		"unknown":         full(`{"version":"1","novel":[`, `{"a":[]}`, `]}`),
		"unknown of logs": full(`{"version":"1","logs":[{"novel":[`, `[]`, `]}]}`),
		"deep":            `{"version":"1","novel":` + strings.Repeat("[", most-30),
		"lists again":     full(`{"version":"1",`, `"logs":[{},{},{},{},{},{},{},{}]`, `}`),
	} {
		body := []byte(text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := decode(body)
		runtime.ReadMemStats(&after)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 8<<20 && name != "lists again" {
			t.Errorf("%s: %d KiB were allocated", name, taken>>10)
		}
		if r != nil {
			checkBounds(t, r)
		}
		if refused := name == "numbers as logs" || name == "deep"; refused != (err != nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func checkBounds(t testing.TB, r *Report) {
	t.Helper()
	texts := append([]string{r.ConfigError}, append(r.Warnings, r.RestartNeeded...)...)
	names := []string{r.Version, r.ConfigHash, r.RejectedHash}
	for _, l := range r.Logs {
		names = append(names, l.Name, l.State, l.Status, l.ErrorKind)
		if !(l.LagSeconds >= 0 && l.LagSeconds <= 1e9) || l.ErrorKind != "" && !l.Failing {
			t.Fatalf("log %+v", l)
		}
	}
	for bound, all := range map[int][]string{128: names, 1024: texts} {
		for _, text := range all {
			if len([]rune(text)) > bound || strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) {
				t.Fatalf("%q is too long or not printable", text)
			}
		}
	}
	if len(r.Logs) > 2000 || len(r.Warnings) > 16 || len(r.RestartNeeded) > 16 || r.Clients < 0 || !(r.EntriesPerSecond >= 0) {
		t.Fatalf("%d logs, %d warnings, %d clients, %g entries/s", len(r.Logs), len(r.Warnings), r.Clients, r.EntriesPerSecond)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, realStatus()))
	f.Add(`{"version":"1","logs":[{"name":"\u0000","lag_seconds":1e999}]}`)
	f.Add(`{"version":"1","clients":[{"count":9223372036854775807},{"count":9223372036854775807}]}`)
	f.Add(`{"config":{"hash":"\ud800","warnings":[null]},"logs":null}`)
	f.Add(`{"version":"1"}{"version":"2"}`)
	f.Add(strings.Repeat(`[`, 20000))
	f.Fuzz(func(t *testing.T, body string) {
		r, err := decode([]byte(body))
		if err != nil {
			if r != nil {
				t.Fatalf("%v with %v", r, err)
			}
			return
		}
		checkBounds(t, r)
		if !r.sameNews(r) {
			t.Fatal("a report differs from itself")
		}
	})
}

func TestIngestion(t *testing.T) {
	good, bad, new := Log{State: "following"}, Log{State: "failing", Failing: true}, Log{State: "starting"}
	for name, c := range map[string]struct {
		logs []Log
		want Ingestion
	}{
		"none":                    {nil, IngestionNone},
		"starting":                {[]Log{new, new}, IngestionStarting},
		"starting and failing":    {[]Log{new, bad}, IngestionStarting},
		"failing":                 {[]Log{bad, bad}, IngestionFailing},
		"one flows":               {[]Log{bad, good, new}, IngestionFlowing},
		"one failed a moment ago": {[]Log{{State: "failing"}}, IngestionFlowing},
	} {
		if got := (&Report{Logs: c.logs}).Ingestion(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// What is found in the stream is news at once; what only grows is not.
func TestFindingsAreNews(t *testing.T) {
	report := func(change func(*serve.Status)) *Report {
		s := realStatus()
		change(&s)
		r, err := decode([]byte(encoded(t, s)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	before := report(func(*serve.Status) {})
	for name, c := range map[string]struct {
		change func(*serve.Status)
		isNews bool
	}{
		"the same":         {func(*serve.Status) {}, false},
		"more is kept":     {func(s *serve.Status) { s.Retention.Bytes, s.Retention.Seconds = 2<<20, 180 }, false},
		"it lies again":    {func(s *serve.Status) { s.Logs[4].Misbehaviour.Count++ }, false},
		"it lies worse":    {func(s *serve.Status) { s.Logs[4].Misbehaviour.Kind = "two_roots" }, true},
		"another lies":     {func(s *serve.Status) { s.Logs[0].Misbehaviour = s.Logs[4].Misbehaviour }, true},
		"a mark is lifted": {func(s *serve.Status) { s.Logs[4].Misbehaviour = nil }, true},
		"room again":       {func(s *serve.Status) { s.Retention.LastError, s.Retention.Full = "", false }, true},
		"a segment more":   {func(s *serve.Status) { s.Retention.AsideSegments++ }, true},
		"a larger bound":   {func(s *serve.Status) { s.Retention.CapacityBytes *= 2 }, true},
		"nothing is kept":  {func(s *serve.Status) { s.Retention = nil }, true},
	} {
		if got := !before.sameNews(report(c.change)); got != c.isNews {
			t.Errorf("%s: news: %v", name, got)
		}
	}
}
