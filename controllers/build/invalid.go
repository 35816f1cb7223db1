package build

import (
	"fmt"
	"strings"

	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// InvalidError says all that is wrong with a spec. The keys of its problems are fields: spec.logs.start.
type InvalidError struct {
	Problems []config.Problem
}

// Error is one line: the first problems, and how many more there are.
func (e *InvalidError) Error() string {
	const most = 3
	var lines []string
	for _, p := range e.Problems[:min(most, len(e.Problems))] {
		lines = append(lines, p.String())
	}
	if more := len(e.Problems) - most; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(lines, ". ")
}

// inSpec names a problem's setting, and those in its fix, as the spec does.
func inSpec(p config.Problem) config.Problem {
	names := specNames()
	key := p.Key
	p.Key = "spec"
	for i := 0; i < len(names); i += 2 {
		if rest, found := strings.CutPrefix(key, names[i]); found && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
			p.Key = names[i+1] + memberNames().Replace(rest)
			break
		}
	}
	// Only keys with a dot: a bare one may be any word.
	var dotted []string
	for i := 0; i < len(names); i += 2 {
		if strings.Contains(names[i], ".") {
			dotted = append(dotted, names[i:i+2]...)
		}
	}
	p.Fix = strings.NewReplacer(dotted...).Replace(p.Fix)
	return p
}

// memberNames renames the keys of a custom log and of an operator.
func memberNames() *strings.Replacer {
	return strings.NewReplacer(".submission_url", ".submissionURL", ".requests_per_second", ".requestsPerSecond")
}

// specNames are pairs: a setting of the streamer, and the field of the spec that it comes from. A longer one comes before the
// one that it is in.
func specNames() []string {
	return []string{
		"port", "spec.protocols.port",
		"tls_cert", "spec.tls",
		"tls_key", "spec.tls",
		"log_level", "spec.logLevel",
		"buffer_size", "spec.limits.messagesBehind",
		"trusted_proxies", "spec.limits.trustedProxies",
		"allowed_origins", "spec.limits.allowedOrigins",
		"slow_client", "spec.limits.slowClient",
		"ct_logs_url", "spec.logs.list.url",
		"custom_logs", "spec.logs.custom",
		"log_list.source", "spec.logs.list.source",
		"log_list.key", "spec.logs.list.key",
		"log_list.refresh_interval", "spec.logs.list.refreshInterval",
		"logs.log_ids", "spec.logs.select.ids",
		"logs.expires_from", "spec.logs.select.expiresFrom",
		"logs.expires_until", "spec.logs.select.expiresUntil",
		"logs", "spec.logs.select",
		"ct_log.start", "spec.logs.start",
		"ct_log.verification", "spec.logs.verification",
		"ct_log.max_lag_entries", "spec.logs.maxLagEntries",
		"ct_log.max_lag", "spec.logs.maxLag",
		"ct_log.catch_up_rate", "spec.logs.catchUpRate",
		"ct_log.batch_size", "spec.logs.pacing.batchSize",
		"ct_log.fetch_concurrency", "spec.logs.pacing.concurrency",
		"ct_log.poll_interval_ms", "spec.logs.pacing.pollInterval",
		"ct_log.partial_tile_interval", "spec.logs.pacing.partialTileInterval",
		"ct_log.requests_per_second", "spec.logs.pacing.requestsPerSecond",
		"ct_log.operators", "spec.logs.pacing.operators",
		"state.interval", "spec.state.checkpointInterval",
		"state.recovery", "spec.state.recovery",
		"retention.max_bytes", "spec.state.retention.maxBytes",
		"retention.max_age", "spec.state.retention.maxAge",
		"dedup.streams", "spec.protocols.streams.dedup.default",
		"dedup.memory", "spec.protocols.streams.dedup.memory",
		"network.proxy", "spec.logs.proxy.url",
		"network.ca_bundle", "spec.logs.caBundle",
		"network.allow_private_addresses", "spec.logs.allowPrivateAddresses",
		"network.allow_http", "spec.logs.allowHTTP",
		"network.user_agent_contact", "spec.logs.contact",
		"protocols.websocket", "spec.protocols.webSocket.enabled",
		"protocols.sse", "spec.protocols.sse.enabled",
		"protocols.tcp_port", "spec.protocols.tcp.port",
		"protocols.tcp", "spec.protocols.tcp.enabled",
		"protocols.paths.lite", "spec.protocols.webSocket.litePath",
		"protocols.paths.full", "spec.protocols.webSocket.fullPath",
		"protocols.paths.domains_only", "spec.protocols.webSocket.domainsOnlyPath",
		"protocols.paths.sse", "spec.protocols.sse.path",
		"streams.domains_only", "spec.protocols.streams.domainsOnly",
		"streams", "spec.protocols.streams",
		"window.size", "spec.limits.window",
		"filters.max_pattern_length", "spec.limits.filters.patternLength",
		"filters.max_per_client", "spec.limits.filters.perClient",
		"filters.max_total", "spec.limits.filters.total",
		"filters.max_regex_per_ip", "spec.limits.filters.regexPerIP",
		"filters.regex_budget", "spec.limits.filters.regexCPU",
		"connection_limit.max_connections", "spec.limits.connections",
		"connection_limit.per_ip_limit", "spec.limits.connectionsPerIP",
		"rate_limit.per_second", "spec.limits.rate.perSecond",
		"rate_limit.burst_size", "spec.limits.rate.burst",
		"auth.header_name", "spec.auth.headerName",
		"auth.query_token", "spec.auth.queryToken",
		"auth", "spec.auth",
		// The admin port is fixed: it is the other one that has to give way.
		"admin.address", "spec.protocols.port",
		"drain.period", "spec.drainSeconds",
	}
}
