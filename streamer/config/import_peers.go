package config

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// elixirRules are for CaliDog's certstream-server, which has variables only.
func elixirRules() ruleSet {
	return ruleSet{
		keys: map[string]rule{
			"PORT":       to("port"),
			"LOG_LEVEL":  to("log_level"),
			"STATS_URL":  gone("certstream_… metrics are at /metrics, numbers at /api/stats"),
			"USER_AGENT": contact,
		},
		after: func(im *importer) {
			if _, ok := im.got["PORT"]; !ok {
				im.out.Port = 4000
				im.note("PORT: was not set; 4000 is that server's default")
			}
		},
	}
}

// contact takes the part of a User-Agent by which somebody can be reached.
func contact(im *importer, s setting) {
	for part := range strings.FieldsFuncSeq(s.text(), func(r rune) bool { return strings.ContainsRune(" ();,+<>", r) }) {
		if strings.Contains(part, "@") || strings.Contains(part, "://") {
			im.out.Network.UserAgentContact = part
			return
		}
	}
	im.note("%s: names nobody to contact; set network.user_agent_contact to a URL or an e-mail address", s.path)
}

// goRules are for certstream-server-go.
func goRules() ruleSet {
	return ruleSet{
		keys: map[string]rule{
			"webserver.listen_addr":         to("host"),
			"webserver.listen_port":         to("port"),
			"webserver.cert_path":           to("tls_cert"),
			"webserver.cert_key_path":       to("tls_key"),
			"webserver.trusted_proxies":     to("trusted_proxies"),
			"webserver.full_url":            to("protocols.paths.full"),
			"webserver.lite_url":            to("protocols.paths.lite"),
			"webserver.domains_only_url":    to("protocols.paths.domains_only"),
			"webserver.whitelist":           gone("admit addresses with a firewall or a network policy, or ask for tokens (auth)"),
			"webserver.real_ip":             goRealIP,
			"webserver.compression_enabled": ifOn("has no equivalent: messages are sent uncompressed"),

			"prometheus.enabled":               to("protocols.metrics"),
			"prometheus.listen_addr":           seenToLater,
			"prometheus.listen_port":           seenToLater,
			"prometheus.metrics_url":           goMetricsURL,
			"prometheus.expose_system_metrics": ifOff("is always on"),
			"prometheus.real_ip":               goRealIP,
			"prometheus.whitelist":             gone("metrics have a listener of their own with admin.enabled"),

			"general.disable_default_logs":  goNoDefaultLogs,
			"general.additional_logs":       customLogs(protoRFC6962),
			"general.additional_tiled_logs": customLogs(protoTiled),
			"general.excluded_logs":         goExcluded,
			"excluded_logs":                 goExcluded,
			"general.drop_old_logs":         ifOff("is always on: logs that retire are finished and stopped"),
			"general.buffer_sizes.":         noted("is not needed: a client may fall behind as far as the window reaches (window.size)"),
			"general.recovery.enabled":      seenToLater,
			"general.recovery.ct_index_file": func(im *importer, s setting) {
				im.set("ct_log.state_file", s)
			},
			"streamprocessing": gone("streams go to WebSocket, SSE and TCP clients only"),
		},
		after: goAfter,
	}
}

// The protocols of custom logs.
const (
	protoRFC6962 = "rfc6962"
	protoTiled   = "tiled"
)

// seenToLater is for settings that only make sense together.
func seenToLater(*importer, setting) {}

func ifOn(why string) rule {
	return func(im *importer, s setting) {
		if s.on() {
			im.note("%s: %s", s.path, why)
		}
	}
}

func ifOff(why string) rule {
	return func(im *importer, s setting) {
		if !s.on() {
			im.note("%s: %s", s.path, why)
		}
	}
}

func goRealIP(im *importer, s setting) {
	if s.on() && im.got["webserver.trusted_proxies"].node == nil {
		im.note("%s: X-Forwarded-For is believed only from trusted_proxies; list your proxies' addresses there", s.path)
	}
}

func goMetricsURL(im *importer, s setting) {
	if s.text() != "/metrics" {
		im.note("%s: metrics are at /metrics", s.path)
	}
}

func goNoDefaultLogs(im *importer, s setting) {
	if s.on() {
		im.out.LogList.Source = "none"
	}
}

func goExcluded(im *importer, s setting) {
	for _, item := range s.items() {
		switch {
		case item["url"] != "":
			im.out.Logs.Exclude = append(im.out.Logs.Exclude, withScheme(item["url"]))
		case item["operator"] != "":
			im.out.Logs.Exclude = append(im.out.Logs.Exclude, "operator:"+item["operator"])
		}
	}
}

// withScheme is a URL that certstream-server-go also takes without.
func withScheme(u string) string {
	if strings.Contains(u, "://") {
		return u
	}
	return "https://" + u
}

// goAfter sees to what needs several settings.
func goAfter(im *importer) {
	if file, ok := im.got["general.recovery.ct_index_file"]; ok && !im.got["general.recovery.enabled"].on() {
		im.out.CTLog.StateFile = ""
		im.note("%s: is not taken, because recovery is not enabled", file.path)
	}
	port := im.got["prometheus.listen_port"].text()
	if port == "" || !im.out.Protocols.Metrics || port == strconv.Itoa(im.out.Port) {
		return
	}
	im.out.Admin.Enabled = true
	im.out.Admin.Address = net.JoinHostPort(im.got["prometheus.listen_addr"].text(), port)
	im.note("prometheus.listen_port: is now admin.address, where /status and the probes are, too")
}

// customLogs makes custom logs of a list of mappings.
func customLogs(protocol string) rule {
	known := []string{"name", "description", "url", "operator", "key", "log_origin", "expected_log_id"}
	return func(im *importer, s setting) {
		for _, item := range s.items() {
			for key := range item {
				if !slices.Contains(known, key) {
					im.note("%s: %s has no equivalent for a single log", s.path, key)
				}
			}
			im.out.CustomLogs = append(im.out.CustomLogs, im.customLog(item, protocol))
		}
	}
}

func (im *importer) customLog(item map[string]string, protocol string) CustomLog {
	l := CustomLog{
		Name: cmp.Or(item["name"], item["description"], item["url"]), URL: withScheme(item["url"]), Operator: item["operator"],
		Key: item["key"], Protocol: protocol, MMD: newElemOf[CustomLog]().MMD,
	}
	if origin := item["log_origin"]; origin != "" {
		l.SubmissionURL = withScheme(origin)
	}
	if u, err := url.Parse(l.URL); err == nil && u.Scheme == "http" {
		im.out.Network.AllowHTTP = true
		im.note("%s is read by plain http: network.allow_http is on", l.URL)
	}
	if l.Key == "" {
		im.note("%s: without a key its signatures cannot be checked; add `key` to custom_logs", l.Name)
	}
	return l
}
