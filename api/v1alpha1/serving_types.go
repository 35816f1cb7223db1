package v1alpha1

import "k8s.io/apimachinery/pkg/api/resource"

// ProtocolsSpec says what is served, where in the pod.
//
// +kubebuilder:validation:XValidation:rule="!has(self.webSocket) || !has(self.sse) || !has(self.tcp) || self.webSocket.enabled || self.sse.enabled || self.tcp.enabled",message="enable at least one of spec.protocols.webSocket, sse and tcp"
// +kubebuilder:validation:XValidation:rule="!has(self.sse) || !has(self.webSocket) || !(self.sse.path in [self.webSocket.litePath, self.webSocket.fullPath, self.webSocket.domainsOnlyPath])",fieldPath=".sse.path",message="the path of SSE is a path of webSocket already: choose another"
// +kubebuilder:validation:XValidation:rule="!has(self.port) || !has(self.tcp) || self.port != self.tcp.port",fieldPath=".tcp.port",message="spec.protocols.port and spec.protocols.tcp.port must differ"
// +kubebuilder:validation:XValidation:rule="!has(self.port) || !has(self.tcp) || (self.port != 9090 && self.tcp.port != 9090)",message="port 9090 is the pod's admin port: choose another"
type ProtocolsSpec struct {
	// Port of the pod for WebSocket and SSE; `service.port` is what clients see. Restart.
	// +optional
	// +kubebuilder:default=8080
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// WebSocket streams.
	// +optional
	// +kubebuilder:default={}
	WebSocket WebSocketSpec `json:"webSocket,omitempty"`
	// Server-Sent Events.
	// +optional
	// +kubebuilder:default={}
	SSE SSESpec `json:"sse,omitempty"`
	// Raw TCP: one JSON message a line.
	// +optional
	// +kubebuilder:default={}
	TCP TCPSpec `json:"tcp,omitempty"`
	// Stream kinds. Clients of one that is switched off are closed with a reason. Live.
	// +optional
	// +kubebuilder:default={}
	Streams StreamsSpec `json:"streams,omitempty"`
}

