package status_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

var update = flag.Bool("update", false, "write the golden files anew")

// noon is when everything is observed.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(noon.Add(-d)) }

func yes() *bool { v := true; return &v }

// stream is a CertStream with the defaults that its schema gives it.
func stream() *v1alpha1.CertStream {
	return &v1alpha1.CertStream{
		ObjectMeta: metav1.ObjectMeta{Name: "main", Namespace: "ct", Generation: 3, UID: "stream"},
		Spec: v1alpha1.CertStreamSpec{
			Logs: v1alpha1.LogsSpec{Verification: v1alpha1.VerificationFull},
			Protocols: v1alpha1.ProtocolsSpec{
				Port:      8080,
				WebSocket: v1alpha1.WebSocketSpec{Enabled: yes(), LitePath: "/", FullPath: "/full-stream", DomainsOnlyPath: "/domains-only"},
				SSE:       v1alpha1.SSESpec{Enabled: yes(), Path: "/sse"},
				Streams:   v1alpha1.StreamsSpec{Full: yes(), Lite: yes(), DomainsOnly: yes()},
			},
			Service:    v1alpha1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, Port: 8080, TCPPort: 8081},
			Monitoring: v1alpha1.MonitoringSpec{Monitor: v1alpha1.MonitorServiceMonitor},
		},
		Status: v1alpha1.CertStreamStatus{ObservedGeneration: -1},
	}
}

// working is a stream of which all is well.
func working() *status.Observed {
	return &status.Observed{
		Stream:     stream(),
		ConfigHash: "wanted",
		Deployment: &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: "certstream-main", Namespace: "ct", Generation: 2},
			Spec:       appsv1.DeploymentSpec{Template: corev1.PodTemplateSpec{Spec: podSpec()}},
			Status:     appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1},
		},
		Pods:    []corev1.Pod{readyPod()},
		Service: &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "certstream-main", Namespace: "ct"}},
		Claim: &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: "certstream-main", Namespace: "ct"},
			Status: corev1.PersistentVolumeClaimStatus{
				Phase: corev1.ClaimBound, Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("4Gi")},
			},
		},
		Report:  goodReport(),
		Monitor: status.MonitorCreated,
		Now:     noon,
	}
}

func podSpec() corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{Name: "streamer", Image: "certstream-operator/streamer:1.0.0"}}}
}

func readyPod() corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "certstream-main-5d9f", Namespace: "ct", UID: "pod", CreationTimestamp: ago(time.Hour)},
		Spec:       podSpec(),
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning,
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
				{Type: corev1.PodReady, Status: corev1.ConditionTrue},
			},
			ContainerStatuses: []corev1.ContainerStatus{{
				Name: "streamer", Image: "certstream-operator/streamer:1.0.0", Ready: true,
				State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: ago(time.Hour)}},
			}},
		},
	}
}

func goodReport() *observe.Report {
	return &observe.Report{
		PodUID: "pod", At: noon, Version: "1.0.0", ConfigHash: "wanted", EntriesPerSecond: 311.2, Clients: 12,
		Logs:      []observe.Log{following("Argon 2026h1", 3), following("Nimbus 2026", 4), following("Sphinx 2026h2", 2)},
		Retention: &observe.Retention{Bytes: 1 << 30, MaxBytes: 2457 << 20, Seconds: 5 * 3600},
	}
}

func following(name string, lag float64) observe.Log {
	return observe.Log{Name: name, State: "following", Status: "healthy", LagSeconds: lag, LagEntries: uint64(100 * lag)}
}

// lying is a log that was caught, and goes on.
func lying(name, kind string, since time.Duration, evidence string) observe.Log {
	l := following(name, 1)
	l.Status, l.Misbehaviour = "unhealthy", &observe.Misbehaviour{Kind: kind, Since: noon.Add(-since), Evidence: evidence}
	return l
}

func unverified(name string) observe.Log {
	l := following(name, 1)
	l.Status, l.Unverified = "degraded", true
	return l
}

func failing(name, kind string) observe.Log {
	return observe.Log{Name: name, State: "failing", Status: "unhealthy", Failing: true, ErrorKind: kind}
}

// changes to what is observed.
type change func(*status.Observed)

