package config

import "strings"

// foreignHint says where a key or variable of another server comes from; "" for what no server has.
func foreignHint(key string) string {
	first, _, _ := strings.Cut(strings.ToLower(key), ".")
	for server, keys := range foreignKeys {
		for _, k := range keys {
			if first == k || strings.HasPrefix(first, k+"_") || strings.EqualFold(key, k) {
				return "it is a setting of " + server + ": `streamer config import FILE` translates it"
			}
		}
	}
	return ""
}

// foreignKeys are settings by which other servers' files are known.
var foreignKeys = map[string][]string{
	"certstream-server-go": {"webserver", "prometheus", "general", "streamprocessing", "excluded_logs"},
	"certstream-server-rust 1.2 or later": {
		"dedup.capacity", "dedup_capacity", "dedup.ttl_secs", "dedup_ttl_secs", "static_logs", "nats", "ct_log.rfc6962_enabled", "ct_log.static_ct_enabled", "ct_log.start_overlap_leaves",
		"ct_log.checkpoint_signature_mode", "ct_log.default_operator_rate_limit_ms", "ct_log.operator_rate_limits",
		"ct_log.state_recovery", "ct_log.user_agent", "rate_limit.max_tokens", "rate_limit.refill_rate",
	},
}