// WebSocketSpec is how WebSocket is served.
//
// +kubebuilder:validation:XValidation:rule="!has(self.litePath) || !has(self.fullPath) || !has(self.domainsOnlyPath) || (self.litePath != self.fullPath && self.fullPath != self.domainsOnlyPath && self.litePath != self.domainsOnlyPath)",message="litePath, fullPath and domainsOnlyPath must differ"
type WebSocketSpec struct {
	// Whether it is served. Restart.
	// +optional
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`
	// Path of the lite stream: names, subject, issuer, validity, fingerprints. Restart.
	// +optional
	// +kubebuilder:default="/"
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^/([-._~A-Za-z0-9]+(/[-._~A-Za-z0-9]+)*)?$') && !self.matches('/[.]{1,2}(/|$)') && !self.matches('^/(health|livez|readyz|metrics|status|api|debug|latest[.]json|example[.]json)(/|$)')",message="a path is / or of the form /word/word, of letters, digits and -._~; /health, /livez, /readyz, /metrics, /status, /api, /debug, /latest.json and /example.json are the streamer's own"
	LitePath string `json:"litePath,omitempty"`
	// Path of the full stream: with the certificate and its chain in DER. Restart.
	// +optional
	// +kubebuilder:default="/full-stream"
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^/([-._~A-Za-z0-9]+(/[-._~A-Za-z0-9]+)*)?$') && !self.matches('/[.]{1,2}(/|$)') && !self.matches('^/(health|livez|readyz|metrics|status|api|debug|latest[.]json|example[.]json)(/|$)')",message="a path is / or of the form /word/word, of letters, digits and -._~; /health, /livez, /readyz, /metrics, /status, /api, /debug, /latest.json and /example.json are the streamer's own"
	FullPath string `json:"fullPath,omitempty"`
	// Path of the domains-only stream: names alone. Restart.
	// +optional
	// +kubebuilder:default="/domains-only"
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^/([-._~A-Za-z0-9]+(/[-._~A-Za-z0-9]+)*)?$') && !self.matches('/[.]{1,2}(/|$)') && !self.matches('^/(health|livez|readyz|metrics|status|api|debug|latest[.]json|example[.]json)(/|$)')",message="a path is / or of the form /word/word, of letters, digits and -._~; /health, /livez, /readyz, /metrics, /status, /api, /debug, /latest.json and /example.json are the streamer's own"
	DomainsOnlyPath string `json:"domainsOnlyPath,omitempty"`
}

// SSESpec is how Server-Sent Events are served.
type SSESpec struct {
	// Whether they are served. Restart.
	// +optional
	// +kubebuilder:default=true
	Enabled *bool `json:"enabled,omitempty"`
	// Path of all streams, told apart by `?stream=`. Restart.
	// +optional
	// +kubebuilder:default="/sse"
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self != '/' && self.matches('^/([-._~A-Za-z0-9]+(/[-._~A-Za-z0-9]+)*)?$') && !self.matches('/[.]{1,2}(/|$)') && !self.matches('^/(health|livez|readyz|metrics|status|api|debug|latest[.]json|example[.]json)(/|$)')",message="the path of SSE is of the form /word/word, of letters, digits and -._~; /health, /livez, /readyz, /metrics, /status, /api, /debug, /latest.json and /example.json are the streamer's own"
	Path string `json:"path,omitempty"`
}

// TCPSpec is how raw TCP is served.
type TCPSpec struct {
	// Whether it is served. Restart.
	// +optional
	// +kubebuilder:default=false
	Enabled *bool `json:"enabled,omitempty"`
	// Port of the pod; `service.tcpPort` is what clients see. Restart.
	// +optional
	// +kubebuilder:default=8081
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// StreamsSpec switches stream kinds.
//
// +kubebuilder:validation:XValidation:rule="!has(self.full) || !has(self.lite) || !has(self.domainsOnly) || self.full || self.lite || self.domainsOnly",message="leave at least one of spec.protocols.streams.full, lite and domainsOnly on"
type StreamsSpec struct {
	// With the certificate and its chain in DER.
	// +optional
	// +kubebuilder:default=true
	Full *bool `json:"full,omitempty"`
	// Without DER.
	// +optional
	// +kubebuilder:default=true
	Lite *bool `json:"lite,omitempty"`
	// Names alone.
	// +optional
	// +kubebuilder:default=true
	DomainsOnly *bool `json:"domainsOnly,omitempty"`
	// Who gets each certificate once only, though several logs publish it, and its precertificate before. A copy is left out only
	// where the client has been sent, or can still resume from, an earlier one. Live.
	// +optional
	// +kubebuilder:default={}
	Dedup DedupSpec `json:"dedup,omitempty"`
}

// StreamKind is a kind of stream.
//
// +kubebuilder:validation:Enum=Full;Lite;DomainsOnly
type StreamKind string

// The kinds of streams.
const (
	StreamFull        StreamKind = "Full"
	StreamLite        StreamKind = "Lite"
	StreamDomainsOnly StreamKind = "DomainsOnly"
)

// DedupSpec says who gets each certificate once only.
type DedupSpec struct {
	// Stream kinds whose clients get it so unless they ask for `dedup=0`. Clients of the others ask for `dedup=1`. Absent is none.
	// A change holds for clients that come after it. Live.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	Default []StreamKind `json:"default,omitempty"`
	// Memory for the certificates that were sent, shared by all filters with deduplication: 1Mi to 64Gi. What is forgotten is sent
	// again. Live.
	// +optional
	// +kubebuilder:default="32Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('64Gi')) <= 0",message="spec.protocols.streams.dedup.memory is between 1Mi and 64Gi"
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// SlowClientPolicy is what happens to a client that has fallen behind.
//
// +kubebuilder:validation:Enum=Gap;Close
type SlowClientPolicy string

// The policies for slow clients.
const (
	// SlowClientGap tells the client what it missed and goes on at the head; after three gaps in a minute it is closed.
	SlowClientGap SlowClientPolicy = "Gap"
	// SlowClientClose closes it at once.
	SlowClientClose SlowClientPolicy = "Close"
)

// LimitsSpec bounds connections, filters and memory. A lowered limit closes nobody who is in.
type LimitsSpec struct {
	// Connections in all; 0 is no limit. Live.
	// +optional
	// +kubebuilder:default=10000
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000000
	Connections *int32 `json:"connections,omitempty"`
	// Connections of one address (IPv6: of one /64); 0 is no limit. Behind a proxy, an Ingress or a node that hides clients'
	// addresses, set `trustedProxies` or `service.externalTrafficPolicy: Local` too. Live.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10000000
	ConnectionsPerIP *int32 `json:"connectionsPerIP,omitempty"`
	// How fast one address may open connections; absent is no limit. Live.
	// +optional
	Rate *RateLimit `json:"rate,omitempty"`
	// Bounds of server-side filters. Live.
	// +optional
	// +kubebuilder:default={}
	Filters FilterLimits `json:"filters,omitempty"`
	// What happens to a client that has fallen out of the window, or behind `messagesBehind`: `Gap` tells it what it missed and
	// goes on at the head, `Close` closes it. Live.
	// +optional
	// +kubebuilder:default=Gap
	SlowClient SlowClientPolicy `json:"slowClient,omitempty"`
	// Messages that a client may fall behind before `slowClient` applies, should it be reached before the end of the window is.
	// 0 leaves it to the window alone. Live.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000000
	MessagesBehind *int32 `json:"messagesBehind,omitempty"`
	// Memory for the newest entries, which clients that come back can ask for: 1Mi to 64Gi. Restart.
	// +optional
	// +kubebuilder:default="32Mi"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('1Mi')) >= 0 && quantity(string(self)).compareTo(quantity('64Gi')) <= 0",message="spec.limits.window is between 1Mi and 64Gi"
	Window *resource.Quantity `json:"window,omitempty"`
	// Addresses and networks (CIDR) of reverse proxies whose `X-Forwarded-For` is believed. Live.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:XValidation:rule="isIP(self) || isCIDR(self)",message="an entry of spec.limits.trustedProxies is an IP address or a network such as 10.0.0.0/8"
	TrustedProxies []string `json:"trustedProxies,omitempty"`
	// Origins whose pages may open a stream (`https://example.com`); absent admits all. Live.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=256
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^https?://([-.A-Za-z0-9_]+|[[][0-9a-fA-F:]+])(:[0-9]{1,5})?$')",message="an origin is scheme, host and port alone, such as https://example.com"
	AllowedOrigins []string `json:"allowedOrigins,omitempty"`
}

