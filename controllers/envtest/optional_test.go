package envtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers"
)

// optionalCRDs are those of the kinds that a cluster may lack.
func optionalCRDs() []string {
	return []string{
		"monitoring.coreos.com_servicemonitors", "monitoring.coreos.com_podmonitors", "monitoring.coreos.com_prometheusrules",
		"gateway.networking.k8s.io_httproutes", "cert-manager.io_certificates",
	}
}

// Optional kinds are used from when they are there, without a restart of the operator. It is the only test that has them, and
// it is not parallel: all others run in a cluster without.
func TestOptionalKindsComeAndGo(t *testing.T) {
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns, func(_ *ctrl.Options, r *controllers.Reconciler) { r.OptionalInterval = 500 * time.Millisecond })
	plain := s.streamOf(t, ns, "plain", `{}`)
	s.waitReady(t, plain)
	s.waitFor(t, plain, v1alpha1.ConditionMonitored, metav1.ConditionFalse, v1alpha1.ReasonCRDMissing)
	gateway := s.streamOf(t, ns, "gateway", `{logs: {select: {operators: [A]}}, gateway: {parentRefs: [{name: web, namespace: infra}], hostnames: [a.example]}}`)
	if message := s.waitStalled(t, gateway, v1alpha1.ReasonCRDMissing); !strings.Contains(message, "spec.gateway") {
		t.Errorf("the message does not name the field: %s", message)
	}
	issued := s.streamOf(t, ns, "issued", `{logs: {select: {operators: [B]}}, tls: {issuerRef: {name: ca}}}`)
	s.waitStalledSaying(t, issued, v1alpha1.ReasonCRDMissing, "spec.tls.issuerRef")

	crds := s.install(t, optionalCRDs()...)
	s.waitFor(t, plain, v1alpha1.ConditionMonitored, metav1.ConditionTrue, v1alpha1.ReasonMonitorCreated)
	monitor := s.waitOptional(t, plain, "monitoring.coreos.com", "ServiceMonitor")
	s.waitOptional(t, plain, "monitoring.coreos.com", "PrometheusRule")
	s.waitOptional(t, gateway, "gateway.networking.k8s.io", "HTTPRoute")
	s.waitReady(t, gateway)
	s.testIssued(t, issued)

	if err := s.client.Delete(t.Context(), monitor); err != nil {
		t.Fatal(err)
	}
	s.waitOptional(t, plain, "monitoring.coreos.com", "ServiceMonitor")
	s.change(t, plain, "monitoring: {monitor: PodMonitor, rules: false}")
	s.waitOptional(t, plain, "monitoring.coreos.com", "PodMonitor")
	s.waitGone(t, child(plain), optional("monitoring.coreos.com", "ServiceMonitor"))
	s.waitGone(t, child(plain), optional("monitoring.coreos.com", "PrometheusRule"))
	s.change(t, gateway, "gateway: null")
	s.waitGone(t, child(gateway), optional("gateway.networking.k8s.io", "HTTPRoute"))

	s.uninstall(t, crds)
	s.waitFor(t, plain, v1alpha1.ConditionMonitored, metav1.ConditionFalse, v1alpha1.ReasonCRDMissing)
	s.waitReady(t, plain)
	s.change(t, plain, "logLevel: Debug")
	s.waitReady(t, plain)

	again := s.install(t, "monitoring.coreos.com_podmonitors")
	monitor = s.waitOptional(t, plain, "monitoring.coreos.com", "PodMonitor")
	s.waitFor(t, plain, v1alpha1.ConditionMonitored, metav1.ConditionTrue, v1alpha1.ReasonMonitorCreated)
	if err := s.client.Delete(t.Context(), monitor); err != nil {
		t.Fatal(err)
	}
	s.waitOptional(t, plain, "monitoring.coreos.com", "PodMonitor")
	s.uninstall(t, again)
}

// uninstall removes resource definitions, and waits until they are gone.
func (s *apiServer) uninstall(t *testing.T, crds []*apiextensionsv1.CustomResourceDefinition) {
	t.Helper()
	if err := envtest.UninstallCRDs(s.config, envtest.CRDInstallOptions{CRDs: crds}); err != nil {
		t.Fatal(err)
	}
	for _, crd := range crds {
		s.waitGone(t, client.ObjectKeyFromObject(crd), new(apiextensionsv1.CustomResourceDefinition))
	}
}

// testIssued is cert-manager's part: it fills the Secret that its Certificate names.
func (s *apiServer) testIssued(t *testing.T, key client.ObjectKey) {
	t.Helper()
	name := client.ObjectKey{Namespace: key.Namespace, Name: "certstream-" + key.Name + "-tls"}
	s.waitFor(t, key, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonCertificatePending)
	certificate := waitGet(t, s, name, optional("cert-manager.io", "Certificate"), exists)
	if secret, _, _ := unstructured.NestedString(certificate.Object, "spec", "secretName"); secret != name.Name {
		t.Errorf("the Certificate fills Secret %q, want %q", secret, name.Name)
	}
	crt, key2 := keyPair(t)
	s.secret(t, key.Namespace, name.Name, map[string]string{"tls.crt": crt, "tls.key": key2})
	s.waitReady(t, key)
}

func optional(group, kind string) *unstructured.Unstructured {
	u := new(unstructured.Unstructured)
	u.SetGroupVersionKind(schema.GroupVersionKind{Group: group, Version: "v1", Kind: kind})
	return u
}

func (s *apiServer) waitOptional(t *testing.T, key client.ObjectKey, group, kind string) client.Object {
	t.Helper()
	cs := waitGet(t, s, key, new(v1alpha1.CertStream), exists)
	return waitGet(t, s, child(key), optional(group, kind), func(u *unstructured.Unstructured) error {
		if !metav1.IsControlledBy(u, cs) || u.GetDeletionTimestamp() != nil {
			return fmt.Errorf("owners %v", u.GetOwnerReferences())
		}
		return nil
	})
}

func (s *apiServer) install(t *testing.T, names ...string) []*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	crds, err := envtest.InstallCRDs(s.config, envtest.CRDInstallOptions{Paths: othersCRDs(t, names...), ErrorIfPathMissing: true})
	if err != nil {
		t.Fatal(err)
	}
	return crds
}