func observed(changes ...change) status.Observed {
	o := working()
	for _, c := range changes {
		c(o)
	}
	return *o
}

// unready makes the pod's container not ready and in a state, without a report.
func unready(state corev1.ContainerState, more ...func(*corev1.ContainerStatus)) change {
	return func(o *status.Observed) {
		p := &o.Pods[0]
		p.Status.Conditions[1].Status = corev1.ConditionFalse
		c := &p.Status.ContainerStatuses[0]
		c.Ready, c.State = false, state
		if state.Running == nil {
			p.Status.Phase = corev1.PodPending
		}
		for _, m := range more {
			m(c)
		}
		o.Report = nil
		o.Deployment.Status.ReadyReplicas, o.Deployment.Status.AvailableReplicas = 0, 0
	}
}

func waiting(reason, message string) corev1.ContainerState {
	return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}
}

func runningFor(d time.Duration) corev1.ContainerState {
	return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: ago(d)}}
}

// crashed is how a container ended before.
func crashed(times int32, code int32, reason, message string) func(*corev1.ContainerStatus) {
	return func(c *corev1.ContainerStatus) {
		c.RestartCount = times
		c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message}
	}
}

// unscheduled makes the pod one without a node.
func unscheduled(since time.Duration, reason, message string) change {
	return func(o *status.Observed) {
		unready(corev1.ContainerState{})(o)
		o.Pods[0].Status.ContainerStatuses = nil
		o.Pods[0].Status.Conditions[0] = corev1.PodCondition{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: message, LastTransitionTime: ago(since),
		}
	}
}

// noPod leaves only the Deployment, with a condition if there is one.
func noPod(conditions ...appsv1.DeploymentCondition) change {
	return func(o *status.Observed) {
		o.Pods, o.Report = nil, nil
		o.Deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: 2, Conditions: conditions}
	}
}

func refusedBy(message string) appsv1.DeploymentCondition {
	return appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: message}
}

func problem(stalled bool, reason, message string) change {
	return func(o *status.Observed) {
		o.Problems = append(o.Problems, status.Problem{Stalled: stalled, Reason: reason, Message: message})
	}
}

func advice(reason, message string) change {
	return func(o *status.Observed) { o.Advice = append(o.Advice, status.Advice{Reason: reason, Message: message}) }
}

func reported(f func(*observe.Report)) change { return func(o *status.Observed) { f(o.Report) } }

func suspend(o *status.Observed) { o.Stream.Spec.Suspend = true }

// successor adds a newer pod that is not ready to the one that is.
func successor(o *status.Observed) {
	p := readyPod()
	p.UID, p.Name, p.CreationTimestamp = types.UID("pod-2"), "certstream-main-77aa", ago(time.Second)
	p.Status.Phase, p.Status.Conditions[1].Status = corev1.PodPending, corev1.ConditionFalse
	p.Status.ContainerStatuses[0].Ready, p.Status.ContainerStatuses[0].State = false, waiting("ContainerCreating", "")
	o.Pods = append(o.Pods, p)
	o.Deployment.Status.Replicas, o.Deployment.Status.UpdatedReplicas = 2, 1
}

// initContainer adds a container of the user's to the pod, which waits for it.
func initContainer(state corev1.ContainerState) change {
	return func(o *status.Observed) {
		unready(waiting("PodInitializing", ""))(o)
		o.Pods[0].Spec.InitContainers = []corev1.Container{{Name: "wait", Image: "example.com/wait:1"}}
		o.Pods[0].Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "wait", Image: "example.com/wait:1", RestartCount: 5, State: state}}
	}
}

// lastLog has the pod crash, with the end of its log as the kubelet keeps it.
func lastLog(message string) change {
	return func(o *status.Observed) {
		unready(waiting("CrashLoopBackOff", ""), crashed(4, 1, "Error", message))(o)
		o.Pods[0].Spec.Containers[0].TerminationMessagePolicy = corev1.TerminationMessageFallbackToLogsOnError
	}
}

// overdue has the Deployment give up waiting.
func overdue(o *status.Observed) {
	o.Deployment.Status.Conditions = append(o.Deployment.Status.Conditions, appsv1.DeploymentCondition{
		Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded",
	})
}

// golden compares a text with a file.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs; -update writes it anew (-want +got):\n%s", path, diff)
	}
}
