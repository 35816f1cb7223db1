package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// LogsSpec says which CT logs to follow, and how.
//
// +kubebuilder:validation:XValidation:rule="!has(self.list) || !has(self.list.source) || self.list.source != 'None' || has(self.custom)",fieldPath=".custom",message="spec.logs.list.source None follows only spec.logs.custom: add a log there, or choose a list"
// +kubebuilder:validation:XValidation:rule="(has(self.allowHTTP) && self.allowHTTP) || !has(self.custom) || self.custom.all(l, l.url.startsWith('https:') && (!has(l.submissionURL) || l.submissionURL.startsWith('https:')))",fieldPath=".custom",message="a log of spec.logs.custom is plain http: use https, or set spec.logs.allowHTTP: true"
// +kubebuilder:validation:XValidation:rule="(has(self.allowHTTP) && self.allowHTTP) || !has(self.list) || !has(self.list.url) || self.list.url.startsWith('https:')",fieldPath=".list",message="spec.logs.list.url is plain http: use https, or set spec.logs.allowHTTP: true"
type LogsSpec struct {
	// The list of logs. Live.
	// +optional
	// +kubebuilder:default={}
	List LogListSpec `json:"list,omitempty"`
	// Which of the list's logs to follow. Live.
	// +optional
	// +kubebuilder:default={}
	Select LogSelection `json:"select,omitempty"`
	// Logs that are in no list. They are always followed. Live.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=128
	Custom []CustomLog `json:"custom,omitempty"`
	// Where to begin in a log that has no checkpoint yet: `head` (a new log of fewer than 10,000 entries is read whole),
	// `head-1000`, `index:4711`, a day (`2026-07-01`) or a time (RFC 3339). Live; it moves no log that is followed already.
	// +optional
	// +kubebuilder:default=head
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^(head|head-[0-9]{1,15}|index:[0-9]{1,15}|[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2}))?)$')",message="spec.logs.start is head, head-N, index:N, a day such as 2026-07-01, or a time such as 2026-07-01T12:00:00Z"
	Start string `json:"start,omitempty"`
	// How far behind its head, in time, a log is skipped to its head, with a gap message to every client. Absent never skips.
	// Live.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m')",message="spec.logs.maxLag is a duration such as 30s or 1h30m, at least 1m: a healthy log is some seconds behind"
	MaxLag *metav1.Duration `json:"maxLag,omitempty"`
	// How many entries behind its head a log is skipped to its head, with a gap message to every client. Absent never skips.
	// Live.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MaxLagEntries *int64 `json:"maxLagEntries,omitempty"`
	// Entries per second that the backlogs of all logs together may add to the live stream, so that a recovery pushes no client
	// out of its window. Absent takes four times the live rate, at least 2,000. Live.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	CatchUpRate *int32 `json:"catchUpRate,omitempty"`
	// E-mail address or URL by which the operators of logs can reach you; it is sent in the User-Agent. Some slow down clients
	// without one. Restart.
	// +optional
	// +kubebuilder:validation:MaxLength=200
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+( [!-~]+)*$')",message="the contact is one line of ASCII, such as ops@example.com or https://example.com/contact"
	Contact string `json:"contact,omitempty"`
	// How much of what logs send is checked. `Full`: that every entry is in the tree that the log signed, and that the log signed
	// one history only. `Consistency`: that each tree head continues the one before, but no entries. `Off`: signatures alone. A
	// log that is caught shows in the condition `LogsConsistent`; its entries go on. Live.
	// +optional
	// +kubebuilder:default=Full
	Verification Verification `json:"verification,omitempty"`
	// How politely logs are read. Live.
	// +optional
	// +kubebuilder:default={}
	Pacing PacingSpec `json:"pacing,omitempty"`
	// HTTP proxy to reach logs and lists through. Restart.
	// +optional
	Proxy *ProxySpec `json:"proxy,omitempty"`
	// Certificate authorities to trust besides the well-known ones, in PEM. Switching it on or off is of class restart; its
	// content is live.
	// +optional
	CABundle *CABundleSpec `json:"caBundle,omitempty"`
	// Allow logs and lists at loopback and private addresses. Link-local ones are never allowed. Restart.
	// +optional
	AllowPrivateAddresses bool `json:"allowPrivateAddresses,omitempty"`
	// Allow logs and lists in plain http. Restart.
	// +optional
	AllowHTTP bool `json:"allowHTTP,omitempty"`
}

