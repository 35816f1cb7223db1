//go:build e2e

package e2e

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// TestReload changes a live field 20 times under load, and measures from kubectl apply returning to the pod's new hash.
func TestReload(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 5)
	pod, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var times []time.Duration
	for i := range 20 {
		before := mustStatus(t, pod.Status.PodIP)
		connections := int32(5000 + i)
		s.spec.Limits.Connections = &connections
		s.apply(t)
		took := eventually(t, 2*time.Minute, "the pod's new configuration", func() error {
			now, err := statusAt(t.Context(), pod.Status.PodIP)
			if err == nil && now.Config.Hash == before.Config.Hash {
				err = fmt.Errorf("hash still %s; last error %q", now.Config.Hash, now.Config.LastError)
			}
			return err
		})
		times = append(times, took)
		s.condition(t, v1alpha1.ConditionConfigurationReloaded, metav1.ConditionTrue)
		s.runsWhatIsWritten(t, pod.Status.PodIP)
		pause(t, time.Second)
	}
	t.Logf("in order: %v", times)
	slices.Sort(times)
	a := sum(t, readers)
	figure(t, "20 changes, %d clients: p50 %v, p95 %v, longest %v; connections dropped %d, messages missing %d of %d, gaps told %d",
		len(readers), times[9].Round(time.Millisecond), times[18].Round(time.Millisecond), times[19].Round(time.Millisecond),
		a.lost, a.missing, a.messages, a.gaps)
	if a.lost != 0 || a.missing != 0 || a.gaps != 0 {
		t.Errorf("reloading cost clients: %+v", a)
	}
	if after, err := s.pod(t.Context()); err != nil || after.UID != pod.UID || after.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("a change of a live field replaced or restarted the pod: %v", err)
	}
}

// runsWhatIsWritten checks that the hash of the pod, of the status and of the ConfigMap are one.
func (s *stream) runsWhatIsWritten(t *testing.T, ip string) {
	t.Helper()
	var written corev1.ConfigMap
	if err := s.Get(t.Context(), client.ObjectKey{Namespace: s.namespace, Name: "certstream-" + s.name}, &written); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%x", sha256.Sum256([]byte(written.Data["config.yaml"])))
	running := mustStatus(t, ip)
	config := s.get(t).Status.Config
	if running.Config.Hash != want || config == nil || config.RunningHash != want || config.WantedHash != want {
		t.Errorf("ConfigMap %s, pod %s, status %+v: not one", want, running.Config.Hash, config)
	}
}
