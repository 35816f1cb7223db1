package status

import (
	"net"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// endpoints says where clients connect.
func (v *view) endpoints() *v1alpha1.EndpointsStatus {
	if v.Service == nil {
		return nil
	}
	spec := &v.Stream.Spec
	host := v.Service.Name + "." + v.Service.Namespace + ".svc"
	e := &v1alpha1.EndpointsStatus{Cluster: serviceEndpoint(spec, host)}
	if spec.Gateway != nil {
		e.External = append(e.External, hostEndpoints(spec, spec.Gateway.Hostnames, gatewayTLS(spec.Gateway))...)
	}
	if spec.Ingress != nil && hasAddress(v.Ingress) {
		e.External = append(e.External, hostEndpoints(spec, spec.Ingress.Hosts, spec.Ingress.TLSSecretName != "")...)
	}
	if spec.Service.Type == corev1.ServiceTypeLoadBalancer {
		for _, i := range v.Service.Status.LoadBalancer.Ingress {
			if address := firstOf(i.Hostname, i.IP); address != "" {
				e.External = append(e.External, *serviceEndpoint(spec, address))
			}
		}
	}
	return e
}

// hasAddress says whether something serves the Ingress.
func hasAddress(i *networkingv1.Ingress) bool {
	return i != nil && slices.ContainsFunc(i.Status.LoadBalancer.Ingress, func(a networkingv1.IngressLoadBalancerIngress) bool {
		return firstOf(a.Hostname, a.IP) != ""
	})
}

// gatewayTLS guesses from the listener's name: the Gateway is not ours to read, and most speak TLS.
func gatewayTLS(g *v1alpha1.GatewaySpec) bool {
	for _, ref := range g.ParentRefs {
		if ref.SectionName != "http" {
			return true
		}
	}
	return false
}

// hostEndpoints are those behind something that carries WebSocket and SSE to host names on the usual ports.
func hostEndpoints(spec *v1alpha1.CertStreamSpec, hosts []string, tls bool) []v1alpha1.Endpoint {
	var all []v1alpha1.Endpoint
	for _, host := range hosts {
		if !strings.HasPrefix(host, "*") { // a pattern is no address
			all = append(all, streams(spec, host, tls))
		}
	}
	return all
}

// serviceEndpoint is that of the Service's ports under some name or address.
func serviceEndpoint(spec *v1alpha1.CertStreamSpec, host string) *v1alpha1.Endpoint {
	e := streams(spec, address(host, spec.Service.Port, defaultPort(spec.TLS != nil)), spec.TLS != nil)
	if enabled(spec.Protocols.TCP.Enabled) {
		e.TCP = address(host, spec.Service.TCPPort, 0)
	}
	return &e
}

// streams are the URLs of WebSocket and SSE.
func streams(spec *v1alpha1.CertStreamSpec, host string, tls bool) v1alpha1.Endpoint {
	suffix := ""
	if tls {
		suffix = "s"
	}
	p := &spec.Protocols
	var e v1alpha1.Endpoint
	if enabled(p.WebSocket.Enabled) {
		e.WebSocket = "ws" + suffix + "://" + host + webSocketPath(p)
	}
	if enabled(p.SSE.Enabled) {
		e.SSE = "http" + suffix + "://" + host + p.SSE.Path
	}
	return e
}

// webSocketPath is that of the lite stream, or of the next fuller or smaller one that there is.
func webSocketPath(p *v1alpha1.ProtocolsSpec) string {
	switch {
	case enabled(p.Streams.Lite):
		return p.WebSocket.LitePath
	case enabled(p.Streams.Full):
		return p.WebSocket.FullPath
	}
	return p.WebSocket.DomainsOnlyPath
}

func defaultPort(tls bool) int32 {
	if tls {
		return 443
	}
	return 80
}

// address is host and port, without the port that goes without saying.
func address(host string, port, usual int32) string {
	if port != usual {
		return net.JoinHostPort(host, strconv.Itoa(int(port)))
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// outermost is the address to give to users.
func outermost(e *v1alpha1.EndpointsStatus) string {
	if e == nil {
		return ""
	}
	for _, x := range append(append([]v1alpha1.Endpoint{}, e.External...), *e.Cluster) {
		tcp := ""
		if x.TCP != "" {
			tcp = "tcp://" + x.TCP
		}
		if url := firstOf(x.WebSocket, x.SSE, tcp); url != "" {
			return url
		}
	}
	return ""
}

func enabled(b *bool) bool { return b != nil && *b }

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
