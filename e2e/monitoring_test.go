//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const prometheusURL = "http://prometheus-operated.monitoring.svc.cluster.local:9090"

// TestPrometheus has the Prometheus operator and Prometheus scrape a stream with tokens and TLS through its ServiceMonitor, load
// its rules, and answer every query of rules and dashboard. Their definitions come while the operator runs.
func TestPrometheus(t *testing.T) {
	bed.needs(t, 2)
	bed.operator(t)
	s := bed.newStream(t, func(spec *v1alpha1.CertStreamSpec) {
		spec.Auth = &v1alpha1.AuthSpec{Tokens: []v1alpha1.TokenSource{{SecretName: "tokens"}}}
		spec.TLS = &v1alpha1.TLSSpec{SecretName: "certificate"}
		spec.Monitoring.Dashboard = &v1alpha1.DashboardSpec{}
		spec.Monitoring.Interval = "5s"
	})
	s.secret(t, "tokens", map[string]string{"alice": "alice-token-0123456789"})
	s.secret(t, "certificate", s.certificate(t))
	s.ready(t)
	missing := s.condition(t, v1alpha1.ConditionMonitored, metav1.ConditionFalse)
	t.Logf("without the Prometheus operator: %s: %s", missing.Reason, missing.Message)

	bed.startPrometheus(t)
	s.condition(t, v1alpha1.ConditionMonitored, metav1.ConditionTrue)
	selector := fmt.Sprintf(`{namespace=%q,certstream=%q}`, s.namespace, s.name)
	eventually(t, 4*time.Minute, "a certstream metric in Prometheus", func() error {
		result, err := query(t, "certstream_build_info"+selector)
		if err == nil && len(result) == 0 {
			err = errors.New("no series")
		}
		return err
	})
	s.rulesAreHealthy(t)
	eventually(t, time.Minute, "a rate, which needs two scrapes", func() error {
		result, err := query(t, "rate(certstream_entries_published_total"+selector+"[1m])")
		if err == nil && len(result) == 0 {
			err = errNotYet
		}
		return err
	})
	s.dashboardAnswers(t)
}

func (b *testbed) startPrometheus(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(b.crds, "monitoring.coreos.com_*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no definitions of the Prometheus operator in %q: %v", b.crds, err)
	}
	for _, file := range files {
		kubectl(t, "apply", "--server-side", "-f", file)
	}
	manifest, err := os.ReadFile("testdata/prometheus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "wait", "--for=condition=Established", "crd", "--all", "--timeout=1m")
	apply(t, strings.ReplaceAll(string(manifest), "$(TAG)", b.tag))
	t.Cleanup(func() { b.stopPrometheus(t, files) })
	kubectl(t, "rollout", "status", "-n", "monitoring", "deployment/prometheus-operator", "--timeout=2m")
	eventually(t, 4*time.Minute, "Prometheus", func() error {
		_, err := get(t.Context(), prometheusURL+"/-/ready")
		return err
	})
}

// stopPrometheus takes all away again, so that tests that follow begin without it.
func (b *testbed) stopPrometheus(t *testing.T, definitions []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	deletions := [][]string{
		{"delete", "prometheus", "main", "-n", "monitoring"},
		{"delete", "namespace", "monitoring"},
		{"delete", "clusterrolebinding,clusterrole", "e2e-prometheus", "e2e-prometheus-operator", "--ignore-not-found"},
	}
	for _, file := range definitions {
		deletions = append(deletions, []string{"delete", "-f", file})
	}
	for _, args := range deletions {
		if _, err := command(ctx, "", "kubectl", args...); err != nil {
			t.Error(err)
		}
	}
}

// query asks Prometheus and returns the series.
func query(t *testing.T, expression string) ([]any, error) {
	t.Helper()
	body, err := get(t.Context(), prometheusURL+"/api/v1/query?query="+url.QueryEscape(expression))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", expression, err, body)
	}
	var answer struct {
		Data struct {
			Result json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, err
	}
	var series []any
	return series, json.Unmarshal(answer.Data.Result, &series)
}

// rulesAreHealthy waits until Prometheus has evaluated every rule of the stream without an error.
func (s *stream) rulesAreHealthy(t *testing.T) {
	t.Helper()
	count := 0
	eventually(t, 3*time.Minute, "the rules", func() error {
		body, err := get(t.Context(), prometheusURL+"/api/v1/rules")
		if err != nil {
			return err
		}
		var answer struct {
			Data struct {
				Groups []struct {
					Name  string `json:"name"`
					File  string `json:"file"`
					Rules []struct{ Name, Health, LastError string }
				} `json:"groups"`
			} `json:"data"`
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			return err
		}
		count = 0
		for _, g := range answer.Data.Groups {
			if !strings.Contains(g.File, s.namespace) {
				continue
			}
			for _, r := range g.Rules {
				count++
				if r.Health != "ok" {
					return fmt.Errorf("%s of %s is %s: %s", r.Name, g.Name, r.Health, r.LastError)
				}
			}
		}
		if count == 0 {
			return errors.New("none loaded")
		}
		return nil
	})
	figure(t, "%d rules loaded and evaluated", count)
}

// dashboardAnswers runs every query of the dashboard.
func (s *stream) dashboardAnswers(t *testing.T) {
	t.Helper()
	var dashboard corev1.ConfigMap
	key := client.ObjectKey{Namespace: s.namespace, Name: "certstream-" + s.name + "-dashboard"}
	if err := s.Get(t.Context(), key, &dashboard); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$namespace", s.namespace, "$stream", s.name, "$__rate_interval", "1m", "$__range", "5m",
		"$__interval", "1m", "$log", ".*")
	var expressions []string
	for _, text := range dashboard.Data {
		var panels any
		if err := json.Unmarshal([]byte(text), &panels); err != nil {
			t.Fatal(err)
		}
		expressions = append(expressions, collect(panels)...)
	}
	var empty []string
	for _, e := range expressions {
		series, err := query(t, fill.Replace(e))
		if err != nil {
			t.Error(err)
		}
		if len(series) == 0 {
			empty = append(empty, e)
		}
	}
	slices.Sort(empty)
	figure(t, "%d queries of the dashboard ran, %d of them with no series now", len(expressions), len(empty))
	t.Logf("no series:\n%s", strings.Join(empty, "\n"))
	if len(expressions) == 0 {
		t.Error("the dashboard has no queries")
	}
}

// collect finds all that is called expr in a decoded document.
func collect(value any) []string {
	var found []string
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			found = append(found, collect(item)...)
		}
	case map[string]any:
		for key, item := range v {
			if text, is := item.(string); is && key == "expr" {
				found = append(found, text)
			}
			found = append(found, collect(item)...)
		}
	}
	return found
}
