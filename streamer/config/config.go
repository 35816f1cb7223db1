// Package config is the streamer's configuration: one struct from which defaults, YAML, environment variables, validation,
// the differences that a reload makes, and docs/configuration.md all follow.
//
// A field's comment is its documentation. Its tags say the rest: `yaml` its key, `default` its default in text form, `env`
// its variables where they are not CERTSTREAM_ and the path in capitals (without the prefix; `=NAME` is a whole name), `class`
// whether a change is applied while running ("live") or needs a "restart" (a section's class holds for all in it), `min` and
// `max` its bounds, `enum` its values, `gone` why it is accepted but has no effect.
//
// The keys are those of certstream-server-rust 1.0.x, with the same meaning, and more.
package config

//go:generate go run ./gendoc -o ../../docs/configuration.md

// Config is everything that can be set.
type Config struct {
	// Address to listen on for WebSocket, SSE, HTTP and TCP.
	Host string `yaml:"host" default:"0.0.0.0" class:"restart"`
	// Port of WebSocket, SSE and HTTP. 0 takes a free one.
	Port int `yaml:"port" default:"8080" min:"0" max:"65535" class:"restart"`
	// PEM file with the server's certificate and its intermediates. With `tls_key` it switches TLS on for every port but the
	// admin listener's. Both files are read again when they change.
	TLSCert string `yaml:"tls_cert" class:"restart"`
	// PEM file with the private key of `tls_cert`.
	TLSKey string `yaml:"tls_key" class:"restart"`

	// What is worth a log line, without regard to case. `trace` is taken for `debug`, `warning` for `warn`.
	LogLevel LogLevel `yaml:"log_level" default:"info" enum:"debug,info,warn,error" class:"live"`
	// Log lines as text or as JSON.
	LogFormat string `yaml:"log_format" default:"text" enum:"text,json" class:"restart"`

	// Messages that a client may fall behind before `slow_client` applies, should it be reached before the end of the window
	// is. 0 leaves it to the window alone.
	BufferSize int `yaml:"buffer_size" default:"0" min:"0" max:"1000000000" class:"live"`
	// Time between heartbeats on every stream. CaliDog's Go client dials again after 15s without a message.
	HeartbeatInterval Duration `yaml:"heartbeat_interval" default:"10s" min:"1s" max:"1m" class:"live"`

	// Addresses and networks (CIDR) of reverse proxies whose `X-Forwarded-For` is believed. The right-most address in it
	// that is not of these is the client's.
	TrustedProxies []string `yaml:"trusted_proxies" class:"live"`
	// Origins whose pages may open a stream (`https://example.com`); empty admits all.
	AllowedOrigins []string `yaml:"allowed_origins" class:"live"`

	// Own log list in Google's v3 format, as a URL, `file://` URL or path, in place of `log_list.source`. Its signature is
	// checked with `log_list.key`; Google's own lists are recognised and checked with Google's key.
	CTLogsURL string `yaml:"ct_logs_url" env:"CT_LOGS_URL,=CUSTOM_LOG_LIST" class:"live"`
	// Where the list of logs comes from.
	LogList LogList `yaml:"log_list" class:"live"`
	// Which of the list's logs to follow.
	Logs Selection `yaml:"logs" class:"live"`
	// Logs that are in no list. They are always followed.
	CustomLogs []CustomLog `yaml:"custom_logs" class:"live"`
	// How logs are followed.
	CTLog CTLog `yaml:"ct_log" class:"live"`
	// What a restart resumes from.
	State State `yaml:"state" class:"restart"`
	// How logs and log lists are reached.
	Network Network `yaml:"network" class:"restart"`

	// Protocols and endpoints.
	Protocols Protocols `yaml:"protocols" class:"restart"`
	// Stream kinds. One that is switched off closes its clients with a reason.
	Streams Streams `yaml:"streams" class:"live"`
	// The newest entries, kept in memory for clients that come back.
	Window Window `yaml:"window" class:"restart"`
	// Entries kept on disk, in `state.dir`, for clients that come back when the window no longer has what they missed.
	Retention Retention `yaml:"retention" class:"live"`
	// One certificate, once: copies from further logs, and the final certificate after its precertificate, are left out.
	Dedup Dedup `yaml:"dedup" class:"live"`
	// What happens to a client that has fallen out of the window, or behind `buffer_size`. `gap`: it is told what it missed, and
	// goes on at the head; after three gaps in a minute it is closed with 1013. `close`: it is closed at once.
	SlowClient string `yaml:"slow_client" default:"gap" enum:"gap,close" class:"live"`
	// Bounds of server-side filters.
	Filters Filters `yaml:"filters" class:"live"`
	// Bounds of the number of connections. A lowered limit closes nobody who is in.
	ConnectionLimit ConnectionLimit `yaml:"connection_limit" class:"live"`
	// How fast one address may open connections.
	RateLimit RateLimit `yaml:"rate_limit" class:"live"`
	// Who may read the streams.
	Auth Auth `yaml:"auth" class:"live"`
	// Bounds of HTTP requests.
	HTTP HTTP `yaml:"http" class:"restart"`
	// A second listener for metrics, status, probes and profiles, in plain HTTP. With it on, the public port has streams,
	// `/health` and the examples only.
	Admin Admin `yaml:"admin" class:"restart"`
	// What happens between SIGTERM and the end.
	Drain Drain `yaml:"drain" class:"live"`
	// Whether a changed configuration is applied while running.
	HotReload HotReload `yaml:"hot_reload" class:"restart"`
}

