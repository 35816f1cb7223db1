package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// peerVariables are those that certstream-server-rust 1.0.3 and 1.0.5 and go-certstream document or read, with a value that is
// not the default, and the setting that it must change.
var peerVariables = map[string]string{
	"CERTSTREAM_HOST=127.0.0.1":                             "host",
	"CERTSTREAM_PORT=9000":                                  "port",
	"CERTSTREAM_LOG_LEVEL=debug":                            "log_level",
	"CERTSTREAM_BUFFER_SIZE=1000":                           "buffer_size",
	"CERTSTREAM_CT_LOGS_URL=https://lists.example/v3.json":  "ct_logs_url",
	"CERTSTREAM_TLS_CERT=cert.pem":                          "tls_cert",
	"CERTSTREAM_TLS_KEY=key.pem":                            "tls_key",
	"CERTSTREAM_WS_ENABLED=false":                           "protocols.websocket",
	"CERTSTREAM_SSE_ENABLED=false":                          "protocols.sse",
	"CERTSTREAM_TCP_ENABLED=true":                           "protocols.tcp",
	"CERTSTREAM_TCP_PORT=9001":                              "protocols.tcp_port",
	"CERTSTREAM_METRICS_ENABLED=false":                      "protocols.metrics",
	"CERTSTREAM_HEALTH_ENABLED=false":                       "protocols.health",
	"CERTSTREAM_EXAMPLE_JSON_ENABLED=false":                 "protocols.example_json",
	"CERTSTREAM_RATE_LIMIT_ENABLED=true":                    "rate_limit.enabled",
	"CERTSTREAM_RATE_LIMIT_PER_SECOND=5":                    "rate_limit.per_second",
	"CERTSTREAM_RATE_LIMIT_BURST_SIZE=5":                    "rate_limit.burst_size",
	"CERTSTREAM_CONNECTION_LIMIT_ENABLED=true":              "connection_limit.enabled",
	"CERTSTREAM_CONNECTION_LIMIT_MAX_CONNECTIONS=5":         "connection_limit.max_connections",
	"CERTSTREAM_MAX_CONNECTIONS=5":                          "connection_limit.max_connections",
	"CERTSTREAM_CONNECTION_LIMIT_PER_IP_LIMIT=5":            "connection_limit.per_ip_limit",
	"CERTSTREAM_PER_IP_LIMIT=5":                             "connection_limit.per_ip_limit",
	"CERTSTREAM_AUTH_TOKENS=a,b":                            "auth.tokens",
	"CERTSTREAM_AUTH_HEADER_NAME=X-Token":                   "auth.header_name",
	"CERTSTREAM_AUTH_HEADER=X-Token":                        "auth.header_name",
	"CERTSTREAM_CT_LOG_STATE_FILE=/data/state.json":         "ct_log.state_file",
	"CERTSTREAM_STATE_FILE=/data/state.json":                "ct_log.state_file",
	"CERTSTREAM_CT_LOG_RETRY_MAX_ATTEMPTS=3":                "ct_log.retry_max_attempts",
	"CERTSTREAM_RETRY_MAX_ATTEMPTS=3":                       "ct_log.retry_max_attempts",
	"CERTSTREAM_CT_LOG_RETRY_INITIAL_DELAY_MS=500":          "ct_log.retry_initial_delay_ms",
	"CERTSTREAM_RETRY_INITIAL_DELAY_MS=500":                 "ct_log.retry_initial_delay_ms",
	"CERTSTREAM_CT_LOG_RETRY_MAX_DELAY_MS=30000":            "ct_log.retry_max_delay_ms",
	"CERTSTREAM_RETRY_MAX_DELAY_MS=30000":                   "ct_log.retry_max_delay_ms",
	"CERTSTREAM_CT_LOG_REQUEST_TIMEOUT_SECS=20":             "ct_log.request_timeout_secs",
	"CERTSTREAM_REQUEST_TIMEOUT_SECS=20":                    "ct_log.request_timeout_secs",
	"CERTSTREAM_CT_LOG_BATCH_SIZE=512":                      "ct_log.batch_size",
	"CERTSTREAM_BATCH_SIZE=512":                             "ct_log.batch_size",
	"CERTSTREAM_CT_LOG_POLL_INTERVAL_MS=1000":               "ct_log.poll_interval_ms",
	"CERTSTREAM_POLL_INTERVAL_MS=1000":                      "ct_log.poll_interval_ms",
	"CERTSTREAM_CT_LOG_HEALTHY_THRESHOLD=3":                 "ct_log.healthy_threshold",
	"CERTSTREAM_HEALTHY_THRESHOLD=3":                        "ct_log.healthy_threshold",
	"CERTSTREAM_CT_LOG_UNHEALTHY_THRESHOLD=3":               "ct_log.unhealthy_threshold",
	"CERTSTREAM_UNHEALTHY_THRESHOLD=3":                      "ct_log.unhealthy_threshold",
	"CERTSTREAM_CT_LOG_HEALTH_CHECK_INTERVAL_SECS=30":       "ct_log.health_check_interval_secs",
	"CERTSTREAM_HEALTH_CHECK_INTERVAL_SECS=30":              "ct_log.health_check_interval_secs",
	"CERTSTREAM_HOT_RELOAD_ENABLED=false":                   "hot_reload.enabled",
	"CERTSTREAM_HOT_RELOAD_WATCH_PATH=/app/config.yaml":     "hot_reload.watch_path",
	"WEBSOCKET_LISTEN=:9999":                                "port",
	"CUSTOM_LOG_LIST=https://lists.example/v3/mine.json":    "ct_logs_url",
	"CERTSTREAM_STATE_DIR=/data":                            "state.dir",
	"CERTSTREAM_LOGS_EXCLUDE=operator:TrustAsia,Google 'X*": "logs.exclude",
}

