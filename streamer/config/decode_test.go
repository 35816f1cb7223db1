package config

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// parse reads a file that must be free of problems.
func parse(t *testing.T, file string, env ...string) *Config {
	t.Helper()
	c, _, problems := Parse([]byte(file), env)
	if len(problems) > 0 {
		t.Fatalf("problems: %v in\n%s", problems, file)
	}
	return c
}

// TestDecode reads a value of every kind.
func TestDecode(t *testing.T) {
	got := parse(t, `
host: &here 127.0.0.1
log_level: WARN
heartbeat_interval: 5s
trusted_proxies: [*here, 10.0.0.0/8]
ct_logs_url: ~
custom_logs:
  - name: A
    url: https://ct.example.com/a
  - {name: B, url: "https://mon.example.com/b/", protocol: tiled, submission_url: "https://log.example.com/b", mmd: 60s}
ct_log:
  start: head-1000
  operators:
    DigiCert: {http1: yes, requests_per_second: 0.5}
logs: {expires_from: 2026-07-01}
window: {size: 64MiB}
auth: {tokens: [plain, {name: alice, token: "secret"}]}
filters: {regex_budget: .5}
protocols: {tcp: "true"}
`)
	want := Default()
	want.Host, want.LogLevel, want.HeartbeatInterval = "127.0.0.1", "warn", Duration(5*time.Second)
	want.TrustedProxies = []string{"127.0.0.1", "10.0.0.0/8"}
	want.CustomLogs = []CustomLog{
		{Name: "A", URL: "https://ct.example.com/a", Protocol: "rfc6962", MMD: Duration(24 * time.Hour)},
		{Name: "B", URL: "https://mon.example.com/b/", Protocol: "tiled", SubmissionURL: "https://log.example.com/b", MMD: Duration(time.Minute)},
	}
	want.CTLog.Start = Start{Mode: StartHead, Back: 1000}
	want.CTLog.Operators = map[string]Operator{"DigiCert": {HTTP1: true, RequestsPerSecond: 0.5}}
	want.Logs.ExpiresFrom = Time{time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)}
	want.Window.Size, want.Filters.RegexBudget, want.Protocols.TCP = 64<<20, 0.5, true
	want.Auth.Tokens = []Token{{Token: "plain"}, {Name: "alice", Token: "secret"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestDecodeRefuses holds the message for each kind of mistake.
func TestDecodeRefuses(t *testing.T) {
	bomb := "auth:\n  tokens:\n  - &t {name: x, token: y}\n  - [" + strings.Repeat("*t,", 100_000) + "]"
	for name, tt := range map[string]struct{ file, want string }{
		"a list of texts": {"- a\n- b", "line 1: is a list; write its settings below it, indented"},
		"a text":          {"hello", "line 1: is a single value; write its settings below it, indented"},
		"syntax":          {"host: x\n\tport: 1", "line 2: not YAML: found a tab character that violates indentation"},
		"two documents":   {"host: x\n---\nport: 1", "there is a second YAML document; put all settings into one"},
		"section as text": {"auth: yes", "line 1: auth: is a single value; write its settings below it, indented"},
		"list as text": {
			"trusted_proxies: 10.0.0.1",
			"line 1: trusted_proxies: is a single value; write a list: [a, b], or one `- a` a line",
		},
		"text as list":     {"host: [a]", "line 1: host: is a list; write a single value"},
		"text as mapping":  {"host: {a: b}", "line 1: host: is a mapping; write a single value"},
		"start as mapping": {"ct_log: {start: {Mode: x}}", "line 1: ct_log.start: is a mapping; write a single value"},
		"merge": {
			"auth:\n  <<: {enabled: true}",
			"line 2: auth.<<: YAML merges are not supported; write the settings out",
		},
		"key not text": {"? [a]\n: b", "line 1: a key is not a text; write `key: value`"},
		"duplicate": {
			"auth:\n  enabled: no\n  enabled: no",
			"line 3: auth.enabled: is already set in line 2; keep one of them",
		},
		"duplicate name": {
			"ct_log:\n  operators:\n    A: {}\n    A: {}",
			"line 4: ct_log.operators.A: is already set in line 3; keep one of them",
		},
		"no number":         {"port: 80a", `line 1: port: "80a" cannot be read; want a whole number`},
		"not finite":        {"filters: {regex_budget: nan}", `line 1: filters.regex_budget: "nan" cannot be read; want a number`},
		"no boolean":        {"auth: {enabled: maybe}", `line 1: auth.enabled: "maybe" cannot be read; want true or false`},
		"no unit":           {"heartbeat_interval: 10", "want a number with its unit, such as 500ms, 10s or 1h30m"},
		"too small":         {"window: {size: 1KiB}", "line 1: window.size: 1KiB is too small; want at least 1MiB"},
		"too large":         {"heartbeat_interval: 2m", "line 1: heartbeat_interval: 2m is too large; want at most 1m"},
		"not of its values": {"slow_client: clos", `"clos" is not one of its values; did you mean close? (gap or close)`},
		"value in list": {
			"logs:\n  states: [usable, useable]",
			`line 2: logs.states: "useable" is not one of its values; did you mean usable?`,
		},
		"unknown in element": {
			"custom_logs:\n- name: a\n  uri: b",
			"line 3: custom_logs[0].uri: is not a known key; did you mean custom_logs[0].url?",
		},
		"missing in element": {"custom_logs:\n- name: a", "line 2: custom_logs[0].url: is missing; give the log's URL"},
		"element's bounds": {
			"ct_log:\n  operators:\n    A:\n      requests_per_second: -1",
			"line 4: ct_log.operators.A.requests_per_second: -1 is too small",
		},
		"elsewhere": {"burst_size: 3", "line 1: burst_size: is not a known key; did you mean rate_limit.burst_size?"},
		"another server's": {
			"webserver: {listen_port: 80}",
			"it is a setting of certstream-server-go: `streamer config import FILE` translates it",
		},
		"another one's":       {"ct_log: {start_overlap_leaves: 5}", "it is a setting of certstream-server-rust 1.2 or later"},
		"nothing near":        {"zzzzzzzzzzzz: 1", "known here: host, port, tls_cert"},
		"an alias to nothing": {"host: *x", "not YAML: unknown anchor 'x' referenced"},
		"an alias to itself":  {"auth: &a\n  tokens: [*a]", "tokens[0].tokens: is not a known key"},
		"too many aliases":    {bomb, "is a list; write a single value"},
		"too many values": {
			"trusted_proxies: [" + strings.Repeat("x,", 150_000) + "]",
			"more than 100000 values; write fewer, and without aliases",
		},
		"too many bytes": {strings.Repeat("#", MaxFileBytes+1), "the file is larger than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := Validate([]byte(tt.file), nil)
			if got := fmt.Sprintln(problems); !strings.Contains(got, tt.want) {
				t.Errorf("got %.400s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestEmptyFiles holds that having nothing to say is no mistake.
func TestEmptyFiles(t *testing.T) {
	for _, file := range []string{"", "\n", "# nothing\n", "{}", "---\n", "~", "auth:\nlogs: ~\n", "\ufeffhost: 0.0.0.0"} {
		if d := cmp.Diff(Default(), parse(t, file)); d != "" {
			t.Errorf("%q: %s", file, d)
		}
	}
}

// FuzzParse holds that nothing panics, that problems are in order, and that what has none survives rendering.
func FuzzParse(f *testing.F) {
	f.Add("host: a\nport: 1\n", "CERTSTREAM_PORT=3\nCERTSTREAM_AUTH_TOKENS=a,b")
	f.Add("custom_logs:\n- {name: a, url: https://b}\nct_log: {operators: {A: {http1: on}}, start: index:3}", "WEBSOCKET_LISTEN=:80")
	f.Add("auth: &a {tokens: [*a, {token: x}]}\n<<: *a", "CERTSTREAM_X=1")
	f.Add("window: {size: 1GiB}\nlogs: {expires_from: 2026-01-01, states: []}", "CERTSTREAM_PORT=tcp://1.2.3.4:5")
	f.Fuzz(func(t *testing.T, file, env string) {
		c, _, problems := Parse([]byte(file), strings.Split(env, "\n"))
		for i, p := range problems {
			if p.Message == "" || i > 0 && p.Line > 0 && p.Line < problems[i-1].Line {
				t.Errorf("problems: %v", problems)
			}
		}
		if len(problems) > 0 {
			return
		}
		rendered, err := Render(c)
		if err != nil {
			t.Fatal(err)
		}
		again, _, problems := Parse(rendered, nil)
		if len(problems) > 0 || !equivalent(c, again) {
			t.Errorf("%v\n%s\n%s", problems, rendered, cmp.Diff(c, again))
		}
	})
}

// equivalent says whether two configurations mean the same.
func equivalent(a, b *Config) bool {
	x, _ := Render(a)
	y, _ := Render(b)
	return string(x) == string(y)
}
