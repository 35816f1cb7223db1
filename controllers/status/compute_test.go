package status_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

// constants are the string constants of the API's conditions that begin so.
func constants(t *testing.T, prefix string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../api/v1alpha1/conditions.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, prefix) {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
		}
		return true
	})
	return values
}

// Every reason and condition of the API appears in the texts, but for the reasons of events alone.
func TestEveryReasonAppears(t *testing.T) {
	text, err := os.ReadFile("testdata/conditions.txt")
	if err != nil {
		t.Fatal(err)
	}
	ofEvents := []string{v1alpha1.ReasonApplied, v1alpha1.ReasonPruned, v1alpha1.ReasonReloadRequested, v1alpha1.ReasonResumed,
		v1alpha1.ReasonPending,                                   // what a CertStream is born with
		v1alpha1.ReasonNoWarnings, v1alpha1.ReasonMonitorCreated} // the last two are left out of the texts
	reasons := constants(t, "Reason")
	for _, reason := range reasons {
		if found := strings.Contains(string(text), " "+reason+": "); found == slices.Contains(ofEvents, reason) {
			t.Errorf("reason %s: in the texts: %v", reason, found)
		}
	}
	for _, kind := range constants(t, "Condition") {
		if kind != v1alpha1.ConditionNoWarnings && !strings.Contains(string(text), "\n"+kind+"=") {
			t.Errorf("condition %s is in no text", kind)
		}
	}
	if len(reasons) < 50 {
		t.Errorf("only %d reasons were found", len(reasons))
	}
}

// The status of a stream that works, whole.
func TestStatus(t *testing.T) {
	o := observed(func(o *status.Observed) {
		o.Stream.Annotations = map[string]string{v1alpha1.AnnotationReconcile: "today"}
	})
	got := status.Compute(o, v1alpha1.CertStreamStatus{LastHandledReconcileAt: "yesterday"})
	got.Conditions = nil
	size := resource.MustParse("4Gi")
	want := v1alpha1.CertStreamStatus{
		ObservedGeneration: 3,
		URL:                "ws://certstream-main.ct.svc:8080/",
		Endpoints: &v1alpha1.EndpointsStatus{Cluster: &v1alpha1.Endpoint{
			WebSocket: "ws://certstream-main.ct.svc:8080/", SSE: "http://certstream-main.ct.svc:8080/sse",
		}},
		Config: &v1alpha1.ConfigStatus{WantedHash: "wanted", RunningHash: "wanted"},
		Figures: &v1alpha1.Figures{
			ObservedTime:     metav1.NewTime(noon),
			Logs:             v1alpha1.LogFigures{Followed: 3, Summary: "3/3"},
			EntriesPerSecond: 312, Rate: "312/s", LagSeconds: 4, Lag: "4s", Clients: 12,
			Retention: &v1alpha1.RetentionFigures{Seconds: 18000, Span: "5h", Bytes: 1 << 30, MaxBytes: 2457 << 20},
		},
		Volume:                 &v1alpha1.VolumeStatus{ClaimName: "certstream-main", Phase: corev1.ClaimBound, Capacity: &size},
		Image:                  "certstream-operator/streamer:1.0.0",
		Version:                "1.0.0",
		LastHandledReconcileAt: "today",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	o.Stream.Annotations[v1alpha1.AnnotationReconcile] = strings.Repeat("x", 127) + "é" + strings.Repeat("x", 1<<17)
	if got := status.Compute(o, v1alpha1.CertStreamStatus{}).LastHandledReconcileAt; got != strings.Repeat("x", 127) {
		t.Errorf("a long value becomes %q", got)
	}
	suspend(&o)
	if got := status.Compute(o, v1alpha1.CertStreamStatus{LastHandledReconcileAt: "yesterday"}); got.LastHandledReconcileAt != "yesterday" {
		t.Errorf("suspended, it says that it acted upon %q", got.LastHandledReconcileAt)
	}
}

// A new leader has not asked the pods yet. That alone changes nothing.
func TestNewLeaderChangesNothing(t *testing.T) {
	for _, phase := range phasesOfLife() {
		if phase.kstatus == "Failed" || phase.o.Report == nil || phase.o.Report.Err != nil || !strings.Contains(phase.want, "Ready=True") {
			continue
		}
		if phase.o.Report.StateFailing || phase.o.Report.ListFailing || strings.Contains(phase.name, "spec changed") ||
			strings.Contains(phase.want, "Ingesting=Unknown") || strings.Contains(phase.name, "no list") || strings.Contains(phase.name, "settling") {
			continue // what only the pod knows is learned again
		}
		before := status.Compute(phase.o, phase.o.Stream.Status)
		later := phase.o
		later.Report, later.Now = nil, noon.Add(time.Hour)
		if diff := cmp.Diff(before, status.Compute(later, before)); diff != "" {
			t.Errorf("%s (-before +after):\n%s", phase.name, diff)
		}
	}
}

// The time of a transition changes with the status of a condition only.
func TestTransitionTimes(t *testing.T) {
	first := status.Compute(observed(), v1alpha1.CertStreamStatus{})
	o := observed(reported(func(r *observe.Report) { r.Logs = append(r.Logs, failing("Wyvern 2026h2", "timeout")) }))
	o.Now = noon.Add(time.Hour)
	second := status.Compute(o, first)
	ingesting := meta.FindStatusCondition(second.Conditions, v1alpha1.ConditionIngesting)
	if ingesting.Reason != v1alpha1.ReasonSomeLogsFailing || !ingesting.LastTransitionTime.Time.Equal(noon) {
		t.Errorf("with another reason: %s since %s, want since %s", ingesting.Reason, ingesting.LastTransitionTime, noon)
	}
	o = observed(noPod())
	o.Now = noon.Add(2*time.Hour + 300*time.Millisecond)
	third := status.Compute(o, second)
	ready := meta.FindStatusCondition(third.Conditions, v1alpha1.ConditionReady)
	if want := noon.Add(2 * time.Hour); !ready.LastTransitionTime.Time.Equal(want) {
		t.Errorf("no pod since %s, want %s", ready.LastTransitionTime, want)
	}
}

// Another pod's report counts for nothing, and neither does one of a pod that is going.
func TestReportOfAnotherPod(t *testing.T) {
	o := observed(reported(func(r *observe.Report) { r.PodUID = "another" }))
	got := status.Compute(o, v1alpha1.CertStreamStatus{})
	if c := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady); c.Status != metav1.ConditionUnknown || got.Figures != nil {
		t.Errorf("Ready %s, figures %v", c.Status, got.Figures)
	}
}