// LogList says where the list of logs comes from.
type LogList struct {
	// `google`: the logs that Chrome knows; `google_all`: with test and rejected logs; `apple`: Apple's list, which has no
	// signature; `google+apple`: both, joined by log id; `none`: only `custom_logs`.
	Source string `yaml:"source" default:"google" enum:"google,google_all,apple,google+apple,none"`
	// Public key that signs the list: a PEM file, or the PEM text itself. Empty means Google's key for Google's lists, and
	// no check for others.
	Key string `yaml:"key"`
	// Time between two looks at the list, give or take a tenth.
	RefreshInterval Duration `yaml:"refresh_interval" default:"1h" min:"1m" max:"168h"`
}

// Selection says which of the list's logs to follow.
type Selection struct {
	// States of logs to follow; `none` is a log without a state. A readonly log is followed to its final tree head.
	States []string `yaml:"states" default:"usable,qualified,readonly" enum:"pending,qualified,usable,readonly,retired,rejected,none"`
	// Operators to follow, by name without regard to case; empty takes all.
	Operators []string `yaml:"operators"`
	// Names (descriptions in the list) to follow, as globs with `*` and `?`, without regard to case; empty takes all.
	Names []string `yaml:"names"`
	// Log ids (base64, or 64 hex digits) to follow; empty takes all.
	LogIDs []string `yaml:"log_ids"`
	// Protocols of logs to follow.
	Protocols []string `yaml:"protocols" default:"rfc6962,tiled" enum:"rfc6962,tiled"`
	// Leave out shards for certificates that all expire before this time (`2026-07-01`, or RFC 3339).
	ExpiresFrom Time `yaml:"expires_from"`
	// Leave out shards for certificates that all expire at or after this time.
	ExpiresUntil Time `yaml:"expires_until"`
	// Logs to follow whatever the settings above say: name globs, log ids, URLs, or `operator:NAME`.
	Include []string `yaml:"include"`
	// Logs not to follow whatever all else says, in the forms of `include`.
	Exclude []string `yaml:"exclude"`
}

// CustomLog is a log that is in no list.
type CustomLog struct {
	// Name in messages.
	Name string `yaml:"name"`
	// Prefix it is read from: of RFC 6962 logs what `/ct/v1/` follows, of tiled logs the monitoring prefix.
	URL string `yaml:"url"`
	// Public key (SPKI) in base64 or PEM. Without it signatures cannot be checked and entries are sent unverified.
	Key string `yaml:"key"`
	// Operator in messages; pacing is per operator. Empty means a name of its own.
	Operator string `yaml:"operator"`
	// How it is read.
	Protocol string `yaml:"protocol" default:"rfc6962" enum:"rfc6962,tiled"`
	// Submission prefix of a tiled log, whose host and path are the origin of its checkpoints. Empty means `url`.
	SubmissionURL string `yaml:"submission_url"`
	// Maximum merge delay.
	MMD Duration `yaml:"mmd" default:"24h" min:"1s" max:"720h"`
}