// TestPeerVariables holds that each variable of the servers to replace changes the setting that it did there.
func TestPeerVariables(t *testing.T) {
	for pair, path := range peerVariables {
		c, _, problems := Parse(nil, []string{pair})
		for _, p := range problems { // half of TLS is a fault of its own
			if !strings.HasPrefix(path, "tls_") {
				t.Errorf("%s: %v", pair, p)
			}
		}
		live, restart := Diff(Default(), c)
		if got := append(live, restart...); !slices.Equal(got, []string{path}) {
			t.Errorf("%s: changes %v, want %s", pair, got, path)
		}
	}
	c := parse(t, "", "CERTSTREAM_AUTH_ENABLED=true", "CERTSTREAM_AUTH_TOKENS=a, b ,")
	if !c.Auth.Enabled || !slices.Equal(c.Auth.Named(), []Token{{"token-1", "a"}, {"token-2", "b"}}) {
		t.Errorf("tokens: %#v", c.Auth)
	}
}

// TestVariables holds how variables meet the file, each other, and what others put into the environment.
func TestVariables(t *testing.T) {
	const file = "port: 1\nhost: 127.0.0.1\nauth: {tokens: [x]}\n"
	for name, tt := range map[string]struct {
		env  []string
		want string
	}{
		"the file alone":       {nil, "127.0.0.1:1 [x] [] []"},
		"a variable beats it":  {[]string{"CERTSTREAM_PORT=2", "CERTSTREAM_AUTH_TOKENS=y,z"}, "127.0.0.1:2 [y z] [] []"},
		"empty is as not set":  {[]string{"CERTSTREAM_PORT=", "WEBSOCKET_LISTEN="}, "127.0.0.1:1 [x] [] []"},
		"go-certstream's":      {[]string{"WEBSOCKET_LISTEN=:3"}, "0.0.0.0:3 [x] [] []"},
		"ours beats it":        {[]string{"WEBSOCKET_LISTEN=[::1]:3", "CERTSTREAM_PORT=2"}, "::1:2 [x] [] []"},
		"others' are not ours": {[]string{"PATH=/bin", "PORT=3", "CERTSTREAMX=1", "odd"}, "127.0.0.1:1 [x] [] []"},
		"not settings":         {[]string{"CERTSTREAM_CONFIG=x", "CERTSTREAM_TEST_DATA=y"}, "127.0.0.1:1 [x] [] []"},
		"a Service's": {
			[]string{
				"CERTSTREAM_PORT=tcp://10.0.0.1:8080", "CERTSTREAM_TCP_PORT=tcp://10.0.0.1:8081",
				"CERTSTREAM_SERVICE_HOST=10.0.0.1", "CERTSTREAM_SERVICE_PORT_HTTP=8080",
				"CERTSTREAM_PORT_8080_TCP_ADDR=10.0.0.1", "CERTSTREAM_PORT_8080_TCP=tcp://10.0.0.1:8080",
				"CERTSTREAM_OPERATOR_SERVICE_PORT=1",
			},
			"127.0.0.1:1 [x] [] []",
		},
		"two names of one": {
			[]string{"CERTSTREAM_BATCH_SIZE=7", "CERTSTREAM_CT_LOG_BATCH_SIZE=8"},
			"127.0.0.1:1 [x] [CERTSTREAM_BATCH_SIZE is ignored, because CERTSTREAM_CT_LOG_BATCH_SIZE says otherwise] []",
		},
		"two that agree": {[]string{"CERTSTREAM_BATCH_SIZE=8", "CERTSTREAM_CT_LOG_BATCH_SIZE=8"}, "127.0.0.1:1 [x] [] []"},
		"out of bounds": {
			[]string{"CERTSTREAM_PORT=70000"},
			"127.0.0.1:70000 [x] [] [CERTSTREAM_PORT: 70000 is too large; want at most 65535]",
		},
		"unreadable": {
			[]string{"CERTSTREAM_PORT=x"},
			`127.0.0.1:1 [x] [] [CERTSTREAM_PORT: "x" cannot be read; want a whole number]`,
		},
		"no address": {
			[]string{"WEBSOCKET_LISTEN=8080"},
			`127.0.0.1:1 [x] [] [WEBSOCKET_LISTEN: "8080" cannot be read; want host:port, such as :8080 or 127.0.0.1:8080]`,
		},
		"misspelt": {
			[]string{"CERTSTREAM_AUTH_TOKEN=x"},
			"127.0.0.1:1 [x] [] [CERTSTREAM_AUTH_TOKEN: is not a known variable; did you mean CERTSTREAM_AUTH_TOKENS?]",
		},
		"another server's": {
			[]string{"CERTSTREAM_WEBSERVER_LISTEN_PORT=1"},
			"127.0.0.1:1 [x] [] [CERTSTREAM_WEBSERVER_LISTEN_PORT: is not a known variable; it is a setting of certstream-server-go: `streamer config import FILE` translates it]",
		},
		"nobody's": {
			[]string{"CERTSTREAM_QQQQQQQQQQ=1"},
			"127.0.0.1:1 [x] [] [CERTSTREAM_QQQQQQQQQQ: is not a known variable; unset it, or see docs/configuration.md]",
		},
		"a mapping has no form": {
			[]string{"CERTSTREAM_CT_LOG_OPERATORS=x"},
			"127.0.0.1:1 [x] [] [CERTSTREAM_CT_LOG_OPERATORS: is not a known variable; did you mean CERTSTREAM_LOGS_OPERATORS?]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, warnings, problems := Parse([]byte(file), tt.env)
			var tokens []string
			for _, tok := range c.Auth.Tokens {
				tokens = append(tokens, tok.Token.Reveal())
			}
			warnings = slices.DeleteFunc(warnings, func(w string) bool { return strings.HasPrefix(w, "auth.tokens are set") })
			if got := fmt.Sprintf("%s:%d %v %v %v", c.Host, c.Port, tokens, warnings, problems); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