// RateLimit is how fast one address may open connections.
type RateLimit struct {
	// New connections per second of one address (IPv6: of one /64).
	// +optional
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	PerSecond *int32 `json:"perSecond,omitempty"`
	// New connections that it may open at once.
	// +optional
	// +kubebuilder:default=20
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Burst *int32 `json:"burst,omitempty"`
}

// FilterLimits bounds server-side filters.
type FilterLimits struct {
	// Bytes of one regular expression.
	// +optional
	// +kubebuilder:default=512
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65536
	PatternLength *int32 `json:"patternLength,omitempty"`
	// Patterns of one client; of suffixes it may have ten times as many.
	// +optional
	// +kubebuilder:default=100
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	PerClient *int32 `json:"perClient,omitempty"`
	// Different filters of all clients together; further ones get 503.
	// +optional
	// +kubebuilder:default=20000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	Total *int32 `json:"total,omitempty"`
	// Different filters with regular expressions of one address; further ones get 503.
	// +optional
	// +kubebuilder:default=16
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	RegexPerIP *int32 `json:"regexPerIP,omitempty"`
	// Processor time that regular expressions may use in all, as cores: `250m`. Where it is not enough, new ones get 503.
	// +optional
	// +kubebuilder:default="250m"
	// +kubebuilder:validation:XValidation:rule="quantity(string(self)).compareTo(quantity('0')) >= 0 && quantity(string(self)).compareTo(quantity('1024')) <= 0",message="spec.limits.filters.regexCPU is between 0 and 1024 cores"
	RegexCPU *resource.Quantity `json:"regexCPU,omitempty"`
}

