//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// TestInstall installs on a cluster without the operator, by Helm and by manifests, up to the first certificate at a client; and
// what is left after each uninstall.
func TestInstall(t *testing.T) {
	t.Run("Helm", func(t *testing.T) {
		bed.removeOperator(t)
		began := time.Now()
		bed.operator(t)
		figure(t, "helm install returned after %.1f s", time.Since(began).Seconds())
		s := firstCertificate(t, began)
		t.Logf("kubectl get certstreams:\n%s", kubectl(t, "get", "certstreams", "-n", s.namespace))
		t.Logf("kubectl describe certstream main:\n%s", kubectl(t, "describe", "certstream", s.name, "-n", s.namespace))
		uninstalls(t, s, func() { bed.removeOperator(t) })
	})
	t.Run("Manifests", func(t *testing.T) {
		bed.removeOperator(t)
		began := time.Now()
		remove := []string{"delete", "-f", "../dist/install.yaml", "--ignore-not-found", "--timeout=2m"}
		t.Cleanup(func() { _, _ = command(context.Background(), "", "kubectl", remove...) })
		kubectl(t, "apply", "--server-side", "-f", "../dist/install.yaml")
		kubectl(t, "rollout", "status", "-n", operatorNamespace, "deployment/"+release, "--timeout=2m")
		figure(t, "kubectl apply and rollout returned after %.1f s", time.Since(began).Seconds())
		s := firstCertificate(t, began)
		uninstalls(t, s, func() { kubectl(t, remove...) })
	})
}

// removeOperator removes operator and definition, where they are.
func (b *testbed) removeOperator(t *testing.T) {
	t.Helper()
	if strings.Contains(run(t, b.helm, "list", "--namespace", operatorNamespace, "--short"), release) {
		run(t, b.helm, "uninstall", release, "--namespace", operatorNamespace, "--wait")
	}
	// A release that goes takes its rights away before the leader can give its Lease back.
	kubectl(t, "delete", "lease", release, "--namespace", operatorNamespace, "--ignore-not-found")
	kubectl(t, "delete", "crd", "certstreams.certstream.io", "--ignore-not-found", "--timeout=2m")
}

// firstCertificate makes a stream, and tells how long all took up to a client's first certificate.
func firstCertificate(t *testing.T, began time.Time) *stream {
	t.Helper()
	made := time.Now()
	s := bed.newStream(t, nil)
	s.ready(t)
	ready := time.Now()
	read(t, client.Options{URL: "ws://" + s.host() + ":8080"}).first()
	figure(t, "from the install to Ready %.1f s, to the first certificate %.1f s; of the CertStream alone %.1f s and %.1f s",
		ready.Sub(began).Seconds(), time.Since(began).Seconds(), ready.Sub(made).Seconds(), time.Since(made).Seconds())
	return s
}

// uninstalls removes the operator while a stream is there, and checks that only the stream's claim is left.
func uninstalls(t *testing.T, s *stream, remove func()) {
	t.Helper()
	remove()
	kinds := "deployments,services,configmaps,serviceaccounts,networkpolicies,ingresses,pods,secrets"
	eventually(t, time.Minute, "the garbage of the stream", func() error {
		left := kubectl(t, "get", kinds, "-n", s.namespace, "-l", "app.kubernetes.io/managed-by=certstream-operator", "-o", "name")
		if left != "" {
			return fmt.Errorf("still there: %s", strings.Join(strings.Fields(left), " "))
		}
		return nil
	})
	claims := kubectl(t, "get", "pvc", "-n", s.namespace, "-o", "name")
	if strings.TrimSpace(claims) != "persistentvolumeclaim/certstream-"+s.name {
		t.Errorf("claims after the uninstall: %q, want the stream's retained one", claims)
	}
	ours := "clusterroles,clusterrolebindings,validatingadmissionpolicies,crds"
	for _, name := range strings.Fields(kubectl(t, "get", ours, "-o", "name")) {
		if strings.Contains(name, "certstream") {
			t.Errorf("left after the uninstall: %s", name)
		}
	}
	figure(t, "left after the uninstall: %s", strings.TrimSpace(claims))
}

// TestHelmUninstallKeepsStreams uninstalls the operator as the chart's default is: streams go on.
func TestHelmUninstallKeepsStreams(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 1)
	run(t, bed.helm, "uninstall", release, "--namespace", operatorNamespace, "--wait")
	a := sum(t, readers)
	if a.missing != 0 || a.lost != 0 {
		t.Errorf("uninstalling the operator cost clients: %+v", a)
	}
	s.get(t) // still there
	bed.operator(t)
	s.spec.LogLevel = v1alpha1.LogLevelDebug
	s.apply(t)
	s.ready(t) // and taken up again
	if a := sum(t, readers); a.missing != 0 || a.lost != 0 {
		t.Errorf("installing the operator again cost clients: %+v", a)
	}
}
