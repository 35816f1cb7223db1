package config

import (
	"fmt"
	"strings"
	"testing"
)

const testKey = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKLDCw61qHAIp9mt8+QBx92gqIAhp3QhqS6h+bogJ" +
	"Ae/FwaCSxMyb2H5xAO2SArXJnzm5vdBGifOcS5SXRZMP9Q=="

// TestCheck holds what does not go together, and what it is called.
func TestCheck(t *testing.T) {
	for file, want := range map[string]string{
		"host: 0.0.0.0:8080":                                         `line 1: host: "0.0.0.0:8080" is not an address; want an address without a port`,
		"host: ::1":                                                  "",
		"port: 8081\nprotocols: {tcp: true}":                         "line 2: protocols.tcp_port: 8081 is the port of HTTP already; take another",
		"port: 0\nprotocols: {tcp: true, tcp_port: 0}":               "",
		"admin: {enabled: true, address: \":8080\"}":                 "line 1: admin.address: port 8080 is a public one already",
		"admin: {enabled: true, address: localhost}":                 `line 1: admin.address: "localhost" is not an address; want host:port`,
		"admin: {enabled: true, address: \":9090\"}":                 "",
		"tls_cert: a":                                                "line 1: tls_cert: is set, but tls_key is not",
		"tls_key: a":                                                 "line 1: tls_key: is set, but tls_cert is not",
		"protocols: {paths: {full: /}}":                              "line 1: protocols.paths.full: / is the path of lite already",
		"protocols: {paths: {sse: events}}":                          `protocols.paths.sse: "events" is not a plain URL path; want a path such as /full-stream`,
		"protocols: {paths: {sse: /a/../b}}":                         `"/a/../b" is not a plain URL path`,
		"protocols: {paths: {sse: /metrics/}}":                       "/metrics/ belongs to an endpoint",
		"protocols: {paths: {sse: /events/}}":                        "",
		"trusted_proxies: [10.0.0.0/8, proxy]":                       `line 1: trusted_proxies[1]: "proxy" is neither; want an address or a network`,
		"allowed_origins: [https://a.example, \"*\", \"null\"]":      "",
		"allowed_origins: [a.example]":                               `allowed_origins[0]: "a.example" is not an origin; want scheme and host`,
		"allowed_origins: [https://a.example/]":                      "is not an origin",
		"network: {proxy: proxy}":                                    "line 1: network.proxy: is not a URL; want a URL such as http://proxy.example:3128",
		"network: {user_agent_contact: \"a\\nb\"}":                   "network.user_agent_contact: has control characters",
		"auth: {enabled: true}":                                      "line 1: auth.enabled: is true, but there is no token, so nobody could connect",
		"auth: {enabled: true, tokens_dir: /tokens}":                 "",
		"auth: {header_name: \"X Token\"}":                           `"X Token" cannot be a header`,
		"auth: {tokens: [\"\"]}":                                     "auth.tokens[0]: is empty",
		"auth: {tokens: [a, a]}":                                     "auth.tokens[1]: is the same token as one before",
		"auth: {tokens: [{name: x, token: a}, {name: x, token: b}]}": `auth.tokens[1]: the name "x" is taken already`,
		"auth: {tokens: [{name: \"a\\nb\", token: a}]}":              `"a\nb" cannot be a name`,
		"ct_logs_url: ftp://a/b":                                     `ct_logs_url: "ftp://a/b" is not a URL to fetch`,
		"ct_logs_url: http://a/b":                                    `"http://a/b" is plain http; use https, or set network.allow_http: true`,
		"ct_logs_url: http://a/b?x=y\nnetwork: {allow_http: true}":   "",
		"ct_logs_url: ./logs.json":                                   "",
		"ct_logs_url: file:///logs.json":                             "",
		"log_list: {key: \"-----BEGIN PUBLIC KEY-----\"}":            "log_list.key: holds no public key that can be read",
		"logs: {log_ids: [abc]}":                                     `logs.log_ids[0]: "abc" is not a log id`,
		"logs: {log_ids: [\"PeSSqJiTrXBeeEbtIdSNyvutE56mTtHjSfkAsKLNpeI=\", " + strings.Repeat("0a", 32) + "]}": "",
		"logs: {expires_from: 2026-07-01, expires_until: 2026-07-01}":                                           "logs.expires_until: is not after expires_from",
		"custom_logs: [{url: https://a/b}]":                                                                     "custom_logs[0].name: is missing",
		"custom_logs: [{name: a, url: a}]":                                                                      `custom_logs[0].url: "a" is not a URL to fetch`,
		"custom_logs: [{name: a, url: \"https://a/?b\"}]":                                                       "has a query or a fragment",
		"custom_logs: [{name: a, url: https://a}, {name: a, url: https://a/}]":                                  `custom_logs[1].name: "a" is taken already`,
		"custom_logs: [{name: a, url: https://a}, {name: b, url: https://a/}]":                                  `custom_logs[1].url: "https://a/" is there already`,
		"custom_logs: [{name: a, url: https://a, key: YWJj}]":                                                   "custom_logs[0].key: is not a public key",
		"custom_logs: [{name: a, url: https://a, submission_url: b}]":                                           "custom_logs[0].submission_url",
		"custom_logs: [{name: a, url: https://a, key: \"" + testKey + "\"}]":                                    "",
		"ct_log: {retry_initial_delay_ms: 5000, retry_max_delay_ms: 1000}":                                      "ct_log.retry_max_delay_ms: 1000 is less than the first wait of 5000",
		"retention: {max_bytes: 1GiB}":                                                                          "retention.max_bytes: is set, but there is no directory",
		"state: {dir: /a}\nretention: {max_bytes: 1MiB}":                                                        "retention.max_bytes: 1MiB is too small",
		"state: {dir: /a}\nretention: {max_bytes: 1GiB, max_age: 1s}":                                           "retention.max_age: 1s is too short",
		"state: {dir: /a}\nretention: {max_bytes: 1GiB, max_age: 48h}":                                          "",
		"ct_log: {operators: {\"\": {}}}":                                                                       "ct_log.operators: an operator has no name",
	} {
		problems := Validate([]byte(file), nil)
		if got := fmt.Sprintln(problems); want == "" && len(problems) > 0 || !strings.Contains(got, want) {
			t.Errorf("%s\ngot  %swant %s", file, got, want)
		}
	}
}

