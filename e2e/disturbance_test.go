//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// outage is how long the control plane is away: a minute where all is tested.
func (b *testbed) outage() time.Duration {
	if b.depth > 1 {
		return time.Minute
	}
	return 15 * time.Second
}

// untouched checks that clients noticed nothing.
func untouched(t *testing.T, what string, readers []*reader) {
	t.Helper()
	a := sum(t, readers)
	figure(t, "%s: messages %d, missing %d, repeated %d, connections lost %d, longest silence %v",
		what, a.messages, a.missing, a.repeated, a.lost, a.longest.Round(time.Millisecond))
	if a.missing != 0 || a.lost != 0 || a.gaps != 0 {
		t.Errorf("%s cost clients: %+v", what, a)
	}
}

func (b *testbed) componentVerb(t *testing.T, verb, name string) {
	t.Helper()
	run(t, b.component, verb, name)
}

func TestAPIServerDown(t *testing.T) {
	bed.needsComponents(t)
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 3)
	bed.componentVerb(t, "kill", "kube-apiserver")
	t.Cleanup(func() { _, _ = command(context.Background(), "", bed.component, "start", "kube-apiserver") })
	pause(t, bed.outage())
	reaches(t, readers)
	bed.componentVerb(t, "start", "kube-apiserver")
	untouched(t, "API server down for "+bed.outage().String(), readers)
	// The operator finds its way back by itself.
	eventually(t, 2*time.Minute, "the API server", func() error {
		_, err := s.fetch(t.Context())
		return err
	})
	connections := int32(4321)
	s.spec.Limits.Connections = &connections
	began := time.Now()
	s.apply(t)
	s.condition(t, v1alpha1.ConditionConfigurationReloaded, metav1.ConditionTrue)
	figure(t, "a change right after it was confirmed after %.1f s", time.Since(began).Seconds())
	untouched(t, "and the change after it", readers)
}

func TestOperatorDown(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 3)
	kubectl(t, "scale", "-n", operatorNamespace, "deployment/"+release, "--replicas=0")
	connections := int32(1234)
	s.spec.Limits.Connections = &connections
	s.apply(t) // with nobody there to act on it
	pause(t, bed.outage())
	untouched(t, "operator down for "+bed.outage().String(), readers)
	kubectl(t, "scale", "-n", operatorNamespace, "deployment/"+release, "--replicas=2")
	began := time.Now()
	s.condition(t, v1alpha1.ConditionConfigurationReloaded, metav1.ConditionTrue)
	figure(t, "what had changed meanwhile was in force %.1f s after the operator was told to start", time.Since(began).Seconds())
	untouched(t, "operator back", readers)
}

// TestOperatorKilled ends every operator's process at once, so that the leader's Lease is not given back and has to run out.
func TestOperatorKilled(t *testing.T) {
	bed.needsComponents(t)
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 3)
	killed := 0
	for _, id := range processes(t, "/manager") {
		if err := syscall.Kill(id, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		killed++
	}
	if killed == 0 {
		t.Fatal("no operator runs")
	}
	connections := int32(777)
	s.spec.Limits.Connections = &connections
	began := time.Now()
	s.apply(t)
	s.condition(t, v1alpha1.ConditionConfigurationReloaded, metav1.ConditionTrue)
	figure(t, "%d operators killed: a change was in force after %.1f s", killed, time.Since(began).Seconds())
	untouched(t, "operators killed", readers)
}

// processes finds those that run a program, on a node whose processes can be seen.
func processes(t *testing.T, program string) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.HasPrefix(line, append([]byte(program), 0)) {
			continue // of another program, or gone meanwhile
		}
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, id)
	}
	return found
}

func TestKubeletRestarted(t *testing.T) {
	bed.needsComponents(t)
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 3)
	before, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bed.componentVerb(t, "restart", "kubelet")
	pause(t, 15*time.Second)
	untouched(t, "kubelet restarted", readers)
	after, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if before.UID != after.UID {
		t.Error("the pod was replaced")
	}
}

// TestPodKilled kills the stream's pod with no time to say goodbye: what clients lose they get again by their cursors.
func TestPodKilled(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 3)
	pause(t, 10*time.Second)
	before, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop := probe(t, s.host()+":8080")
	if err := bed.kube.CoreV1().Pods(s.namespace).Delete(t.Context(), before.Name, metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
		t.Fatal(err)
	}
	pod := s.replaced(t, before)
	a := sum(t, readers)
	without, _ := stop()
	figure(t, "pod killed: %.1f s without an endpoint (%d restarts); clients: %d messages, %d missing after resume, %d repeated, %d gaps told",
		without.Seconds(), pod.Status.ContainerStatuses[0].RestartCount, a.messages, a.missing, a.repeated, a.gaps)
	if a.missing != 0 {
		t.Errorf("clients miss messages after resume: %+v", a)
	}
	s.ready(t)
	t.Logf("log of the new pod:\n%s", kubectl(t, "logs", "-n", s.namespace, pod.Name, "--tail=20", "--all-containers", "--prefix"))
	t.Logf("events:\n%s", kubectl(t, "events", "-n", s.namespace))
}

// replaced waits until another pod is ready.
func (s *stream) replaced(t *testing.T, before *corev1.Pod) *corev1.Pod {
	t.Helper()
	var now *corev1.Pod
	eventually(t, 2*time.Minute, "another pod", func() error {
		pod, err := s.pod(t.Context())
		if err != nil {
			return err
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue && pod.UID != before.UID {
				now = pod
				return nil
			}
		}
		return errNotYet
	})
	return now
}