// CTLog says how logs are followed.
type CTLog struct {
	// Where to begin in a log that has no checkpoint: `head` (a new log, of fewer than 10,000 entries, is read whole),
	// `head-1000`, `index:4711`, or a time (`2026-07-01`, RFC 3339).
	Start Start `yaml:"start" default:"head"`
	// Entries behind its head at which a log is skipped to its head, with a gap message to every client. 0 never skips.
	MaxLagEntries int64 `yaml:"max_lag_entries" default:"0" min:"0"`
	// Time behind at which a log is skipped to its head, with a gap message to every client. 0s never skips.
	MaxLag Duration `yaml:"max_lag" default:"0s" min:"0s"`
	// Entries per second that backlogs of all logs together add to the live stream. 0 takes four times the live rate, at
	// least 2,000.
	CatchUpRate int `yaml:"catch_up_rate" default:"0" min:"0" max:"10000000"`

	// Entries to ask for at once at first; what a log really serves is learned from its answers.
	BatchSize int `yaml:"batch_size" env:"CT_LOG_BATCH_SIZE,BATCH_SIZE" default:"256" min:"1" max:"100000"`
	// Ranges fetched at the same time from one log that is behind.
	FetchConcurrency int `yaml:"fetch_concurrency" default:"4" min:"1" max:"16"`
	// Time between two looks at the tree head of a log that grows, in ms; it is stretched up to 30s while the log is idle.
	PollIntervalMS int `yaml:"poll_interval_ms" env:"CT_LOG_POLL_INTERVAL_MS,POLL_INTERVAL_MS" default:"2000" min:"100" max:"3600000"`
	// Time between two fetches of a partial data tile of one log.
	PartialTileInterval Duration `yaml:"partial_tile_interval" default:"10s" min:"5s" max:"10m"`
	// Requests per second to one operator at most. 0 finds what the operator bears.
	RequestsPerSecond float64 `yaml:"requests_per_second" default:"0" min:"0" max:"10000"`
	// How much of a log is checked against its signed tree heads. `full`: every entry is hashed and the root compared at each tree
	// head; `consistency`: the log proves that each tree head continues the one before; `off`: signatures of tree heads only.
	// The stream never waits for it.
	Verification string `yaml:"verification" default:"full" enum:"off,consistency,full"`
	// Settings of single operators, by name.
	Operators map[string]Operator `yaml:"operators"`

	// Time for a log to begin its answer, in s. Bodies have a minimum throughput instead.
	RequestTimeoutSecs int `yaml:"request_timeout_secs" env:"CT_LOG_REQUEST_TIMEOUT_SECS,REQUEST_TIMEOUT_SECS" default:"30" min:"1" max:"600"`
	// Failed tries in a row before a log's breaker opens.
	RetryMaxAttempts int `yaml:"retry_max_attempts" env:"CT_LOG_RETRY_MAX_ATTEMPTS,RETRY_MAX_ATTEMPTS" default:"5" min:"1" max:"1000"`
	// First wait after a failure, in ms; it doubles from one to the next, with jitter.
	RetryInitialDelayMS int `yaml:"retry_initial_delay_ms" env:"CT_LOG_RETRY_INITIAL_DELAY_MS,RETRY_INITIAL_DELAY_MS" default:"1000" min:"10" max:"600000"`
	// Longest wait after a failure, in ms.
	RetryMaxDelayMS int `yaml:"retry_max_delay_ms" env:"CT_LOG_RETRY_MAX_DELAY_MS,RETRY_MAX_DELAY_MS" default:"60000" min:"10" max:"3600000"`
	// Accepted from certstream-server-rust; without effect.
	HealthyThreshold int `yaml:"healthy_threshold" env:"CT_LOG_HEALTHY_THRESHOLD,HEALTHY_THRESHOLD" default:"2" min:"1" max:"1000" gone:"the first successful request closes a log's breaker"`
	// Accepted from certstream-server-rust; without effect.
	UnhealthyThreshold int `yaml:"unhealthy_threshold" env:"CT_LOG_UNHEALTHY_THRESHOLD,UNHEALTHY_THRESHOLD" default:"5" min:"1" max:"1000" gone:"ct_log.retry_max_attempts says after how many failures a log's breaker opens"`
	// Accepted from certstream-server-rust; without effect.
	HealthCheckIntervalSecs int `yaml:"health_check_interval_secs" env:"CT_LOG_HEALTH_CHECK_INTERVAL_SECS,HEALTH_CHECK_INTERVAL_SECS" default:"60" min:"1" max:"3600" gone:"a log whose breaker is open is probed with growing waits, up to ct_log.retry_max_delay_ms"`

	// State file of certstream-server-rust or certstream-server-go. It stands for a `state.dir` of the same name with `.d`
	// after it, into which the file is imported once; the file itself is never written.
	StateFile string `yaml:"state_file" env:"CT_LOG_STATE_FILE,STATE_FILE" class:"restart"`
	// Memory for issuing certificates of tiled logs, shared by all.
	IssuerCache Bytes `yaml:"issuer_cache" default:"16MiB" min:"1MiB" max:"4GiB" class:"restart"`
}

