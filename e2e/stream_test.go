//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// restricted are the labels of a namespace that admits only pods of the restricted profile.
const restricted = "pod-security.kubernetes.io/enforce: restricted"

// stream is a CertStream of a test, in a namespace of its own.
type stream struct {
	*testbed
	namespace, name string
	spec            v1alpha1.CertStreamSpec
}

// newStream makes a CertStream named main that follows the test logs, without waiting for it. It ends with the test.
func (b *testbed) newStream(t *testing.T, change func(*v1alpha1.CertStreamSpec)) *stream {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "e2e-", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}
	if err := b.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	s := &stream{testbed: b, namespace: ns.Name, name: "main", spec: b.testSpec()}
	t.Cleanup(func() {
		if t.Failed() {
			s.explain(t)
		}
		if err := b.Delete(context.Background(), ns); err != nil {
			t.Error(err)
		}
	})
	if change != nil {
		change(&s.spec)
	}
	s.apply(t)
	return s
}

// readyStream is newStream that waits until clients can connect and the logs are followed.
func (b *testbed) readyStream(t *testing.T, change func(*v1alpha1.CertStreamSpec)) *stream {
	t.Helper()
	s := b.newStream(t, change)
	s.ready(t)
	eventually(t, time.Minute, "following the logs", func() error {
		status, err := s.podStatus(t.Context())
		if err == nil && len(status.Logs) < len(b.logs) {
			err = fmt.Errorf("%d logs followed", len(status.Logs))
		}
		return err
	})
	return s
}

func (b *testbed) testSpec() v1alpha1.CertStreamSpec {
	yes := true
	requests := int32(100)
	return v1alpha1.CertStreamSpec{
		Logs: v1alpha1.LogsSpec{
			List: v1alpha1.LogListSpec{Source: v1alpha1.LogListNone}, Custom: b.logs,
			AllowPrivateAddresses: true, AllowHTTP: true,
			Pacing: v1alpha1.PacingSpec{
				RequestsPerSecond: &requests, PollInterval: &metav1.Duration{Duration: 500 * time.Millisecond},
				PartialTileInterval: &metav1.Duration{Duration: 5 * time.Second},
			},
		},
		Protocols: v1alpha1.ProtocolsSpec{TCP: v1alpha1.TCPSpec{Enabled: &yes}},
	}
}

// manifest is the CertStream as a user writes it.
func (s *stream) manifest(t *testing.T) string {
	t.Helper()
	b, err := yaml.Marshal(map[string]any{
		"apiVersion": "certstream.io/v1alpha1", "kind": "CertStream",
		"metadata": map[string]any{"name": s.name, "namespace": s.namespace}, "spec": s.spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (s *stream) apply(t *testing.T) { t.Helper(); apply(t, s.manifest(t)) }

func (s *stream) get(t *testing.T) *v1alpha1.CertStream {
	t.Helper()
	cs, err := s.fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func (s *stream) fetch(ctx context.Context) (*v1alpha1.CertStream, error) {
	var cs v1alpha1.CertStream
	return &cs, s.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: s.name}, &cs)
}

// condition waits until a condition of the present generation has a status, and returns it.
func (s *stream) condition(t *testing.T, kind string, want metav1.ConditionStatus) *metav1.Condition {
	t.Helper()
	var found *metav1.Condition
	eventually(t, 2*time.Minute, "condition "+kind, func() error {
		cs, err := s.fetch(t.Context())
		if err != nil {
			return err
		}
		found = meta.FindStatusCondition(cs.Status.Conditions, kind)
		switch {
		case found == nil:
			return errors.New("there is none")
		case found.Status != want || found.ObservedGeneration != cs.Generation:
			return fmt.Errorf("is %s %s of generation %d (now %d): %s", found.Status, found.Reason, found.ObservedGeneration, cs.Generation,
				found.Message)
		}
		return nil
	})
	return found
}

func (s *stream) ready(t *testing.T) {
	t.Helper()
	s.condition(t, v1alpha1.ConditionReady, metav1.ConditionTrue)
}

// pod is the stream's only pod that is not going.
func (s *stream) pod(ctx context.Context) (*corev1.Pod, error) {
	var pods corev1.PodList
	if err := s.List(ctx, &pods, client.InNamespace(s.namespace), client.MatchingLabels{"app.kubernetes.io/instance": s.name}); err != nil {
		return nil, err
	}
	var found []corev1.Pod
	for _, p := range pods.Items {
		if p.DeletionTimestamp.IsZero() {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d pods", len(found))
	}
	return &found[0], nil
}

// podStatus is what the tests read of a streamer's /status.
type podStatus struct {
	Config struct {
		Hash      string `json:"hash"`
		LastError string `json:"last_error"`
	} `json:"config"`
	State struct {
		Recovery string `json:"recovery"`
	} `json:"state"`
	Window struct {
		Entries int     `json:"entries"`
		Seconds float64 `json:"seconds"`
	} `json:"window"`
	Retention *struct {
		Entries uint64  `json:"entries"`
		Seconds float64 `json:"seconds"`
	} `json:"retention"`
	Logs []struct {
		Name     string `json:"name"`
		Position uint64 `json:"position"`
		Errors   uint64 `json:"errors"`
	} `json:"logs"`
	Totals struct {
		Gaps uint64 `json:"gaps"`
	} `json:"totals"`
}

func (s *stream) podStatus(ctx context.Context) (*podStatus, error) {
	pod, err := s.pod(ctx)
	if err != nil {
		return nil, err
	}
	return statusAt(ctx, pod.Status.PodIP)
}

// statusAt asks a pod's admin port.
func statusAt(ctx context.Context, ip string) (*podStatus, error) {
	body, err := get(ctx, "http://"+ip+":9090/status")
	if err != nil {
		return nil, err
	}
	var status podStatus
	return &status, json.Unmarshal(body, &status)
}

// mustStatus asks a pod's admin port until it answers.
func mustStatus(t *testing.T, ip string) *podStatus {
	t.Helper()
	var status *podStatus
	eventually(t, time.Minute, "status of the pod", func() (err error) {
		status, err = statusAt(t.Context(), ip)
		return err
	})
	return status
}

// host is the name that clients reach the stream by.
func (s *stream) host() string {
	return "certstream-" + s.name + "." + s.namespace + ".svc.cluster.local"
}

// explain logs what there is to know about a stream whose test failed.
func (s *stream) explain(t *testing.T) {
	ctx := context.Background()
	for _, args := range [][]string{
		{"describe", "certstream", s.name, "-n", s.namespace},
		{"get", "all,pvc,events", "-n", s.namespace, "-o", "wide"},
		{"logs", "-n", s.namespace, "deployment/certstream-" + s.name, "--tail=30"},
		{"logs", "-n", operatorNamespace, "deployment/" + release, "--tail=30"},
	} {
		out, err := command(ctx, "", "kubectl", args...)
		t.Logf("kubectl %v: %v\n%s", args, err, out)
	}
}
