package streamer

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
	"github.com/certstream-operator/certstream-operator/streamer/loglist"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// parsed is the configuration of a file's content.
func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	c, _, problems := config.Parse([]byte(text), []string{})
	if len(problems) > 0 {
		t.Fatalf("%+v", problems)
	}
	return c
}

func TestAccessOptions(t *testing.T) {
	c := parsed(t, `
auth: {enabled: true, header_name: X-Key, query_token: true, tokens: [one, {name: b, token: two}], tokens_dir: /d, tokens_file: /f}
connection_limit: {enabled: true, max_connections: 7, per_ip_limit: 3}
rate_limit: {enabled: true, per_second: 2.5, burst_size: 9}
filters: {max_regex_per_ip: 4}
trusted_proxies: [10.1.2.3]
allowed_origins: ['https://a.example']
`)
	got, err := accessOptions(c)
	if err != nil {
		t.Fatal(err)
	}
	proxies, err := access.ParsePrefixes([]string{"10.1.2.3/32"})
	if err != nil {
		t.Fatal(err)
	}
	want := access.Options{
		Auth: access.Auth{Enabled: true, Header: "X-Key", QueryToken: true, Paths: []string{"/d", "/f"},
			Tokens: []access.Token{{Name: "token-1", Value: "one"}, {Name: "b", Value: "two"}}},
		MaxConnections: 7, PerAddress: 3, RatePerSecond: 2.5, RateBurst: 9, RegexpClassesPerAddress: 4,
		TrustedProxies: proxies, AllowedOrigins: []string{"https://a.example"},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(proxies[0])); diff != "" {
		t.Error(diff)
	}
	off, err := accessOptions(parsed(t, "connection_limit: {max_connections: 7}\nrate_limit: {per_second: 1}\n"))
	if err != nil || off.MaxConnections != 0 || off.RatePerSecond != 0 {
		t.Errorf("limits that are not enabled hold: %+v, %v", off, err)
	}
}

func TestFollowSettings(t *testing.T) {
	got := followSettings(parsed(t, `
state: {interval: 7s}
ct_log:
  fetch_concurrency: 2
  poll_interval_ms: 1500
  retry_initial_delay_ms: 200
  retry_max_delay_ms: 9000
  retry_max_attempts: 8
  catch_up_rate: 5000
  max_lag_entries: 100
  max_lag: 1h
  requests_per_second: 3
  operators: {DigiCert: {requests_per_second: 0.5, http1: true}, Other: {http1: true}}
`))
	want := follow.Settings{
		Parallel: 2, PollMin: 1500 * time.Millisecond, BackoffFloor: 200 * time.Millisecond, BackoffCap: 9 * time.Second,
		BreakerAfter: 8, CheckpointEvery: 7 * time.Second, CatchUpRate: 5000, MaxLagEntries: 100, MaxLag: time.Hour,
		Pace: follow.Pace{Rate: 3, Max: 3}, Operators: map[string]follow.Pace{"DigiCert": {Rate: 0.5, Max: 0.5}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStartPositions(t *testing.T) {
	at := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]follow.Start{
		"head":       {Kind: follow.StartAtHead},
		"head-50":    {Kind: follow.StartBeforeHead, N: 50},
		"index:12":   {Kind: follow.StartAtIndex, N: 12},
		"2026-07-01": {Kind: follow.StartAtTime, Time: at},
	} {
		if got := startPosition(parsed(t, "ct_log: {start: '"+text+"'}").CTLog.Start); got != want {
			t.Errorf("%s is %+v, want %+v", text, got, want)
		}
	}
}

func TestServeSettings(t *testing.T) {
	got := serveSettings(parsed(t, `
buffer_size: 5
slow_client: close
dedup: {streams: [domains, full]}
filters: {max_per_client: 6, max_pattern_length: 99}
streams: {full: false}
protocols: {sse: false, tcp: true, paths: {lite: /l, full: /f, domains_only: /d, sse: /s}}
`))
	want := serve.Settings{Buffer: 5, SlowClient: serve.CloseSlow, SSEPath: "/s",
		Limits: filter.Limits{Values: 6, Suffixes: 60, PatternBytes: 99}}
	want.Protocols[feed.WebSocket], want.Protocols[feed.Lines] = true, true
	want.Kinds[message.Lite], want.Kinds[message.Domains] = true, true
	want.Dedup[message.Domains], want.Dedup[message.Full] = true, true
	want.Paths[message.Lite], want.Paths[message.Full], want.Paths[message.Domains] = "/l", "/f", "/d"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestRevision says when a log's client is made anew: never for settings that it does not know.
func TestRevision(t *testing.T) {
	l := loglist.Log{Operator: "DigiCert", Protocol: loglist.RFC6962}
	before := revision(config.Default(), l)
	for text, changes := range map[string]bool{
		"ct_log: {batch_size: 99}":                       true,
		"ct_log: {operators: {digicert: {http1: true}}}": true,
		"ct_log: {operators: {DigiCert: {tiles: true}}}": true,
		"ct_log: {operators: {Other: {http1: true}}}":    false,
		"ct_log: {max_lag: 1h}":                          false,
		"buffer_size: 9":                                 false,
	} {
		if got := revision(parsed(t, text), l) != before; got != changes {
			t.Errorf("%s: the client changes: %v, want %v", text, got, changes)
		}
	}
}

func TestUserAgentSaysWhom(t *testing.T) {
	if got := userAgent("v1.2.3", "sec@example.org"); !strings.HasPrefix(got, "certstream-streamer/1.2.3 (sec@example.org; +https://") {
		t.Errorf("User-Agent %q", got)
	}
}

func TestPortInUseNamesTheSetting(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	c := parsed(t, "host: 127.0.0.1")
	c.Port = taken.Addr().(*net.TCPAddr).Port
	var s Streamer
	err = s.listen(c)
	if err == nil || !strings.Contains(err.Error(), "set port to a free port") || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("the error should say which port and what to do: %v", err)
	}
}

func TestThroughputIsOfTheLastMinute(t *testing.T) {
	var r throughput
	if got := r.perSecond(5); got != 0 {
		t.Errorf("%v before the first sample", got)
	}
	start := time.Now().Add(-time.Hour)
	for i := range 100 {
		r.add(sample{start.Add(time.Duration(i) * throughputEvery), uint64(i)})
	}
	if len(r.samples) != throughputWindow {
		t.Errorf("%d samples kept, want %d", len(r.samples), throughputWindow)
	}
	r = throughput{samples: []sample{{time.Now().Add(-10 * time.Second), 100}}}
	if got := r.perSecond(1100); got < 90 || got > 101 {
		t.Errorf("%v entries/s, want about 100", got)
	}
}