// Operator is how one operator's logs are treated.
type Operator struct {
	// Requests per second at most; 0 finds it.
	RequestsPerSecond float64 `yaml:"requests_per_second" default:"0" min:"0" max:"10000"`
	// Use HTTP/1.1, for limits that count per connection.
	HTTP1 bool `yaml:"http1" default:"false"`
	// Read the entries of RFC 6962 logs as tiles, for operators that serve both: TrustAsia's tiles answer many times faster
	// than its get-entries.
	Tiles bool `yaml:"tiles" default:"false"`
}

// State says what a restart resumes from.
type State struct {
	// Directory for checkpoints and the last good log list. Empty keeps nothing: every start begins at `ct_log.start`.
	Dir string `yaml:"dir"`
	// Time between checkpoints: what a crash repeats at most.
	Interval Duration `yaml:"interval" default:"5s" min:"100ms" max:"10m"`
	// When no checkpoint in the directory can be read: `fail` with an error, or start `fresh` with a new epoch.
	Recovery string `yaml:"recovery" default:"fail" enum:"fail,fresh"`
}

// StateDir is the directory to keep state in, empty for none, and the other server's state file to import into it while it is
// empty, if there is one.
func (c *Config) StateDir() (dir, importFrom string) {
	if c.State.Dir != "" || c.CTLog.StateFile == "" {
		return c.State.Dir, ""
	}
	return c.CTLog.StateFile + ".d", c.CTLog.StateFile
}

// Network says how logs and log lists are reached.
type Network struct {
	// Proxy URL. Empty obeys HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
	Proxy Secret `yaml:"proxy"`
	// PEM file of roots to trust besides the system's and the embedded ones; read again when it changes.
	CABundle string `yaml:"ca_bundle"`
	// Allow logs and lists at loopback and private addresses. Link-local ones never are.
	AllowPrivateAddresses bool `yaml:"allow_private_addresses" default:"false"`
	// Allow plain http.
	AllowHTTP bool `yaml:"allow_http" default:"false"`
	// Accept TLS certificates that do not verify: signatures and Merkle roots authenticate what logs with keys serve.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify" default:"false"`
	// URL or e-mail address in the User-Agent, by which an operator can reach you. Some slow down clients without one.
	UserAgentContact string `yaml:"user_agent_contact"`
}

