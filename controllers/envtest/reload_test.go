package envtest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

func TestALiveChangeReachesTheRunningPod(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	before := s.waitReady(t, key).Status.Config.RunningHash
	pod := s.pod(t, key)
	s.change(t, key, "limits: {connections: 77}")
	cs := s.waitReady(t, key)
	if cs.Status.Config.RunningHash == before || cs.Status.Config.RunningHash != cs.Status.Config.WantedHash {
		t.Errorf("config %+v, before %s", cs.Status.Config, before)
	}
	if s.pod(t, key).UID != pod.UID {
		t.Error("a live change replaced the pod")
	}
}

func TestARestartChangeReplacesThePod(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitReady(t, key)
	pod := s.pod(t, key)
	s.change(t, key, "limits: {window: 64Mi}")
	s.waitGone(t, client.ObjectKeyFromObject(pod), new(corev1.Pod))
	cs := s.waitReady(t, key)
	if cs.Status.Config.RunningHash != cs.Status.Config.WantedHash {
		t.Errorf("config %+v", cs.Status.Config)
	}
}

func TestTheRestartAnnotationReplacesThePod(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitReady(t, key)
	pod := s.pod(t, key)
	s.patch(t, key, new(v1alpha1.CertStream), `{metadata: {annotations: {certstream.io/restarted-at: "2026-01-01T00:00:00Z"}}}`)
	s.waitGone(t, client.ObjectKeyFromObject(pod), new(corev1.Pod))
	s.waitReady(t, key)
}

// A touch can reach the kubelet before its own watch shows it the new ConfigMap; then it takes another.
func TestAPodThatDoesNotTakeTheConfigurationIsToldAgain(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.kubelet.behave(ns, manners{deaf: 2})
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitReady(t, key)
	pod := s.pod(t, key)
	s.change(t, key, "logLevel: Debug")
	s.waitFor(t, key, v1alpha1.ConditionConfigurationReloaded, metav1.ConditionFalse, v1alpha1.ReasonReloadPending)
	s.waitReady(t, key)
	now := waitGet(t, s, client.ObjectKeyFromObject(pod), new(corev1.Pod), exists)
	if told, err := strconv.Atoi(now.Annotations[touchesNote]); err != nil || told < 3 || now.UID != pod.UID {
		t.Errorf("the pod was told %s times, want 3 at least", now.Annotations[touchesNote])
	}
}

// A pod may take up what somebody put into the ConfigMap before the operator put it right. It is told then, though it was never
// told before.
func TestAPodThatStraysIsToldAgain(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitReady(t, key)
	pod := client.ObjectKeyFromObject(s.pod(t, key))
	told := func(p *corev1.Pod) string { return p.Annotations[touchesNote] }
	waitGet(t, s, pod, new(corev1.Pod), func(p *corev1.Pod) error {
		if told(p) != "0" {
			return fmt.Errorf("told %q times, want 0", told(p))
		}
		return nil
	})
	waitGet(t, s, pod, new(corev1.Pod), func(p *corev1.Pod) error {
		if told(p) == "0" {
			s.kubelet.renew(ns, "port: 1")
			return fmt.Errorf("not told")
		}
		return nil
	})
	s.waitReady(t, key)
}

func TestARejectedConfigurationKeepsTheLastGoodOneRunning(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.kubelet.behave(ns, manners{rejects: func(config string) string {
		if strings.Contains(config, "debug") {
			return "log_level: no thank you"
		}
		return ""
	}})
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	before := s.waitReady(t, key).Status.Config.RunningHash
	pod := s.pod(t, key)
	s.change(t, key, "logLevel: Debug")
	cs := s.waitFor(t, key, v1alpha1.ConditionConfigurationReloaded, metav1.ConditionFalse, v1alpha1.ReasonConfigRejected)
	message := s.waitStalled(t, key, v1alpha1.ReasonConfigRejected)
	if !strings.Contains(message, "no thank you") || cs.Status.Config.RunningHash != before {
		t.Errorf("message %q, config %+v", message, cs.Status.Config)
	}
	s.waitEvent(t, key, corev1.EventTypeWarning, v1alpha1.ReasonConfigRejected)
	s.change(t, key, "logLevel: Warn")
	s.waitReady(t, key)
	if s.pod(t, key).UID != pod.UID {
		t.Error("the pod was replaced")
	}
}

func TestAPodThatIsKilledIsFoundAgain(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitReady(t, key)
	pod := s.pod(t, key)
	if err := s.client.Delete(t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	waitGet(t, s, client.ObjectKeyFromObject(pod), new(corev1.Pod), func(p *corev1.Pod) error {
		if p.UID == pod.UID || p.Annotations[configNote] == "" {
			return fmt.Errorf("pod %s is not a new one that was found", p.UID)
		}
		return nil
	})
	s.waitReady(t, key)
}

// A pod whose status cannot be read any more serves on, and the figures stay.
func TestAnUnreadableStatus(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitReady(t, key)
	s.kubelet.behave(ns, manners{status: func(_ *fakePod, says map[string]any) {
		for name := range says {
			delete(says, name)
		}
	}})
	cs := s.waitFor(t, key, v1alpha1.ConditionIngesting, metav1.ConditionUnknown, v1alpha1.ReasonStatusUnreadable)
	s.waitReady(t, key)
	if cs.Status.Figures == nil {
		t.Error("the figures are gone")
	}
	s.kubelet.behave(ns, manners{})
	s.waitFor(t, key, v1alpha1.ConditionIngesting, metav1.ConditionTrue, v1alpha1.ReasonLogsFollowed)
}

// What a log or a pod says gets into no status and no event as it is.
func TestAHostileStatusIsCleaned(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.kubelet.behave(ns, manners{status: func(_ *fakePod, says map[string]any) {
		says["version"] = "v1\x1b[2J\n" + strings.Repeat("x", 10_000)
		says["logs"] = []any{map[string]any{
			"name": "evil\nlog\x00", "state": "failing", "status": "unhealthy", "breaker": "open",
			"last_error": "<html>body of an answer</html>", "last_error_kind": "<html>body</html>", "lag_seconds": 1e300,
		}}
		says["clients"] = []any{map[string]any{"count": -5}}
	}})
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	cs := s.waitFor(t, key, v1alpha1.ConditionIngesting, metav1.ConditionFalse, v1alpha1.ReasonAllLogsFailing)
	text := fmt.Sprintf("%+v", cs.Status)
	for _, bad := range []string{"\x1b", "\x00", "\n  evil", "body", strings.Repeat("x", 200)} {
		if strings.Contains(text, bad) {
			t.Errorf("%q got into the status: %.500s", bad, text)
		}
	}
	if cs.Status.Figures.Clients != 0 {
		t.Errorf("%d clients", cs.Status.Figures.Clients)
	}
}

// waitEvent waits for an event about a CertStream.
func (s *apiServer) waitEvent(t *testing.T, key client.ObjectKey, kind, reason string) {
	t.Helper()
	events := new(corev1.EventList)
	waitGet(t, s, key, new(v1alpha1.CertStream), func(cs *v1alpha1.CertStream) error {
		if err := s.client.List(t.Context(), events, client.InNamespace(key.Namespace)); err != nil {
			return err
		}
		var seen []string
		for _, e := range events.Items {
			if e.InvolvedObject.UID == cs.UID && e.Type == kind && e.Reason == reason {
				return nil
			}
			seen = append(seen, e.Type+" "+e.Reason)
		}
		return fmt.Errorf("events %v", seen)
	})
}