// Verification is how much of what logs send is checked.
//
// +kubebuilder:validation:Enum=Off;Consistency;Full
type Verification string

// The depths of verification.
const (
	VerificationOff         Verification = "Off"
	VerificationConsistency Verification = "Consistency"
	VerificationFull        Verification = "Full"
)

// LogListSource is a well-known list of logs.
//
// +kubebuilder:validation:Enum=Google;GoogleAll;Apple;GoogleAndApple;None
type LogListSource string

// The sources of log lists.
const (
	LogListGoogle         LogListSource = "Google"
	LogListGoogleAll      LogListSource = "GoogleAll"
	LogListApple          LogListSource = "Apple"
	LogListGoogleAndApple LogListSource = "GoogleAndApple"
	LogListNone           LogListSource = "None"
)

// LogListSpec says where the list of logs comes from.
type LogListSpec struct {
	// `Google`: the logs that Chrome knows; `GoogleAll`: with test and rejected logs; `Apple`: Apple's list, which has no
	// signature; `GoogleAndApple`: both, joined by log id; `None`: only `custom`.
	// +optional
	// +kubebuilder:default=Google
	Source LogListSource `json:"source,omitempty"`
	// A list of your own in Google's v3 format, which takes the place of `source`.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[][A-Za-z0-9._~:/@!$&()*+,;=%?-]+$')",message="a list's URL begins with https:// or http:// and has no spaces and no quotes"
	URL string `json:"url,omitempty"`
	// Public key in PEM that signs the list. Absent means Google's key for Google's lists, and no check for others.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:XValidation:rule="self.startsWith('-----BEGIN PUBLIC KEY-----')",message="spec.logs.list.key is a public key in PEM: -----BEGIN PUBLIC KEY-----"
	Key string `json:"key,omitempty"`
	// Time between two looks at the list, give or take a tenth: 1m to 168h.
	// +optional
	// +kubebuilder:default="1h"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1m') && duration(self) <= duration('168h')",message="spec.logs.list.refreshInterval is a duration such as 30s or 1h30m, between 1m and 168h"
	RefreshInterval *metav1.Duration `json:"refreshInterval,omitempty"`
}

// LogState is the state of a log in its list.
//
// +kubebuilder:validation:Enum=Pending;Qualified;Usable;ReadOnly;Retired;Rejected;None
type LogState string

// LogProtocol is how a log is read.
//
// +kubebuilder:validation:Enum=RFC6962;Static
type LogProtocol string

// The protocols of logs.
const (
	// LogProtocolRFC6962 is get-sth and get-entries.
	LogProtocolRFC6962 LogProtocol = "RFC6962"
	// LogProtocolStatic is static-ct-api: checkpoints and tiles.
	LogProtocolStatic LogProtocol = "Static"
)

