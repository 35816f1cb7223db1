package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ServiceSpec is the Service that clients connect to.
//
// +kubebuilder:validation:XValidation:rule="!has(self.port) || !has(self.tcpPort) || self.port != self.tcpPort",fieldPath=".tcpPort",message="spec.service.port and spec.service.tcpPort must differ"
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type != 'ClusterIP' || (!has(self.nodePort) && !has(self.tcpNodePort) && !has(self.externalTrafficPolicy))",message="nodePort, tcpNodePort and externalTrafficPolicy go with spec.service.type NodePort or LoadBalancer"
// +kubebuilder:validation:XValidation:rule="!has(self.nodePort) || !has(self.tcpNodePort) || self.nodePort != self.tcpNodePort",fieldPath=".tcpNodePort",message="spec.service.nodePort and spec.service.tcpNodePort must differ"
// +kubebuilder:validation:XValidation:rule="!has(self.type) || self.type == 'LoadBalancer' || (!has(self.loadBalancerClass) && !has(self.loadBalancerSourceRanges))",message="loadBalancerClass and loadBalancerSourceRanges go with spec.service.type LoadBalancer"
type ServiceSpec struct {
	// Type of the Service.
	// +optional
	// +kubebuilder:default=ClusterIP
	// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
	Type corev1.ServiceType `json:"type,omitempty"`
	// Port for WebSocket and SSE.
	// +optional
	// +kubebuilder:default=8080
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// Port for raw TCP, where `protocols.tcp` is enabled.
	// +optional
	// +kubebuilder:default=8081
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	TCPPort int32 `json:"tcpPort,omitempty"`
	// Port of every node for WebSocket and SSE; absent lets the cluster choose.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort *int32 `json:"nodePort,omitempty"`
	// Port of every node for raw TCP; absent lets the cluster choose.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	TCPNodePort *int32 `json:"tcpNodePort,omitempty"`
	// Annotations of the Service, for example for a cloud's load balancer.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
	// Labels of the Service, besides the operator's.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('certstream.io/'))",message="labels under app.kubernetes.io/ and certstream.io/ are the operator's: choose another prefix"
	Labels map[string]string `json:"labels,omitempty"`
	// Implementation of the load balancer.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	LoadBalancerClass *string `json:"loadBalancerClass,omitempty"`
	// Networks (CIDR) that the load balancer admits; absent admits all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="an entry of spec.service.loadBalancerSourceRanges is a network such as 10.0.0.0/8"
	LoadBalancerSourceRanges []string `json:"loadBalancerSourceRanges,omitempty"`
	// `Local` keeps clients' addresses, which limits per address need; `Cluster` spreads over nodes and hides them.
	// +optional
	// +kubebuilder:validation:Enum=Cluster;Local
	ExternalTrafficPolicy corev1.ServiceExternalTrafficPolicy `json:"externalTrafficPolicy,omitempty"`
}

// IngressSpec is an Ingress for WebSocket and SSE.
type IngressSpec struct {
	// Host names.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=set
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a host name is of lower-case letters, digits, '-' and '.', such as certs.example.com or *.example.com"
	Hosts []string `json:"hosts"`
	// Ingress class; absent means the cluster's default.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClassName *string `json:"className,omitempty"`
	// Secret with the hosts' certificate; absent serves plain HTTP, or leaves TLS to the ingress controller.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	TLSSecretName string `json:"tlsSecretName,omitempty"`
	// Annotations, for example to lengthen the controller's idle time-out beyond the heartbeat of 10 s.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
}

// GatewaySpec is a Gateway API HTTPRoute for WebSocket and SSE. The cluster must have the Gateway API's resources.
type GatewaySpec struct {
	// Gateways to attach to.
	// +required
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=atomic
	ParentRefs []GatewayReference `json:"parentRefs"`
	// Host names; absent takes those of the Gateway.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +listType=set
	// +kubebuilder:validation:items:MaxLength=253
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a host name is of lower-case letters, digits, '-' and '.', such as certs.example.com or *.example.com"
	Hostnames []string `json:"hostnames,omitempty"`
	// Annotations of the HTTPRoute.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	Annotations map[string]string `json:"annotations,omitempty"`
}

