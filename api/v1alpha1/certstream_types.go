package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// CertStream is a live stream of the certificates that Certificate Transparency logs publish. It follows the logs that it
// selects and serves what they publish over WebSocket, Server-Sent Events and raw TCP, from one pod behind a Service.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=cs;cstream,categories=certstream
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Logs",type=string,JSONPath=`.status.figures.logs.summary`,description="CT logs that keep up, of those followed"
// +kubebuilder:printcolumn:name="Consistent",type=string,JSONPath=`.status.conditions[?(@.type=="LogsConsistent")].status`,description="False when a log was caught lying"
// +kubebuilder:printcolumn:name="Lag",type=string,JSONPath=`.status.figures.lag`,description="How far the slowest log that answers is behind its head"
// +kubebuilder:printcolumn:name="Rate",type=string,JSONPath=`.status.figures.rate`,description="Certificates per second over the last minute"
// +kubebuilder:printcolumn:name="Clients",type=integer,JSONPath=`.status.figures.clients`,description="Connected clients"
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.status.url`,description="Where clients connect"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Kept",type=string,priority=1,JSONPath=`.status.figures.retention.span`,description="How far back clients can resume from the volume"
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 44 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name becomes part of Service names: use at most 44 lower-case letters, digits and '-', with no dot"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.matches('-(admin|dashboard|tls)$')",message="metadata.name must not end in -admin, -dashboard or -tls: objects of another CertStream may have that name"
type CertStream struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// What to follow and how to serve it. An empty spec follows the logs that Chrome knows, serves WebSocket and SSE inside
	// the cluster, and keeps its state on a volume of 4 GiB.
	// +optional
	// +kubebuilder:default={}
	Spec CertStreamSpec `json:"spec,omitempty"`
	// What the operator sees. It is written by the operator only.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1,"conditions":{{"type":"Ready","status":"Unknown","reason":"Pending","message":"No operator has seen this CertStream yet: is it installed, and does it watch this namespace?","lastTransitionTime":"1970-01-01T00:00:00Z"}}}
	Status CertStreamStatus `json:"status,omitempty"`
}

// CertStreamList is a list of CertStreams.
//
// +kubebuilder:object:root=true
type CertStreamList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CertStream `json:"items"`
}

// CertStreamSpec says what to follow and how to serve it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !has(self.ingress) || !has(self.ingress.tlsSecretName) || has(self.ingress.annotations)",message="with spec.tls the pod itself speaks TLS: tell your ingress controller so by spec.ingress.annotations (for example nginx.ingress.kubernetes.io/backend-protocol: HTTPS)"
// +kubebuilder:validation:XValidation:rule="!(has(self.ingress) || has(self.gateway)) || self.protocols.webSocket.enabled || self.protocols.sse.enabled",message="spec.ingress and spec.gateway carry WebSocket and SSE: enable spec.protocols.webSocket or spec.protocols.sse, or remove them"
type CertStreamSpec struct {
	// Which CT logs to follow, and how.
	// +optional
	// +kubebuilder:default={}
	Logs LogsSpec `json:"logs,omitempty"`
	// What is served, where in the pod.
	// +optional
	// +kubebuilder:default={}
	Protocols ProtocolsSpec `json:"protocols,omitempty"`
	// Bounds of connections, filters and memory.
	// +optional
	// +kubebuilder:default={}
	Limits LimitsSpec `json:"limits,omitempty"`
	// Who may read the streams; absent admits everybody who reaches the port. What the Secrets contain is live; which Secrets
	// there are is of class restart.
	// +optional
	Auth *AuthSpec `json:"auth,omitempty"`
	// TLS on the ports of the streams; absent serves plain HTTP and TCP. Switching it on or off is of class restart; the
	// content of its Secret is live.
	// +optional
	TLS *TLSSpec `json:"tls,omitempty"`
	// Where the positions in the logs are kept, so that a restart goes on where it stopped.
	// +optional
	// +kubebuilder:default={}
	State StateSpec `json:"state,omitempty"`
	// The Service that clients connect to. Live.
	// +optional
	// +kubebuilder:default={}
	Service ServiceSpec `json:"service,omitempty"`
	// An Ingress for WebSocket and SSE; absent makes none. Live.
	// +optional
	Ingress *IngressSpec `json:"ingress,omitempty"`
	// A Gateway API HTTPRoute for WebSocket and SSE; absent makes none. Live.
	// +optional
	Gateway *GatewaySpec `json:"gateway,omitempty"`
	// A NetworkPolicy for the pod; absent makes none. Live.
	// +optional
	NetworkPolicy *NetworkPolicySpec `json:"networkPolicy,omitempty"`
	// How Prometheus and Grafana find the stream. Live.
	// +optional
	// +kubebuilder:default={}
	Monitoring MonitoringSpec `json:"monitoring,omitempty"`
	// What to add to the pod. Restart.
	// +optional
	// +kubebuilder:default={}
	PodTemplate PodTemplateSpec `json:"podTemplate,omitempty"`
	// Seconds over which clients are closed, spread evenly, when the pod stops. Live; the pod's grace period, which is longer
	// by a margin, follows at the next restart.
	// +optional
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=3600
	DrainSeconds *int32 `json:"drainSeconds,omitempty"`
	// What is worth a line in the pod's log. Live.
	// +optional
	// +kubebuilder:default=Info
	LogLevel LogLevel `json:"logLevel,omitempty"`
	// Stop reconciling: the pod goes on as it is, changes of this spec and of its objects are left alone, and the status is
	// still read. Live.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// LogLevel is how much is logged.
//
// +kubebuilder:validation:Enum=Debug;Info;Warn;Error
type LogLevel string

// The log levels.
const (
	LogLevelDebug LogLevel = "Debug"
	LogLevelInfo  LogLevel = "Info"
	LogLevelWarn  LogLevel = "Warn"
	LogLevelError LogLevel = "Error"
)

// SecretKeyReference is one key of a Secret in the CertStream's namespace.
type SecretKeyReference struct {
	// Name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	Name string `json:"name"`
	// Key in the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[-._a-zA-Z0-9]+$') && !self.startsWith('..') && self != '.'",message="a key is of letters, digits, '-', '_' and '.', such as ca.crt"
	Key string `json:"key"`
}

// Annotations that users set on a CertStream.
const (
	// AnnotationReconcile asks for a reconcile at once when its value changes; status.lastHandledReconcileAt repeats it.
	AnnotationReconcile = Group + "/reconcile-requested-at"
	// AnnotationRestart replaces the pod when its value changes.
	AnnotationRestart = Group + "/restarted-at"
)
