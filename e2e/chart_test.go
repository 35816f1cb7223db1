//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// TestStreamsChart installs, upgrades, rolls back and uninstalls a stream by the second chart.
func TestStreamsChart(t *testing.T) {
	bed.operator(t)
	s := bed.newStream(t, func(spec *v1alpha1.CertStreamSpec) { spec.Suspend = true }) // for its namespace
	s.name = "charted"
	values := func(connections int32) string {
		s.spec.Suspend = false
		s.spec.Limits.Connections = &connections
		file := filepath.Join(t.TempDir(), "values.yaml")
		content, err := yaml.Marshal(map[string]any{"streams": map[string]any{s.name: map[string]any{"spec": s.spec}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	helm := func(args ...string) { run(t, bed.helm, append(args, "--namespace", s.namespace, "--wait")...) }
	runs := func(connections int32) {
		t.Helper()
		s.ready(t)
		if got := *s.get(t).Spec.Limits.Connections; got != connections {
			t.Errorf("limits.connections is %d, want %d", got, connections)
		}
	}
	helm("install", "streams", "../charts/certstream", "--values", values(100))
	runs(100)
	r := read(t, client.Options{URL: "ws://" + s.host() + ":8080"})
	r.first()
	helm("upgrade", "streams", "../charts/certstream", "--values", values(200))
	runs(200)
	helm("rollback", "streams")
	runs(100)
	s.condition(t, v1alpha1.ConditionConfigurationReloaded, metav1.ConditionTrue)
	if a := sum(t, []*reader{r}); a.missing != 0 {
		t.Errorf("upgrade and rollback of the stream cost its client: %+v", a)
	}
	helm("uninstall", "streams")
	if left := kubectl(t, "get", "certstreams", "-n", s.namespace, "-o", "name"); strings.Contains(left, s.name) {
		t.Errorf("left after the uninstall: %s", left)
	}
	if claims := kubectl(t, "get", "pvc", "-n", s.namespace, "-o", "name"); !strings.Contains(claims, "certstream-"+s.name) {
		t.Errorf("the retained claim is gone: %q", claims)
	}
}
