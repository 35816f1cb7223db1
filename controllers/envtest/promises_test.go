package envtest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// What is kept is a share of the claim as it is, follows it when it has grown, and replaces no pod.
func TestRetentionFollowsTheClaim(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: ns}, Provisioner: "test.example/none", AllowVolumeExpansion: new(true)}
	if err := s.client.Create(t.Context(), class); err != nil {
		t.Fatal(err)
	}
	key := s.streamOf(t, ns, "main", `{state: {volume: {storageClassName: `+ns+`}}}`)
	s.waitReady(t, key)
	pod := s.pod(t, key).UID
	keeps := func(want string) {
		t.Helper()
		waitGet(t, s, child(key), new(corev1.ConfigMap), func(cm *corev1.ConfigMap) error {
			if got := lineAfter(cm.Data["config.yaml"], "retention:"); got != want {
				return fmt.Errorf("retention is %q, want %q", got, want)
			}
			return nil
		})
		s.waitReady(t, key)
	}
	keeps("max_bytes: 2457MiB")
	s.change(t, key, "state: {volume: {size: 8Gi}}")
	keeps("max_bytes: 4915MiB")
	s.change(t, key, "state: {retention: {maxBytes: 1Gi}}")
	keeps("max_bytes: 1GiB")
	s.change(t, key, "state: {retention: {enabled: false}}")
	keeps("")
	if s.pod(t, key).UID != pod {
		t.Error("a change of retention replaced the pod")
	}
}

// lineAfter is the line behind one that is given; empty when there is none.
func lineAfter(text, line string) string {
	_, rest, _ := strings.Cut("\n"+text, "\n"+line+"\n")
	next, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(next)
}

// findings are the /status of pods whose first logs have been caught lying, and whose disk is as told.
type findings struct {
	liars atomic.Int32
	full  atomic.Bool
	aside atomic.Int32
}

func (f *findings) change(_ *fakePod, status map[string]any) {
	logs := status["logs"].([]any)
	for i := range f.liars.Load() {
		log := logs[i].(map[string]any)
		log["status"] = "unhealthy"
		log["misbehaviour"] = map[string]any{
			"kind": "fork", "why": "<script>", "since": "2026-11-21T12:00:00Z", "count": 1, "evidence": fmt.Sprintf("/state/evidence/%d.json", i),
		}
	}
	retention := map[string]any{"bytes": 1 << 30, "capacity_bytes": 2 << 30, "seconds": 7200.0, "aside_segments": f.aside.Load()}
	if f.full.Load() {
		retention["last_error"], retention["full"] = "the volume is full", true
	}
	status["retention"] = retention
}

// A log that lies shows in a condition, an event and the figures; the stream stays ready, and the log counts as one that answers.
func TestALogThatLies(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	var pods findings
	s.kubelet.behave(ns, manners{status: pods.change})
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitFor(t, key, v1alpha1.ConditionLogsConsistent, metav1.ConditionTrue, v1alpha1.ReasonLogsConsistent)
	pods.liars.Store(1)
	cs := s.waitFor(t, key, v1alpha1.ConditionLogsConsistent, metav1.ConditionFalse, v1alpha1.ReasonLogMisbehaved)
	s.waitEvent(t, key, "Warning", v1alpha1.ReasonLogMisbehaved)
	text := conditionsText(cs)
	for _, want := range []string{"Argon", "fork", "2026-11-21T12:00:00Z", "/state/evidence/0.json"} {
		if !strings.Contains(text, want) {
			t.Errorf("the conditions do not say %s: %s", want, text)
		}
	}
	if f := cs.Status.Figures; f == nil || f.Logs.Misbehaved != 1 || f.Logs.Failing != 0 || f.Logs.Misbehaviour[0].Name != "Argon" {
		t.Errorf("figures %+v", f)
	}
	s.waitFor(t, key, v1alpha1.ConditionIngesting, metav1.ConditionTrue, v1alpha1.ReasonLogsFollowed)
	s.waitReady(t, key)
	pods.liars.Store(0)
	s.waitFor(t, key, v1alpha1.ConditionLogsConsistent, metav1.ConditionTrue, v1alpha1.ReasonLogsConsistent)
	s.waitEvent(t, key, "Normal", v1alpha1.ReasonLogsConsistent)
}

func TestADiskThatFills(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	var pods findings
	s.kubelet.behave(ns, manners{status: pods.change})
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	cs := s.waitFor(t, key, v1alpha1.ConditionRetaining, metav1.ConditionTrue, v1alpha1.ReasonRetaining)
	if text := conditionsText(cs); !strings.Contains(text, "the last 2h") {
		t.Errorf("the conditions do not say how far back: %s", text)
	}
	pods.full.Store(true)
	s.waitFor(t, key, v1alpha1.ConditionRetaining, metav1.ConditionFalse, v1alpha1.ReasonDiskFull)
	s.waitEvent(t, key, "Warning", v1alpha1.ReasonDiskFull)
	pods.full.Store(false)
	pods.aside.Store(2)
	s.waitFor(t, key, v1alpha1.ConditionRetaining, metav1.ConditionFalse, v1alpha1.ReasonSegmentsCorrupt)
	s.waitReady(t, key)
	pods.aside.Store(0)
	s.waitFor(t, key, v1alpha1.ConditionRetaining, metav1.ConditionTrue, v1alpha1.ReasonRetaining)
	s.waitEvent(t, key, "Normal", v1alpha1.ReasonRetaining)
}
