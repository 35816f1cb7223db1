package config

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// newElemOf is a T with its defaults.
func newElemOf[T any]() T { return newElem(reflect.TypeFor[T]()).Interface().(T) }

// rustRules are for certstream-server-rust 1.2 to 1.6. Most of its keys are ours.
func rustRules() ruleSet {
	return ruleSet{ours: true, keys: rustKeys(), variables: rustVariables(), after: rustAfter}
}

func rustKeys() map[string]rule {
	const reads = "ct_log."
	return map[string]rule{
		"custom_logs": customLogs(protoRFC6962),
		"static_logs": customLogs(protoTiled),

		reads + "rfc6962_enabled":                withoutProtocol(protoRFC6962),
		reads + "static_ct_enabled":              withoutProtocol(protoTiled),
		reads + "start_overlap_leaves":           rustOverlap,
		reads + "state_recovery":                 to("state.recovery"),
		reads + "log_refresh_interval_secs":      withUnit("log_list.refresh_interval", "s"),
		reads + "partial_tile_wait_secs":         withUnit("ct_log.partial_tile_interval", "s"),
		reads + "max_catchup_lag_entries":        to("ct_log.max_lag_entries"),
		reads + "max_catchup_lag_secs":           withUnit("ct_log.max_lag", "s"),
		reads + "user_agent":                     contact,
		reads + "force_http1_operators":          rustHTTP1,
		reads + "excluded_operators":             exclude("operator:"),
		reads + "excluded_logs":                  exclude(""),
		reads + "default_operator_rate_limit_ms": rustInterval,
		reads + "operator_rate_limits":           rustRateList,
		reads + "operator_rate_limits.":          rustOperatorInterval,
		reads + "checkpoint_signature_mode":      noted("is not needed: signatures are always checked where there is a key"),
		reads + "merkle_verification":            noted("is not needed: the Merkle tree is always checked"),
		reads + "removed_log_policy":             noted("is not needed: a log that is removed is finished and stopped, its state kept"),
		reads + "names_tiles":                    gone("names come from the certificates"),
		reads + "catalog_authority_overrides.":   gone("a list's signature is checked with log_list.key"),

		"rate_limit.refill_rate": to("rate_limit.per_second"),
		"rate_limit.max_tokens":  to("rate_limit.burst_size"),
		"rate_limit.":            rustRateLimit,
		"dedup.":                 noted("has another form: dedup.streams says which streams leave out copies, dedup.memory bounds what is remembered"),
		"api.":                   gone("certificates are not kept for look-up"),
		"nats.":                  gone("streams go to WebSocket, SSE and TCP clients only"),
		"streams.v2":             gone("the log id, the index and the type are in every message"),
	}
}

func rustVariables() map[string]string {
	names := map[string]string{
		"RFC6962_ENABLED": "ct_log.rfc6962_enabled", "STATIC_CT_ENABLED": "ct_log.static_ct_enabled",
		"STATIC_CT_CHECKPOINT_SIGNATURE": "ct_log.checkpoint_signature_mode", "STREAM_V2_ENABLED": "streams.v2",
		"CT_LOG_REMOVED_POLICY": "ct_log.removed_log_policy", "STATIC_CT_MERKLE_VERIFICATION": "ct_log.merkle_verification",
		"STATIC_CT_NAMES_TILES": "ct_log.names_tiles", "USER_AGENT": "ct_log.user_agent", "NATS_ENABLED": "nats.enabled",
		"CT_LOG_REFRESH_INTERVAL_SECS": "ct_log.log_refresh_interval_secs",
		"DEDUP_CAPACITY":               "dedup.capacity", "DEDUP_TTL_SECS": "dedup.ttl_secs",
	}
	all := make(map[string]string, len(names))
	for name, path := range names {
		all[envPrefix+name] = path
	}
	return all
}

// rustRateLimit keeps the two keys of 1.0.x and drops the windows of later versions.
func rustRateLimit(im *importer, s setting) {
	switch s.path {
	case "rate_limit.enabled", "rate_limit.per_second", "rate_limit.burst_size":
		im.set(s.path, s)
	default:
		im.note("%s: has no equivalent: an address has per_second connections, and burst_size at once", s.path)
	}
}

func withoutProtocol(protocol string) rule {
	return func(im *importer, s setting) {
		if !s.on() {
			im.out.Logs.Protocols = slices.DeleteFunc(im.out.Logs.Protocols, func(p string) bool { return p == protocol })
		}
	}
}

func rustOverlap(im *importer, s setting) {
	if s.text() != "0" {
		im.setString("ct_log.start", "head-"+s.text(), s)
	}
}

func exclude(prefix string) rule {
	return func(im *importer, s setting) {
		for _, term := range s.texts() {
			im.out.Logs.Exclude = append(im.out.Logs.Exclude, prefix+term)
		}
	}
}

// operator changes the settings of one operator.
func (im *importer) operator(name string, change func(*Operator)) {
	if im.out.CTLog.Operators == nil {
		im.out.CTLog.Operators = make(map[string]Operator)
	}
	o := im.out.CTLog.Operators[name]
	change(&o)
	im.out.CTLog.Operators[name] = o
}

func rustHTTP1(im *importer, s setting) {
	for _, name := range s.texts() {
		im.operator(name, func(o *Operator) { o.HTTP1 = true })
	}
}

// perSecond turns the time between two requests in ms into requests per second; 0 when it is no such number.
func perSecond(ms string) float64 {
	n, err := strconv.ParseFloat(ms, 64)
	if err != nil || n < 1 {
		return 0
	}
	return 1000 / n
}

func rustInterval(im *importer, s setting) {
	im.out.CTLog.RequestsPerSecond = perSecond(s.text())
	im.note("%s: bounds requests to each operator at %g/s; without ct_log.requests_per_second the streamer finds the limit",
		s.path, im.out.CTLog.RequestsPerSecond)
}

func rustOperatorInterval(im *importer, s setting) {
	name := strings.TrimPrefix(s.path, "ct_log.operator_rate_limits.")
	im.operator(name, func(o *Operator) { o.RequestsPerSecond = perSecond(s.text()) })
}

// rustRateList reads the variable's form: `Name=ms,Name=ms`.
func rustRateList(im *importer, s setting) {
	for _, part := range s.texts() {
		name, ms, ok := strings.Cut(part, "=")
		if !ok || perSecond(ms) == 0 {
			im.note("%s: %s is not a name and a number of ms", s.path, quote(part))
			continue
		}
		im.operator(name, func(o *Operator) { o.RequestsPerSecond = perSecond(ms) })
	}
}

func rustAfter(im *importer) {
	for name := range im.out.CTLog.Operators {
		if name == "" {
			delete(im.out.CTLog.Operators, name)
		}
	}
	if _, ok := im.got["ct_log.state_file"]; !ok {
		im.out.CTLog.StateFile = "certstream_state.json"
		im.note("ct_log.state_file: was not set; certstream_state.json is that server's default")
	}
	if _, ok := im.got["protocols.sse"]; !ok {
		im.out.Protocols.SSE = false
		im.note("protocols.sse: was not set; off is that server's default")
	}
}