// Ready waits for the rollout by the rules of `kubectl rollout status`.
func TestRollout(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*status.Observed)
		want   metav1.ConditionStatus
	}{
		"done":                     {func(*status.Observed) {}, metav1.ConditionTrue},
		"not seen by a controller": {func(o *status.Observed) { o.Deployment.Status = appsv1.DeploymentStatus{} }, metav1.ConditionTrue},
		"not seen since":           {func(o *status.Observed) { o.Deployment.Generation++ }, metav1.ConditionFalse},
		"no pod updated":           {func(o *status.Observed) { o.Deployment.Status.UpdatedReplicas = 0 }, metav1.ConditionFalse},
		"an old pod left":          {func(o *status.Observed) { o.Deployment.Status.Replicas = 2 }, metav1.ConditionFalse},
		"not available":            {func(o *status.Observed) { o.Deployment.Status.AvailableReplicas = 0 }, metav1.ConditionFalse},
		"no Deployment":            {func(o *status.Observed) { o.Deployment = nil }, metav1.ConditionFalse},
	} {
		got := status.Compute(observed(c.change), v1alpha1.CertStreamStatus{})
		if ready := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady); ready.Status != c.want {
			t.Errorf("%s: Ready is %s (%s)", name, ready.Status, ready.Message)
		}
	}
}

func TestRecheck(t *testing.T) {
	for name, c := range map[string]struct {
		o    status.Observed
		want time.Duration
	}{
		"working":             {observed(), 0},
		"looking for a node":  {observed(unscheduled(5*time.Second, "Unschedulable", "none")), 10 * time.Second},
		"found none":          {observed(unscheduled(time.Minute, "Unschedulable", "none")), 0},
		"crashed, runs again": {observed(unready(runningFor(20*time.Second), crashed(3, 1, "Error", ""))), 40 * time.Second},
		"crashed long ago":    {observed(unready(runningFor(2*time.Minute), crashed(3, 1, "Error", ""))), 0},
	} {
		if got := status.Recheck(c.o); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// What others write into a status stays one line of a bounded length.
func TestHostileTexts(t *testing.T) {
	long := strings.Repeat("x\n\x1b[31m\u202e", 5000)
	for name, o := range map[string]status.Observed{
		"scheduler":   observed(unscheduled(time.Hour, "Unschedulable", long)),
		"kubelet":     observed(unready(waiting("CreateContainerConfigError", long))),
		"termination": observed(unready(waiting("CrashLoopBackOff", ""), crashed(3, 1, "Error", long))),
		"admission":   observed(noPod(refusedBy(long))),
		"streamer":    observed(reported(func(r *observe.Report) { r.ConfigHash, r.ConfigError = "before", long })),
		"eviction":    observed(func(o *status.Observed) { o.Pods[0].Status = corev1.PodStatus{Phase: corev1.PodFailed, Message: long} }),
		"image":       observed(unready(waiting("InvalidImageName", "")), func(o *status.Observed) { o.Pods[0].Status.ContainerStatuses[0].Image = long }),
	} {
		for _, c := range status.Compute(o, v1alpha1.CertStreamStatus{}).Conditions {
			if strings.ContainsAny(c.Message, "\n\x1b\u202e") || len([]rune(c.Message)) > 1000 {
				t.Errorf("%s: %s says %q", name, c.Type, c.Message)
			}
		}
	}
}
