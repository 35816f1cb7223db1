// Package manager holds the operator's Deployment.
package manager

import (
	"os"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

func TestTheOperatorPassesTheRestrictedProfile(t *testing.T) {
	deployment := readDeployment(t)
	checks := policy.DefaultChecks()
	evaluator, err := policy.NewEvaluator(checks, nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	pod := deployment.Spec.Template
	for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
		if !result.Allowed {
			t.Errorf("%s: %s", result.ForbiddenReason, result.ForbiddenDetail)
		}
	}
}

func TestTheOperatorHasWhatItNeeds(t *testing.T) {
	deployment := readDeployment(t)
	pod := deployment.Spec.Template
	for k, v := range deployment.Spec.Selector.MatchLabels {
		if pod.Labels[k] != v {
			t.Errorf("the selector asks for %s=%s, which the pod does not have", k, v)
		}
	}
	container := pod.Spec.Containers[0]
	if !slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool {
		return e.Name == "POD_NAMESPACE" && e.ValueFrom != nil && e.ValueFrom.FieldRef != nil
	}) {
		t.Error("POD_NAMESPACE does not come from the downward API: the operator could not tell its own namespace")
	}
	if *deployment.Spec.Replicas > 1 && !slices.Contains(container.Args, "--leader-elect=true") {
		t.Error("more than one replica, and nobody leads")
	}
	if pod.Spec.AutomountServiceAccountToken == nil || !*pod.Spec.AutomountServiceAccountToken {
		t.Error("the operator's ServiceAccount mounts no token by itself: the pod has to ask for it")
	}
}

// A release makes images of its version and no others.
func TestTheImagesAreTheCharts(t *testing.T) {
	var chart struct{ AppVersion string }
	readYAML(t, "../../charts/certstream-operator/Chart.yaml", &chart)
	var kustomization struct {
		Images []struct{ Name, NewTag string }
	}
	readYAML(t, "kustomization.yaml", &kustomization)
	container := readDeployment(t).Spec.Template.Spec.Containers[0]
	if images := kustomization.Images; len(images) != 1 || images[0].Name != container.Image || images[0].NewTag != chart.AppVersion {
		t.Errorf("kustomization.yaml gives %v; %s:%s is wanted", images, container.Image, chart.AppVersion)
	}
	streamer := corev1.EnvVar{Name: "STREAMER_IMAGE", Value: "ghcr.io/certstream-operator/streamer:" + chart.AppVersion}
	if !slices.Contains(container.Env, streamer) {
		t.Errorf("manager.yaml does not say %s=%s", streamer.Name, streamer.Value)
	}
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, into); err != nil {
		t.Fatal(err)
	}
}

func readDeployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	content, err := os.ReadFile("manager.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var deployment appsv1.Deployment
	if err := yaml.UnmarshalStrict(content, &deployment); err != nil {
		t.Fatal(err)
	}
	return &deployment
}
