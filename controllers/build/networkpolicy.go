package build

import (
	"maps"
	"net/url"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// networkPolicy admits clients to the streams, the operator and Prometheus to the admin port, and the pod to what it reads.
func networkPolicy(s *Stream) runtime.ApplyConfiguration {
	wanted := s.Spec.NetworkPolicy
	if wanted == nil {
		return nil
	}
	spec := networkingv1ac.NetworkPolicySpec().WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(Selector(s.CertStream))).
		WithPolicyTypes(networkingv1.PolicyTypeIngress)
	if servesHTTP(s.CertStream) || servesTCP(s.CertStream) {
		spec.WithIngress(streamIngress(s.CertStream)) // without a port it would admit to all
	}
	if from := adminPeers(s); len(from) > 0 {
		spec.WithIngress(networkingv1ac.NetworkPolicyIngressRule().WithFrom(from...).WithPorts(policyPort(corev1.ProtocolTCP, AdminPort)))
	}
	if valueOr(wanted.RestrictEgress, true) {
		spec.WithPolicyTypes(networkingv1.PolicyTypeEgress).WithEgress(dnsEgress(), logEgress(s.CertStream))
	}
	return owned(s, networkingv1ac.NetworkPolicy(Name(s.CertStream), s.Namespace)).WithSpec(spec)
}

func policyPort(protocol corev1.Protocol, number int32) *networkingv1ac.NetworkPolicyPortApplyConfiguration {
	return networkingv1ac.NetworkPolicyPort().WithProtocol(protocol).WithPort(intstr.FromInt32(number))
}

// streamIngress admits all where the spec names nobody.
func streamIngress(cs *v1alpha1.CertStream) *networkingv1ac.NetworkPolicyIngressRuleApplyConfiguration {
	rule := networkingv1ac.NetworkPolicyIngressRule().
		WithFrom(convertAll[networkingv1ac.NetworkPolicyPeerApplyConfiguration](cs.Spec.NetworkPolicy.From)...)
	if servesHTTP(cs) {
		rule.WithPorts(policyPort(corev1.ProtocolTCP, cs.Spec.Protocols.Port))
	}
	if servesTCP(cs) {
		rule.WithPorts(policyPort(corev1.ProtocolTCP, cs.Spec.Protocols.TCP.Port))
	}
	return rule
}

// adminPeers are the namespaces of the operator and of Prometheus.
func adminPeers(s *Stream) (peers []*networkingv1ac.NetworkPolicyPeerApplyConfiguration) {
	if namespace := s.Defaults.OperatorNamespace; namespace != "" {
		selector := metav1ac.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: namespace})
		peers = append(peers, networkingv1ac.NetworkPolicyPeer().WithNamespaceSelector(selector))
	}
	if monitoring := s.Spec.NetworkPolicy.MonitoringNamespaces; monitoring != nil {
		selector := convert[metav1ac.LabelSelectorApplyConfiguration](monitoring)
		peers = append(peers, networkingv1ac.NetworkPolicyPeer().WithNamespaceSelector(selector))
	}
	return peers
}

func dnsEgress() *networkingv1ac.NetworkPolicyEgressRuleApplyConfiguration {
	return networkingv1ac.NetworkPolicyEgressRule().WithPorts(policyPort(corev1.ProtocolUDP, 53), policyPort(corev1.ProtocolTCP, 53))
}

// logEgress admits the ports of logs, lists and the proxy. A proxy in a Secret may have any port.
func logEgress(cs *v1alpha1.CertStream) *networkingv1ac.NetworkPolicyEgressRuleApplyConfiguration {
	rule := networkingv1ac.NetworkPolicyEgressRule()
	if p := cs.Spec.Logs.Proxy; p != nil && p.SecretKeyRef != nil {
		return rule.WithPorts(networkingv1ac.NetworkPolicyPort().WithProtocol(corev1.ProtocolTCP))
	}
	for _, number := range logPorts(cs.Spec.Logs) {
		rule.WithPorts(policyPort(corev1.ProtocolTCP, number))
	}
	return rule
}

// logPorts are the ports of all URLs in the spec, and those of URLs in log lists, which hold no others.
func logPorts(logs v1alpha1.LogsSpec) []int32 {
	ports := map[int32]bool{443: true}
	if logs.AllowHTTP {
		ports[80] = true
	}
	urls := []string{logs.List.URL}
	if logs.Proxy != nil {
		urls = append(urls, logs.Proxy.URL)
	}
	for _, l := range logs.Custom {
		urls = append(urls, l.URL)
	}
	for _, u := range urls {
		if number := portOf(u); number > 0 {
			ports[number] = true
		}
	}
	return slices.Sorted(maps.Keys(ports))
}

// portOf is the port of a URL; 0 where it has none.
func portOf(text string) int32 {
	u, err := url.Parse(text)
	if err != nil {
		return 0
	}
	if number, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return int32(number)
	}
	return map[string]int32{"http": 80, "https": 443, "socks5": 1080}[u.Scheme]
}
