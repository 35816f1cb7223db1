package status_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

func loadBalancer(ingress ...corev1.LoadBalancerIngress) change {
	return func(o *status.Observed) {
		o.Stream.Spec.Service.Type = corev1.ServiceTypeLoadBalancer
		o.Service.Status.LoadBalancer.Ingress = ingress
	}
}

func withIngress(tls string, hosts ...string) change {
	return func(o *status.Observed) {
		o.Stream.Spec.Ingress = &v1alpha1.IngressSpec{Hosts: hosts, TLSSecretName: tls}
		o.Ingress = new(networkingv1.Ingress)
		o.Ingress.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
	}
}

func withGateway(section string, hosts ...string) change {
	return func(o *status.Observed) {
		o.Stream.Spec.Gateway = &v1alpha1.GatewaySpec{Hostnames: hosts, ParentRefs: []v1alpha1.GatewayReference{{Name: "edge", SectionName: section}}}
	}
}

func withTLS(o *status.Observed) { o.Stream.Spec.TLS = &v1alpha1.TLSSpec{SecretName: "tls"} }

func withTCP(o *status.Observed) { o.Stream.Spec.Protocols.TCP.Enabled = yes() }

func TestEndpoints(t *testing.T) {
	const inside = "certstream-main.ct.svc"
	plain := v1alpha1.Endpoint{WebSocket: "ws://" + inside + ":8080/", SSE: "http://" + inside + ":8080/sse"}
	no := false
	for name, c := range map[string]struct {
		o        status.Observed
		url      string
		cluster  v1alpha1.Endpoint
		external []v1alpha1.Endpoint
	}{
		"in the cluster": {observed(), plain.WebSocket, plain, nil},
		"TLS and TCP": {observed(withTLS, withTCP), "wss://" + inside + ":8080/",
			v1alpha1.Endpoint{WebSocket: "wss://" + inside + ":8080/", SSE: "https://" + inside + ":8080/sse", TCP: inside + ":8081"}, nil},
		"usual port": {observed(withTLS, func(o *status.Observed) { o.Stream.Spec.Service.Port = 443 }), "wss://" + inside + "/",
			v1alpha1.Endpoint{WebSocket: "wss://" + inside + "/", SSE: "https://" + inside + "/sse"}, nil},
		"SSE alone": {observed(func(o *status.Observed) { o.Stream.Spec.Protocols.WebSocket.Enabled = &no }), plain.SSE, v1alpha1.Endpoint{SSE: plain.SSE}, nil},
		"TCP alone": {observed(withTCP, func(o *status.Observed) {
			o.Stream.Spec.Protocols.WebSocket.Enabled, o.Stream.Spec.Protocols.SSE.Enabled = &no, &no
		}), "tcp://" + inside + ":8081", v1alpha1.Endpoint{TCP: inside + ":8081"}, nil},
		"full alone": {observed(func(o *status.Observed) { o.Stream.Spec.Protocols.Streams = v1alpha1.StreamsSpec{Full: yes()} }),
			"ws://" + inside + ":8080/full-stream", v1alpha1.Endpoint{WebSocket: "ws://" + inside + ":8080/full-stream", SSE: plain.SSE}, nil},
		"domains alone": {observed(func(o *status.Observed) { o.Stream.Spec.Protocols.Streams = v1alpha1.StreamsSpec{DomainsOnly: yes()} }),
			"ws://" + inside + ":8080/domains-only", v1alpha1.Endpoint{WebSocket: "ws://" + inside + ":8080/domains-only", SSE: plain.SSE}, nil},
		"load balancer waiting": {observed(loadBalancer()), plain.WebSocket, plain, nil},
		"load balancer": {observed(withTCP, loadBalancer(corev1.LoadBalancerIngress{IP: "2001:db8::1"}, corev1.LoadBalancerIngress{Hostname: "lb.example.com"})),
			"ws://[2001:db8::1]:8080/", v1alpha1.Endpoint{WebSocket: plain.WebSocket, SSE: plain.SSE, TCP: inside + ":8081"}, []v1alpha1.Endpoint{
				{WebSocket: "ws://[2001:db8::1]:8080/", SSE: "http://[2001:db8::1]:8080/sse", TCP: "[2001:db8::1]:8081"},
				{WebSocket: "ws://lb.example.com:8080/", SSE: "http://lb.example.com:8080/sse", TCP: "lb.example.com:8081"},
			}},
		"load balancer on port 80": {observed(loadBalancer(corev1.LoadBalancerIngress{IP: "2001:db8::1"}), func(o *status.Observed) { o.Stream.Spec.Service.Port = 80 }),
			"ws://[2001:db8::1]/", v1alpha1.Endpoint{WebSocket: "ws://" + inside + "/", SSE: "http://" + inside + "/sse"},
			[]v1alpha1.Endpoint{{WebSocket: "ws://[2001:db8::1]/", SSE: "http://[2001:db8::1]/sse"}}},
		"Ingress": {observed(withIngress("cert", "*.example.com", "ct.example.com")), "wss://ct.example.com/", plain,
			[]v1alpha1.Endpoint{{WebSocket: "wss://ct.example.com/", SSE: "https://ct.example.com/sse"}}},
		"Ingress without TLS": {observed(withIngress("", "ct.example.com")), "ws://ct.example.com/", plain,
			[]v1alpha1.Endpoint{{WebSocket: "ws://ct.example.com/", SSE: "http://ct.example.com/sse"}}},
		"Ingress not made yet": {observed(withIngress("", "ct.example.com"), func(o *status.Observed) { o.Ingress = nil }), plain.WebSocket, plain, nil},
		"Ingress that nobody serves": {observed(withIngress("", "ct.example.com"), func(o *status.Observed) {
			o.Ingress.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{}}
		}), plain.WebSocket, plain, nil},
		"Gateway before Ingress": {observed(withIngress("", "ct.example.com"), withGateway("https", "gw.example.com")), "wss://gw.example.com/", plain,
			[]v1alpha1.Endpoint{{WebSocket: "wss://gw.example.com/", SSE: "https://gw.example.com/sse"}, {WebSocket: "ws://ct.example.com/", SSE: "http://ct.example.com/sse"}}},
		"Gateway's listener http": {observed(withGateway("http", "gw.example.com")), "ws://gw.example.com/", plain,
			[]v1alpha1.Endpoint{{WebSocket: "ws://gw.example.com/", SSE: "http://gw.example.com/sse"}}},
	} {
		got := status.Compute(c.o, v1alpha1.CertStreamStatus{})
		want := &v1alpha1.EndpointsStatus{Cluster: &c.cluster, External: c.external}
		if diff := cmp.Diff(want, got.Endpoints); diff != "" || got.URL != c.url {
			t.Errorf("%s: URL %s, want %s; endpoints (-want +got):\n%s", name, got.URL, c.url, diff)
		}
	}
	if got := status.Compute(observed(func(o *status.Observed) { o.Service = nil }), v1alpha1.CertStreamStatus{}); got.Endpoints != nil || got.URL != "" {
		t.Errorf("without a Service: %v, %q", got.Endpoints, got.URL)
	}
}