// GatewayReference is a Gateway to attach to.
type GatewayReference struct {
	// Name of the Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	Name string `json:"name"`
	// Namespace of the Gateway; absent means this one. The Gateway decides which namespaces it admits.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')",message="a name is of lower-case letters, digits, '-' and '.', and begins and ends with a letter or digit"
	Namespace string `json:"namespace,omitempty"`
	// Listener of the Gateway; absent means all.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SectionName string `json:"sectionName,omitempty"`
}

// NetworkPolicySpec is a NetworkPolicy for the pod. The streams' ports admit `from`; the admin port admits the operator's
// namespace and `monitoringNamespaces`; the pod may ask DNS and reach the ports of logs, lists and the proxy.
type NetworkPolicySpec struct {
	// Who may connect to the streams; absent admits all.
	// +optional
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +listType=atomic
	From []networkingv1.NetworkPolicyPeer `json:"from,omitempty"`
	// Namespaces whose pods may scrape the admin port.
	// +optional
	// +kubebuilder:default={matchLabels: {"kubernetes.io/metadata.name": "monitoring"}}
	MonitoringNamespaces *metav1.LabelSelector `json:"monitoringNamespaces,omitempty"`
	// Whether the pod's own connections are restricted to DNS and the ports of logs, lists and the proxy.
	// +optional
	// +kubebuilder:default=true
	RestrictEgress *bool `json:"restrictEgress,omitempty"`
}

// MonitorKind is how Prometheus finds the pod.
//
// +kubebuilder:validation:Enum=ServiceMonitor;PodMonitor;None
type MonitorKind string

// The kinds of monitors.
const (
	MonitorServiceMonitor MonitorKind = "ServiceMonitor"
	MonitorPodMonitor     MonitorKind = "PodMonitor"
	MonitorNone           MonitorKind = "None"
)

// MonitoringSpec says how Prometheus and Grafana find the stream. Where the resources of the Prometheus operator are not
// installed, nothing is made of them, and the condition Monitored says so; they are made once it is installed.
type MonitoringSpec struct {
	// What tells the Prometheus operator to scrape the pod.
	// +optional
	// +kubebuilder:default=ServiceMonitor
	Monitor MonitorKind `json:"monitor,omitempty"`
	// Time between two scrapes; absent means Prometheus' own.
	// +optional
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:XValidation:rule="self.matches('^[1-9][0-9]*(ms|s|m)$')",message="an interval is a whole number of ms, s or m, such as 30s"
	Interval string `json:"interval,omitempty"`
	// Labels of the monitor and the rules, by which a Prometheus selects them.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('certstream.io/'))",message="labels under app.kubernetes.io/ and certstream.io/ are the operator's: choose another prefix"
	Labels map[string]string `json:"labels,omitempty"`
	// Whether a PrometheusRule with alerts is made beside the monitor.
	// +optional
	// +kubebuilder:default=true
	Rules *bool `json:"rules,omitempty"`
	// A ConfigMap with the Grafana dashboard, for Grafana's sidecar; absent makes none.
	// +optional
	Dashboard *DashboardSpec `json:"dashboard,omitempty"`
}

// DashboardSpec is a ConfigMap with the Grafana dashboard.
type DashboardSpec struct {
	// Labels by which Grafana's sidecar finds it.
	// +optional
	// +kubebuilder:default={grafana_dashboard: "1"}
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('app.kubernetes.io/') && !k.startsWith('certstream.io/'))",message="labels under app.kubernetes.io/ and certstream.io/ are the operator's: choose another prefix"
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations, for example the folder of Grafana's sidecar.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]string `json:"annotations,omitempty"`
}