// LogSelection says which of the list's logs to follow. All that is set must hold; `include` and `exclude` come last.
//
// +kubebuilder:validation:XValidation:rule="!has(self.expiresFrom) || !has(self.expiresUntil) || timestamp(self.expiresFrom.contains('T') ? self.expiresFrom : self.expiresFrom + 'T00:00:00Z') < timestamp(self.expiresUntil.contains('T') ? self.expiresUntil : self.expiresUntil + 'T00:00:00Z')",fieldPath=".expiresUntil",message="spec.logs.select.expiresUntil must be later than expiresFrom, and both must be days of the calendar"
type LogSelection struct {
	// States of logs to follow; `None` is a log without a state. A read-only log is followed to its final tree head.
	// +optional
	// +kubebuilder:default={Usable,Qualified,ReadOnly}
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	States []LogState `json:"states,omitempty"`
	// Operators to follow, by name without regard to case; absent takes all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Operators []string `json:"operators,omitempty"`
	// Names (descriptions in the list) to follow, as globs with `*` and `?`, without regard to case; absent takes all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Names []string `json:"names,omitempty"`
	// Log ids (base64, or 64 hex digits) to follow; absent takes all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([A-Za-z0-9+/]{43}=|[0-9a-fA-F]{64})$')",message="a log id is the 44 characters of base64 that lists have, or 64 hex digits"
	IDs []string `json:"ids,omitempty"`
	// Protocols of logs to follow.
	// +optional
	// +kubebuilder:default={RFC6962,Static}
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	Protocols []LogProtocol `json:"protocols,omitempty"`
	// Leave out shards for certificates that all expire before this day (`2026-07-01`) or time (RFC 3339).
	// +optional
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?$')",message="a day such as 2026-07-01 or a time such as 2026-07-01T12:00:00Z is wanted"
	ExpiresFrom string `json:"expiresFrom,omitempty"`
	// Leave out shards for certificates that all expire at or after this day or time.
	// +optional
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]))?$')",message="a day such as 2026-07-01 or a time such as 2026-07-01T12:00:00Z is wanted"
	ExpiresUntil string `json:"expiresUntil,omitempty"`
	// Logs to follow whatever the fields above say: name globs, log ids, URLs, or `operator:NAME`.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Include []string `json:"include,omitempty"`
	// Logs not to follow whatever all else says, in the forms of `include`.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	Exclude []string `json:"exclude,omitempty"`
}

// CustomLog is a log that is in no list.
//
// +kubebuilder:validation:XValidation:rule="!has(self.submissionURL) || (has(self.protocol) && self.protocol == 'Static')",fieldPath=".submissionURL",message="submissionURL is for protocol Static: a log of RFC 6962 has one URL"
type CustomLog struct {
	// Name in messages.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="the name of a log has no control characters"
	Name string `json:"name"`
	// Prefix it is read from: of RFC 6962 logs what `/ct/v1/` follows, of static ones the monitoring prefix.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[][A-Za-z0-9._~:/@!$&()*+,;=%-]+$')",message="a log's URL begins with https:// or http:// and has no spaces, no quotes, no query and no fragment"
	URL string `json:"url"`
	// Public key (SPKI) in base64 or PEM. Without it signatures cannot be checked and entries are sent unverified.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:XValidation:rule="self.startsWith('-----BEGIN PUBLIC KEY-----') || self.matches('^[A-Za-z0-9+/]{16,}={0,2}$')",message="the key of a log is its public key (SPKI) in base64 on one line, as log lists have it, or in PEM"
	Key string `json:"key,omitempty"`
	// Operator in messages; pacing is per operator. Absent means one of its own.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="the name of an operator has no control characters"
	Operator string `json:"operator,omitempty"`
	// How it is read. Absent means `RFC6962`.
	// +optional
	Protocol LogProtocol `json:"protocol,omitempty"`
	// Submission prefix of a static log, whose host and path are the origin of its checkpoints. Absent means `url`.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[][A-Za-z0-9._~:/@!$&()*+,;=%-]+$')",message="a log's URL begins with https:// or http:// and has no spaces, no quotes, no query and no fragment"
	SubmissionURL string `json:"submissionURL,omitempty"`
	// Maximum merge delay: 1s to 720h. Absent means 24h.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('1s') && duration(self) <= duration('720h')",message="mmd is a duration such as 30s or 1h30m, between 1s and 720h"
	MMD *metav1.Duration `json:"mmd,omitempty"`
}

