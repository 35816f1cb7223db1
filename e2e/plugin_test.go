//go:build e2e

package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// TestPlugin runs every command of the kubectl plugin against a stream.
func TestPlugin(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	plugin := func(args ...string) string {
		t.Helper()
		out := run(t, bed.plugin, append(args, "--namespace", s.namespace)...)
		t.Logf("kubectl certstream %s:\n%s", strings.Join(args, " "), out)
		return out
	}
	for _, want := range []string{"Ready", "Test One", s.host()[:len("certstream-main.")]} {
		if out := plugin("status", s.name); !strings.Contains(out, want) {
			t.Errorf("status shows no %q", want)
		}
	}
	if lines := strings.Split(strings.TrimSpace(plugin("tail", s.name, "--count", "3")), "\n"); len(lines) != 3 {
		t.Errorf("tail of 3 certificates printed %d lines", len(lines))
	}
	if out := plugin("logs", s.name); !strings.Contains(out, "Test Static") {
		t.Error("logs shows no Test Static")
	}
	if out := plugin("config", s.name); !strings.Contains(out, "Test Two") {
		t.Error("config shows no Test Two")
	}
	plugin("suspend", s.name)
	s.condition(t, v1alpha1.ConditionSuspended, metav1.ConditionTrue)
	plugin("resume", s.name)
	eventually(t, time.Minute, "the condition's end", func() error {
		if c := meta.FindStatusCondition(s.get(t).Status.Conditions, v1alpha1.ConditionSuspended); c != nil {
			return errors.New(c.Message)
		}
		return nil
	})
	before, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plugin("restart", s.name)
	s.replaced(t, before)
	s.ready(t)
}