// TestWarnings holds what is allowed but said.
func TestWarnings(t *testing.T) {
	for file, want := range map[string]string{
		"auth: {tokens: [a]}":                                      "auth.enabled is false",
		"protocols: {websocket: false, sse: false}":                "no stream is served",
		"streams: {full: false, lite: false, domains_only: false}": "nothing is served",
		"ct_log: {state_file: a}\nstate: {dir: b}":                 "ct_log.state_file is ignored",
		"ct_logs_url: https://a/b\nlog_list: {source: apple}":      "log_list.source is ignored",
		"ct_log: {healthy_threshold: 2}":                           "ct_log.healthy_threshold has no effect: the first successful request",
		"retention: {max_age: 1h}":                                 "retention.max_age has no effect",
		"log_list: {source: none}":                                 "no log is followed",
		"network: {insecure_skip_verify: true}":                    "are not checked",
		"custom_logs: [{name: a, url: https://a/b}]":               `"a" has no key`,
		"log_list: {source: none}\nct_logs_url: /etc/ct/logs.json": "log_list.source is ignored",
	} {
		_, warnings, problems := Parse([]byte(file), nil)
		if len(problems) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0], want) {
			t.Errorf("%s: warnings %q, problems %v; want %q", file, warnings, problems, want)
		}
	}
}

// TestStateDir holds where state is kept for each way of saying so.
func TestStateDir(t *testing.T) {
	for file, want := range map[string][2]string{
		"": {
			"",
			"",
		},
		"state: {dir: /data}": {
			"/data",
			"",
		},
		"ct_log: {state_file: /data/state.json}": {
			"/data/state.json.d",
			"/data/state.json",
		},
		"ct_log: {state_file: x}\nstate: {dir: /data}": {
			"/data",
			"",
		},
	} {
		if dir, from := parse(t, file).StateDir(); dir != want[0] || from != want[1] {
			t.Errorf("%q: got %q, %q", file, dir, from)
		}
	}
}