// PacingSpec says how politely logs are read.
type PacingSpec struct {
	// Requests per second to one operator at most. Absent finds what the operator bears.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	RequestsPerSecond *int32 `json:"requestsPerSecond,omitempty"`
	// Entries to ask for at once at first; what a log really serves is learned from its answers.
	// +optional
	// +kubebuilder:default=256
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	BatchSize *int32 `json:"batchSize,omitempty"`
	// Ranges fetched at the same time from one log that is behind.
	// +optional
	// +kubebuilder:default=4
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16
	Concurrency *int32 `json:"concurrency,omitempty"`
	// Time between two looks at the tree head of a log that grows: 100ms to 1h. It is stretched up to 30s while the log is idle.
	// +optional
	// +kubebuilder:default="2s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('100ms') && duration(self) <= duration('1h')",message="spec.logs.pacing.pollInterval is a duration such as 30s or 1h30m, between 100ms and 1h"
	PollInterval *metav1.Duration `json:"pollInterval,omitempty"`
	// Time between two fetches of a partial data tile of one static log: 5s to 10m.
	// +optional
	// +kubebuilder:default="10s"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,6}([.][0-9]{1,3})?(ms|s|m|h))+$') && duration(self) >= duration('5s') && duration(self) <= duration('10m')",message="spec.logs.pacing.partialTileInterval is a duration such as 30s or 1h30m, between 5s and 10m"
	PartialTileInterval *metav1.Duration `json:"partialTileInterval,omitempty"`
	// Settings of single operators.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Operators []OperatorPacing `json:"operators,omitempty"`
}

// OperatorPacing is how the logs of one operator are read.
type OperatorPacing struct {
	// Name of the operator, as in the list.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.matches('[[:cntrl:]]')",message="the name of an operator has no control characters"
	Name string `json:"name"`
	// Requests per second at most. Absent finds what the operator bears.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	RequestsPerSecond *int32 `json:"requestsPerSecond,omitempty"`
	// Use HTTP/1.1, for limits that count per connection.
	// +optional
	HTTP1 bool `json:"http1,omitempty"`
	// Read the entries of RFC 6962 logs as tiles, for operators that serve both.
	// +optional
	Tiles bool `json:"tiles,omitempty"`
}

// ProxySpec is an HTTP proxy. The rules of url are here because a refusal prints the value of a field, and not that of an object.
//
// +kubebuilder:validation:XValidation:rule="has(self.url) != has(self.secretKeyRef)",message="set either url or secretKeyRef"
// +kubebuilder:validation:XValidation:rule="!has(self.url) || self.url.matches('^(https?|socks5)://[][A-Za-z0-9._~:/@%-]+$')",fieldPath=".url",message="a proxy's URL is of the form http://proxy.example.com:3128, by http, https or socks5"
// +kubebuilder:validation:XValidation:rule="!has(self.url) || !self.url.contains('@')",fieldPath=".url",message="a proxy's password does not belong into the spec: put the whole URL into a Secret and name it in secretKeyRef"
type ProxySpec struct {
	// URL of a proxy that asks for no password.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	URL string `json:"url,omitempty"`
	// Key of a Secret that holds the proxy's URL, with user and password if it asks for them.
	// +optional
	SecretKeyRef *SecretKeyReference `json:"secretKeyRef,omitempty"`
}

// CABundleSpec is a file of certificate authorities.
//
// +kubebuilder:validation:XValidation:rule="has(self.configMapName) != has(self.secretName)",message="set either configMapName or secretName"
type CABundleSpec struct {
	// ConfigMap that holds the certificates.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	ConfigMapName string `json:"configMapName,omitempty"`
	// Secret that holds the certificates.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	SecretName string `json:"secretName,omitempty"`
	// Key in it.
	// +optional
	// +kubebuilder:default=ca.crt
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$') && !self.startsWith('..') && self != '.'",message="a key is of letters, digits, '-', '_' and '.', such as ca.crt"
	Key string `json:"key,omitempty"`
}