// Protocols says what is served where.
type Protocols struct {
	// WebSocket streams.
	WebSocket bool `yaml:"websocket" env:"WS_ENABLED" default:"true"`
	// Server-Sent Events.
	SSE bool `yaml:"sse" env:"SSE_ENABLED" default:"true"`
	// Raw TCP: one JSON message a line.
	TCP bool `yaml:"tcp" env:"TCP_ENABLED" default:"false"`
	// Port of raw TCP. 0 takes a free one.
	TCPPort int `yaml:"tcp_port" env:"TCP_PORT" default:"8081" min:"0" max:"65535"`
	// `/metrics`.
	Metrics bool `yaml:"metrics" env:"METRICS_ENABLED" default:"true"`
	// `/health` and `/health/deep`; `/livez` and `/readyz` are always there.
	Health bool `yaml:"health" env:"HEALTH_ENABLED" default:"true"`
	// `/example.json` and its siblings.
	ExampleJSON bool `yaml:"example_json" env:"EXAMPLE_JSON_ENABLED" default:"true"`
	// `/status`, `/api/stats`, `/api/logs` and `/latest.json`.
	API bool `yaml:"api" env:"API_ENABLED" default:"true"`
	// Paths of the streams.
	Paths Paths `yaml:"paths"`
}

// Paths are the streams' URL paths.
type Paths struct {
	// Lite stream (WebSocket).
	Lite string `yaml:"lite" default:"/"`
	// Full stream (WebSocket).
	Full string `yaml:"full" default:"/full-stream"`
	// Domains-only stream (WebSocket).
	DomainsOnly string `yaml:"domains_only" default:"/domains-only"`
	// All streams as Server-Sent Events, by `?stream=`.
	SSE string `yaml:"sse" default:"/sse"`
}

// Streams switches stream kinds.
type Streams struct {
	// With DER and chain.
	Full bool `yaml:"full" env:"STREAM_FULL_ENABLED" default:"true"`
	// Without DER and chain.
	Lite bool `yaml:"lite" env:"STREAM_LITE_ENABLED" default:"true"`
	// Names only.
	DomainsOnly bool `yaml:"domains_only" env:"STREAM_DOMAINS_ONLY_ENABLED" default:"true"`
}

// Window is the engine's memory.
type Window struct {
	// Memory for entries that clients can come back for.
	Size Bytes `yaml:"size" default:"32MiB" min:"1MiB" max:"64GiB"`
}

// Retention is what is kept on disk.
type Retention struct {
	// Disk space for entries: 0, or 16MiB and more. 0 keeps none, and removes those that were kept. A volume needs some 100 MiB more
	// than this.
	MaxBytes Bytes `yaml:"max_bytes" default:"0" min:"0" max:"65536GiB"`
	// Age at which entries are removed: 0s, or 1m and more. 0s keeps them as long as there is space.
	MaxAge Duration `yaml:"max_age" default:"0s" min:"0s" max:"87600h"`
}

// Dedup says who gets each certificate once only.
type Dedup struct {
	// Stream kinds whose clients get it so where they do not ask for `dedup=0`. Clients of others ask for `dedup=1`. A change
	// holds for clients that come after it. `domains` is `domains-only`.
	Streams []string `yaml:"streams" enum:"full,lite,domains-only,domains"`
	// Memory for the certificates that were sent, shared by all filters with deduplication: of one, 32MiB hold the last half a
	// million. What is forgotten is sent again.
	Memory Bytes `yaml:"memory" default:"32MiB" min:"1MiB" max:"64GiB"`
}

// Filters bounds server-side filters.
type Filters struct {
	// Bytes of one regular expression.
	MaxPatternLength int `yaml:"max_pattern_length" default:"512" min:"1" max:"65536"`
	// Patterns of one client; of suffixes it may have ten times as many.
	MaxPerClient int `yaml:"max_per_client" default:"100" min:"1" max:"100000"`
	// Different filters of all clients together; further ones get 503.
	MaxTotal int `yaml:"max_total" default:"20000" min:"1" max:"10000000"`
	// Different filters with regular expressions of one address; further ones get 503.
	MaxRegexPerIP int `yaml:"max_regex_per_ip" default:"16" min:"0" max:"1000000"`
	// Processor cores that regular expressions may use in all. Where it is not enough, new ones get 503.
	RegexBudget float64 `yaml:"regex_budget" default:"0.25" min:"0" max:"1024"`
}

