package config

import (
	"strings"
	"testing"
)

// TestImportRules holds what single settings of each server become: lines of ours, and of the notes.
func TestImportRules(t *testing.T) {
	for name, tt := range map[string]struct {
		kind       Kind
		in         string
		ours, note string // what must be there; without a note there must be none
		bare       bool
	}{
		"a user agent with a contact":    {KindRust, "ct_log: {user_agent: 'bot/1.0 (mailto; ops@a.example)'}", "user_agent_contact: ops@a.example", "", false},
		"a user agent without":           {KindRust, "ct_log: {user_agent: bot}", "", "names nobody to contact", false},
		"overlap":                        {KindRust, "ct_log: {start_overlap_leaves: 5}", "start: head-5", "", false},
		"no overlap":                     {KindRust, "ct_log: {start_overlap_leaves: 0}", "", "", false},
		"overlap that is no number":      {KindRust, "ct_log: {start_overlap_leaves: x}", "", `"head-x" cannot be read`, false},
		"rate of 1.0.x":                  {KindRust, "rate_limit: {per_second: 3, burst_size: 4}\nct_log: {}", "per_second: 3", "", false},
		"windows":                        {KindRust, "rate_limit: {window_max_requests: 3}", "", "has no equivalent", false},
		"a wait below what is polite":    {KindRust, "ct_log: {partial_tile_wait_secs: 1}", "", "to do: ct_log.partial_tile_interval: 1s is too small", false},
		"no protocol at all":             {KindRust, "ct_log: {static_ct_enabled: no, rfc6962_enabled: no}", "protocols: []", "", false},
		"operators without a name":       {KindRust, "ct_log: {operator_rate_limits: {'': 5}}", "state_file: s", "", false},
		"a wrong type":                   {KindRust, "port: [1]", "", "port: is a list; write a single value", false},
		"half of TLS":                    {KindRust, "tls_cert: a", "tls_cert: a", "to do: tls_cert: is set, but tls_key is not", false},
		"a key that is none":             {KindRust, "custom_logs: [{name: a, url: https://b, key: x}]", "key: x", "to do: custom_logs[0].key", false},
		"unknown":                        {KindRust, "what: {is: this}", "", "what.is: has no equivalent", false},
		"variables":                      {KindRust, "CERTSTREAM_CT_LOG_FORCE_HTTP1_OPERATORS=A,B", "http1: true", "certstream_state.json", true},
		"metrics on the same port":       {KindGo, "prometheus: {enabled: true, listen_port: 8080}", "", "", false},
		"metrics switched off":           {KindGo, "prometheus: {enabled: false, listen_port: 9}", "metrics: false", "", false},
		"metrics elsewhere":              {KindGo, "prometheus: {metrics_url: /m}", "", "metrics are at /metrics", false},
		"real IP without proxies":        {KindGo, "webserver: {real_ip: true}", "", "list your proxies' addresses", false},
		"old logs kept":                  {KindGo, "general: {drop_old_logs: false}", "", "is always on", false},
		"recovery switched off":          {KindGo, "general: {recovery: {enabled: false, ct_index_file: x}}", "", "recovery is not enabled", false},
		"recovery":                       {KindGo, "general: {recovery: {enabled: true, ct_index_file: x}}", "state_file: x", "", false},
		"no uncompressed needed":         {KindGo, "webserver: {compression_enabled: false}", "", "", false},
		"excluded as texts":              {KindGo, "excluded_logs: [a, b]", "", "", false},
		"a log without a description":    {KindGo, "general: {additional_logs: [{url: ct.example/x}]}", "name: ct.example/x", "without a key", false},
		"Elixir's own port":              {KindElixir, "LOG_LEVEL=debug", "port: 4000", "4000 is that server's default", false},
		"Elixir's port that is none":     {KindElixir, "PORT=x", "", `"x" cannot be read`, false},
		"a stranger among the variables": {KindElixir, "PORT=1\nHOME=/root", "port: 1", "HOME: has no equivalent", false},
	} {
		t.Run(name, func(t *testing.T) {
			in := tt.in
			if tt.kind == KindRust && !tt.bare { // what that server's defaults would add is set
				in = strings.Replace(in+"\nprotocols: {sse: true}\n", "ct_log: {", "ct_log: {state_file: s, ", 1)
			}
			ours, notes, err := Import(strings.NewReader(in), tt.kind)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(ours), tt.ours) {
				t.Errorf("ours:\n%swant %q", ours, tt.ours)
			}
			if got := strings.Join(notes, "\n"); got != "" && tt.note == "" || !strings.Contains(got, tt.note) {
				t.Errorf("notes:\n%s\nwant %q", got, tt.note)
			}
		})
	}
}

// TestDetect holds how a file says whose it is.
func TestDetect(t *testing.T) {
	for in, want := range map[string]Kind{
		"PORT=1": KindElixir, "CERTSTREAM_PORT=1": KindRust, "CERTSTREAM_WEBSERVER_LISTEN_PORT=1": KindGo, "port: 1": KindRust,
		"webserver: {listen_port: 1}": KindGo, "general: {drop_old_logs: true}": KindGo, "{}": KindRust,
		"# a comment\nexport PORT='1'": KindElixir, "-e CERTSTREAM_PORT=1 \\\n-e CERTSTREAM_HOST=x": KindRust,
	} {
		settings, err := readSettings([]byte(in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
		}
		if got := detect(settings); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
