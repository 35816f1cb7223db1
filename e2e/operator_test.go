//go:build e2e

package e2e

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	release           = "certstream-operator"
	operatorNamespace = "certstream-system"
	operatorChart     = "../charts/certstream-operator"
	registry          = "docker.io/certstream-operator"
)

// installOperator installs or upgrades the operator by Helm, to a version of our images.
func (b *testbed) installOperator(t *testing.T, tag string, more ...string) {
	t.Helper()
	args := []string{
		"upgrade", "--install", release, operatorChart, "--namespace", operatorNamespace, "--create-namespace",
		"--set", "image.repository=" + registry + "/operator", "--set", "image.tag=" + tag,
		"--set", "streamerImage.repository=" + registry + "/streamer", "--set", "streamerImage.tag=" + tag,
		"--wait", "--timeout", "3m",
	}
	run(t, b.helm, append(args, more...)...)
}

// operator sees to it that the operator of the tests runs.
func (b *testbed) operator(t *testing.T) {
	t.Helper()
	kubectl(t, "create", "namespace", operatorNamespace, "--dry-run=client", "-o", "name")
	labelled := fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: %s\n  labels: {%s}\n", operatorNamespace, restricted)
	apply(t, labelled)
	b.installOperator(t, b.tag)
}

// operatorPods are the operator's pods that run.
func (b *testbed) operatorPods(t *testing.T) []corev1.Pod {
	t.Helper()
	var deployment appsv1.Deployment
	if err := b.Get(t.Context(), client.ObjectKey{Namespace: operatorNamespace, Name: release}, &deployment); err != nil {
		t.Fatal(err)
	}
	var pods corev1.PodList
	labels := client.MatchingLabels(deployment.Spec.Selector.MatchLabels)
	if err := b.List(t.Context(), &pods, client.InNamespace(operatorNamespace), labels); err != nil {
		t.Fatal(err)
	}
	return pods.Items
}