// ConnectionLimit bounds the number of connections.
type ConnectionLimit struct {
	// Whether these limits apply.
	Enabled bool `yaml:"enabled" env:"CONNECTION_LIMIT_ENABLED" default:"false"`
	// Connections in all; 0 is no limit.
	MaxConnections int `yaml:"max_connections" env:"CONNECTION_LIMIT_MAX_CONNECTIONS,MAX_CONNECTIONS" default:"10000" min:"0"`
	// Connections of one address (IPv6: of one /64); 0 is no limit.
	PerIPLimit int `yaml:"per_ip_limit" env:"CONNECTION_LIMIT_PER_IP_LIMIT,PER_IP_LIMIT" default:"100" min:"0"`
}

// RateLimit bounds how fast connections are opened.
type RateLimit struct {
	// Whether this limit applies.
	Enabled bool `yaml:"enabled" default:"false"`
	// New connections per second of one address (IPv6: of one /64).
	PerSecond float64 `yaml:"per_second" default:"10" min:"0.001" max:"1000000"`
	// New connections that it may open at once.
	BurstSize int `yaml:"burst_size" default:"20" min:"1" max:"1000000"`
}

// Auth says who may read the streams.
type Auth struct {
	// Whether a token is asked for.
	Enabled bool `yaml:"enabled" default:"false"`
	// Tokens: each a string, or `{name, token}`. Names are what logs and metrics show. In the variable, separated by commas.
	Tokens []Token `yaml:"tokens"`
	// Directory of tokens: one file each, whose name is the token's. Read again when it changes.
	TokensDir string `yaml:"tokens_dir"`
	// File of tokens: one a line, as `name: token` or alone. Read again when it changes.
	TokensFile string `yaml:"tokens_file"`
	// Header that carries the token, after `Bearer` where there is one.
	HeaderName string `yaml:"header_name" env:"AUTH_HEADER_NAME,AUTH_HEADER" default:"Authorization"`
	// Also take the token as `?token=`, for clients that cannot set headers.
	QueryToken bool `yaml:"query_token" default:"false"`
}

// Token admits its bearer.
type Token struct {
	// Name is what logs, metrics and status show; empty means its place in the list.
	Name string `yaml:"name"`
	// Token is what the client sends.
	Token Secret `yaml:"token"`
}

// HTTP bounds requests.
type HTTP struct {
	// Time for a client to send its request's header, or the first bytes of TCP with TLS.
	HeaderTimeout Duration `yaml:"header_timeout" default:"10s" min:"1s" max:"5m"`
	// Time for a TLS handshake.
	HandshakeTimeout Duration `yaml:"handshake_timeout" default:"10s" min:"1s" max:"5m"`
	// Bytes of a request's header.
	MaxHeaderBytes Bytes `yaml:"max_header_bytes" default:"16KiB" min:"1KiB" max:"1MiB"`
}

// Admin is the second listener.
type Admin struct {
	// Whether there is one.
	Enabled bool `yaml:"enabled" default:"false"`
	// Where it listens.
	Address string `yaml:"address" default:"127.0.0.1:9090"`
	// Whether it serves `/debug/pprof/`.
	Pprof bool `yaml:"pprof" default:"false"`
}

// Drain says how a shutdown goes.
type Drain struct {
	// Time over which clients are closed, spread evenly.
	Period Duration `yaml:"period" default:"5s" min:"0s" max:"1h"`
	// Time to go on serving, not ready any more, before the first is closed.
	Delay Duration `yaml:"delay" default:"500ms" min:"0s" max:"10m"`
}

// HotReload says whether a changed configuration is applied while running. SIGHUP always has it read again.
type HotReload struct {
	// Whether the file's directory is watched.
	Enabled bool `yaml:"enabled" default:"true"`
	// File to watch and to read again, where it is not the one loaded; or a further directory to watch.
	WatchPath string `yaml:"watch_path"`
}