// AuthSpec says who may read the streams. What the Secrets contain, the header and the query token are live; which Secrets there
// are is of class restart, because the pod mounts them.
type AuthSpec struct {
	// Secrets of this namespace that hold the tokens. A changed Secret is in force within seconds; to rotate without a break
	// keep old and new side by side for a while.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	// +kubebuilder:validation:XValidation:rule="self.all(a, !has(a.key) || self.exists_one(b, has(b.key) && (has(b.name) ? b.name : b.key) == (has(a.name) ? a.name : a.key)))",message="two entries of spec.auth.tokens give a token the same name: set another name"
	Tokens []TokenSource `json:"tokens"`
	// Header that carries the token, after `Bearer` where there is one.
	// +optional
	// +kubebuilder:default=Authorization
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-!#$%&*+.^_|~0-9A-Za-z]+$')",message="a header's name is of letters, digits and '-', such as Authorization or X-API-Key"
	HeaderName string `json:"headerName,omitempty"`
	// Also take the token as `?token=`, for clients that cannot set headers. URLs end up in logs: prefer the header.
	// +optional
	QueryToken bool `json:"queryToken,omitempty"`
}

// TokenSource is a Secret with tokens: all of its keys, or one.
//
// +kubebuilder:validation:XValidation:rule="!has(self.name) || has(self.key)",fieldPath=".name",message="name is for a single key: without key each key of the Secret is a token's name"
type TokenSource struct {
	// Name of the Secret. Without `key` each of its keys is a token's name and the value the token.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	SecretName string `json:"secretName"`
	// The one key to take.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$')",message="letters, digits, '-', '_' and '.' are allowed, and no '.' at the beginning"
	Key string `json:"key,omitempty"`
	// The token's name in logs and metrics; absent means `key`.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-_a-zA-Z0-9][-._a-zA-Z0-9]*$')",message="letters, digits, '-', '_' and '.' are allowed, and no '.' at the beginning"
	Name string `json:"name,omitempty"`
}

// TLSSpec is where the certificate of the streams' ports comes from.
//
// +kubebuilder:validation:XValidation:rule="has(self.secretName) != has(self.issuerRef)",message="set either spec.tls.secretName or spec.tls.issuerRef"
// +kubebuilder:validation:XValidation:rule="!has(self.dnsNames) || has(self.issuerRef)",fieldPath=".dnsNames",message="spec.tls.dnsNames is for issuerRef: the certificate in a Secret has its names already"
type TLSSpec struct {
	// Secret of type kubernetes.io/tls in this namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	SecretName string `json:"secretName,omitempty"`
	// Issuer of cert-manager, which must be installed: the operator asks it for a certificate with the Service's names.
	// +optional
	IssuerRef *IssuerReference `json:"issuerRef,omitempty"`
	// Further names for the certificate that `issuerRef` makes.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a host name is of lower-case letters, digits, '-' and '.', such as certs.example.com or *.example.com"
	DNSNames []string `json:"dnsNames,omitempty"`
}

// IssuerReference is an issuer of cert-manager.
type IssuerReference struct {
	// Name of the issuer.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	Name string `json:"name"`
	// Kind of the issuer: Issuer, ClusterIssuer, or one of an external group.
	// +optional
	// +kubebuilder:default=Issuer
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`
	// API group of the issuer.
	// +optional
	// +kubebuilder:default=cert-manager.io
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`
}
