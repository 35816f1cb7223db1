package status_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

// phaseOfLife is one moment in a stream's life: what is observed, the conditions of it, and what kstatus makes of them.
type phaseOfLife struct {
	name string
	o    status.Observed
	// want are the conditions in their order, without those that say that nothing is to be advised and that a monitor is there.
	want    string
	kstatus kstatus.Status
}

func phasesOfLife() []phaseOfLife {
	return append(append(append(startingPhases(), stalledPodPhases()...), configPhases()...), append(logPhases(), promisePhases()...)...)
}

func startingPhases() []phaseOfLife {
	const nothing = "Ready=False/NoPod Reconciling=True/NoPod Available=False/NoPod ConfigurationReloaded=Unknown/NoPod Ingesting=Unknown/NoPod"
	pending := func(reason string) string {
		return fmt.Sprintf("Ready=False/%[1]s Reconciling=True/%[1]s Available=False/%[1]s ConfigurationReloaded=Unknown/Starting Ingesting=Unknown/Starting", reason)
	}
	gone := metav1.NewTime(noon)
	return []phaseOfLife{
		{"nothing there yet", observed(noPod(), func(o *status.Observed) { o.Deployment, o.Service = nil, nil }), nothing, kstatus.InProgressStatus},
		{"Deployment without a pod", observed(noPod()), nothing, kstatus.InProgressStatus},
		{"old pod stopping", observed(func(o *status.Observed) { o.Pods[0].DeletionTimestamp = &gone }),
			"Ready=False/PodStopping Reconciling=True/PodStopping Available=False/PodStopping ConfigurationReloaded=Unknown/NoPod Ingesting=Unknown/NoPod",
			kstatus.InProgressStatus},
		{"looking for a node", observed(unscheduled(5*time.Second, "Unschedulable", "0/1 nodes are available: 1 Insufficient cpu.")),
			pending("PodPending"), kstatus.InProgressStatus},
		{"gated", observed(unscheduled(time.Hour, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates")),
			pending("PodPending"), kstatus.InProgressStatus},
		{"no volume yet", observed(unscheduled(time.Hour, "Unschedulable", "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."),
			func(o *status.Observed) { o.Claim.Status.Phase = corev1.ClaimPending }), pending("VolumePending"), kstatus.InProgressStatus},
		{"pulling", observed(unready(waiting("ContainerCreating", ""))), pending("PodPending"), kstatus.InProgressStatus},
		{"running, not ready", observed(unready(runningFor(time.Minute))), pending("PodNotReady"), kstatus.InProgressStatus},
		{"crashed once", observed(unready(runningFor(time.Second), crashed(1, 1, "Error", "it broke"))), pending("PodNotReady"), kstatus.InProgressStatus},
		{"crashed long ago, not ready now", observed(unready(runningFor(time.Hour), crashed(9, 1, "Error", "it broke"))), pending("PodNotReady"), kstatus.InProgressStatus},
		{"evicted", observed(func(o *status.Observed) {
			o.Pods[0].Status = corev1.PodStatus{Phase: corev1.PodFailed, Reason: "Evicted", Message: "The node was low on resource: memory."}
		}), pending("PodNotReady"), kstatus.InProgressStatus},
		{"pod ready, not asked yet", observed(func(o *status.Observed) { o.Report = nil }),
			"Ready=Unknown/Starting Reconciling=True/Starting Available=True/PodReady ConfigurationReloaded=Unknown/Starting Ingesting=Unknown/Starting",
			kstatus.InProgressStatus},
		{"read the configuration, not ready", observed(func(o *status.Observed) {
			r := o.Report
			unready(runningFor(time.Second))(o)
			o.Report = r
		}), pending("PodNotReady"), kstatus.InProgressStatus},
		{"no Service yet", observed(func(o *status.Observed) { o.Service = nil }),
			"Ready=False/Progressing Reconciling=True/Progressing Available=False/Progressing ConfigurationReloaded=True/Reloaded Ingesting=True/LogsFollowed",
			kstatus.InProgressStatus},
		{"working", observed(), "Ready=True/Ready Available=True/PodReady ConfigurationReloaded=True/Reloaded Ingesting=True/LogsFollowed", kstatus.CurrentStatus},
		{"suspended", observed(suspend), "Ready=True/Suspended Available=True/PodReady ConfigurationReloaded=True/Reloaded Ingesting=True/LogsFollowed Suspended=True/Suspended",
			kstatus.CurrentStatus},
		{"suspended, spec changed and invalid", observed(suspend, reported(func(r *observe.Report) { r.ConfigHash = "before" }), problem(true, v1alpha1.ReasonInvalidSpec, "spec.x: wrong")),
			"Ready=True/Suspended Available=True/PodReady ConfigurationReloaded=False/ReloadPending Ingesting=True/LogsFollowed Suspended=True/Suspended",
			kstatus.CurrentStatus},
		{"suspended, pod starting", observed(suspend, unready(waiting("ContainerCreating", ""))),
			"Ready=False/PodPending Available=False/PodPending ConfigurationReloaded=Unknown/Starting Ingesting=Unknown/Starting Suspended=True/Suspended",
			kstatus.InProgressStatus},
	}
}

func stalledPodPhases() []phaseOfLife {
	down := func(reason string) string {
		return fmt.Sprintf("Ready=False/%[1]s Stalled=True/%[1]s Available=False/%[1]s ConfigurationReloaded=Unknown/Starting Ingesting=Unknown/Starting", reason)
	}
	none := func(reason string) string {
		return fmt.Sprintf("Ready=False/%[1]s Stalled=True/%[1]s Available=False/%[1]s ConfigurationReloaded=Unknown/NoPod Ingesting=Unknown/NoPod", reason)
	}
	pods := []struct {
		name   string
		change change
		want   string
	}{
		{"image not found", unready(waiting("ErrImagePull", `rpc error: code = NotFound desc = failed to pull and unpack image "x": not found`)), down("ImagePullFailed")},
		{"image needs credentials", unready(waiting("ImagePullBackOff", `Back-off pulling image "x": ErrImagePull: pull access denied, insufficient_scope: authorization failed`)), down("ImagePullFailed")},
		{"image unreachable", unready(waiting("ErrImagePull", "dial tcp 10.1.2.3:443: i/o timeout")), down("ImagePullFailed")},
		{"image name invalid", unready(waiting("InvalidImageName", "couldn't parse image name")), down("ImagePullFailed")},
		{"image never pulled", unready(waiting("ErrImageNeverPull", "")), down("ImagePullFailed")},
		{"image of an init container", initContainer(waiting("ImagePullBackOff", "manifest unknown")), down("ImagePullFailed")},
		{"init container crashes", initContainer(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 9, Message: "no database"}}), down("PodCrashing")},
		{"crash loop", unready(waiting("CrashLoopBackOff", "back-off 40s restarting failed container"), crashed(4, 2, "Error", "config: port: taken\n")), down("PodCrashing")},
		{"crash loop, out of memory", unready(waiting("CrashLoopBackOff", ""), crashed(4, 137, "OOMKilled", "")), down("PodCrashing")},
		{"crash loop, running for a moment", unready(runningFor(2*time.Second), crashed(4, 2, "Error", "config: port: taken\n")), down("PodCrashing")},
		{"crash loop, just ended", unready(corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 3, Message: "state: locked"}}, crashed(2, 3, "", "")), down("PodCrashing")},
		{"crash loop, only a log to tell", lastLog("a log said: <script>"), down("PodCrashing")},
		{"crash loop, a log and its last line", lastLog("level=WARN msg=\"a log said: <script>\"\nstreamer: state: the directory is locked\n"), down("PodCrashing")},
		{"Secret missing", unready(waiting("CreateContainerConfigError", `secret "proxy" not found`)), down("SecretNotFound")},
		{"Secret lacks a key", unready(waiting("CreateContainerConfigError", "couldn't find key password in Secret ct/proxy")), down("SecretInvalid")},
		{"ConfigMap missing", unready(waiting("CreateContainerConfigError", `configmap "extra" not found`)), down("ConfigMapNotFound")},
		{"ConfigMap lacks a key", unready(waiting("CreateContainerConfigError", "couldn't find key ca.pem in ConfigMap ct/extra")), down("ConfigMapInvalid")},
		{"container would run as root", unready(waiting("CreateContainerConfigError", "container has runAsNonRoot and image will run as root")), down("PodRefused")},
		{"command missing", unready(waiting("RunContainerError", `exec: "/bin/sh": no such file or directory`)), down("PodRefused")},
		{"no node", unscheduled(time.Minute, "Unschedulable", "0/1 nodes are available: 1 Insufficient cpu."), down("PodUnschedulable")},
		{"volume lost", func(o *status.Observed) {
			unscheduled(time.Minute, "Unschedulable", "volume gone")(o)
			o.Claim.Status.Phase = corev1.ClaimLost
		}, down("ClaimNotFound")},
		{"quota", noPod(refusedBy(`pods "certstream-main-7f-x2" is forbidden: exceeded quota: small, requested: limits.memory=512Mi, used: limits.memory=0, limited: limits.memory=256Mi`)), none("QuotaExceeded")},
		{"admission", noPod(refusedBy(`pods "certstream-main-7f-x2" is forbidden: violates PodSecurity "restricted:latest": hostPort`)), none("PodRefused")},
		{"never ready", func(o *status.Observed) {
			unready(runningFor(time.Hour))(o)
			overdue(o)
		}, down("PodNotReady")},
	}
	var all []phaseOfLife
	for _, p := range pods {
		all = append(all, phaseOfLife{p.name, observed(p.change), p.want, kstatus.FailedStatus})
	}
	return all
}

func configPhases() []phaseOfLife {
	const serving = " Available=True/PodReady ConfigurationReloaded=True/Reloaded Ingesting=True/LogsFollowed"
	config := func(reason string) string {
		return fmt.Sprintf("Ready=False/%[1]s Reconciling=True/%[1]s Available=True/PodReady ConfigurationReloaded=False/%[1]s Ingesting=True/LogsFollowed", reason)
	}
	phases := []phaseOfLife{
		{"reload pending", observed(reported(func(r *observe.Report) { r.ConfigHash = "before" })), config("ReloadPending"), kstatus.InProgressStatus},
		{"an earlier configuration was refused", observed(reported(func(r *observe.Report) { r.ConfigHash, r.RejectedHash, r.ConfigError = "before", "earlier", "no" })),
			config("ReloadPending"), kstatus.InProgressStatus},
		{"configuration refused", observed(reported(func(r *observe.Report) {
			r.ConfigHash, r.RejectedHash, r.ConfigError = "before", "wanted", "logs.custom[0].url: want https"
		})), "Ready=False/ConfigRejected Stalled=True/ConfigRejected Available=True/PodReady ConfigurationReloaded=False/ConfigRejected Ingesting=True/LogsFollowed",
			kstatus.FailedStatus},
		{"restart pending", observed(reported(func(r *observe.Report) { r.RestartNeeded = []string{"port", "state.dir"} })), config("RestartPending"), kstatus.InProgressStatus},
		{"configuration not written", observed(func(o *status.Observed) { o.ConfigHash = "" }),
			"Ready=False/Progressing Reconciling=True/Progressing Available=True/PodReady ConfigurationReloaded=False/ReloadPending Ingesting=True/LogsFollowed",
			kstatus.InProgressStatus},
		{"new pod beside the old one", observed(successor),
			"Ready=False/Progressing Reconciling=True/Progressing" + serving, kstatus.InProgressStatus},
		{"both pods ready", observed(successor, func(o *status.Observed) {
			o.Pods[1].Status.Conditions[1].Status = corev1.ConditionTrue
			o.Report.PodUID = "pod-2"
		}), "Ready=False/Progressing Reconciling=True/Progressing Available=True/PodReady ConfigurationReloaded=False/RestartPending Ingesting=True/LogsFollowed",
			kstatus.InProgressStatus},
		{"new pod has no image, the old one serves", observed(successor, func(o *status.Observed) {
			o.Pods[1].Status.ContainerStatuses[0].State = waiting("ErrImagePull", "not found")
		}), "Ready=False/ImagePullFailed Stalled=True/ImagePullFailed" + serving, kstatus.FailedStatus},
		{"Deployment read from before the change", observed(func(o *status.Observed) { o.DeploymentGeneration = 3 }),
			"Ready=False/Progressing Reconciling=True/Progressing" + serving, kstatus.InProgressStatus},
		{"unreadable, had confirmed", observed(reported(func(r *observe.Report) { r.Err = observe.TimedOut })),
			"Ready=True/Ready Available=True/PodReady ConfigurationReloaded=Unknown/StatusUnreadable Ingesting=Unknown/StatusUnreadable", kstatus.CurrentStatus},
		{"unreadable, had not confirmed", observed(reported(func(r *observe.Report) { *r = observe.Report{PodUID: "pod", Err: observe.Refused} })),
			"Ready=Unknown/StatusUnreadable Reconciling=True/StatusUnreadable Available=True/PodReady ConfigurationReloaded=Unknown/StatusUnreadable Ingesting=Unknown/StatusUnreadable",
			kstatus.InProgressStatus},
		{"stalled and waiting", observed(problem(true, v1alpha1.ReasonSecretNotFound, "Secret tokens is not there: create it"),
			problem(true, v1alpha1.ReasonForbidden, "The operator may not write Ingresses: grant it"),
			problem(false, v1alpha1.ReasonVolumeResizing, "The volume grows")),
			"Ready=False/SecretNotFound Stalled=True/SecretNotFound" + serving, kstatus.FailedStatus},
		{"no monitor", observed(func(o *status.Observed) { o.Monitor = status.MonitorCRDMissing }),
			"Ready=True/Ready" + serving + " Monitored=False/CRDMissing", kstatus.CurrentStatus},
		{"monitor not wanted", observed(func(o *status.Observed) { o.Monitor = status.MonitorNotWanted }), "Ready=True/Ready" + serving, kstatus.CurrentStatus},
	}
	for _, reason := range []string{"VolumeResizing", "VolumePending", "CertificatePending", "Progressing"} {
		phases = append(phases, phaseOfLife{"waiting: " + reason, observed(problem(false, reason, "Something comes by itself")),
			"Ready=True/Ready Reconciling=True/" + reason + serving, kstatus.InProgressStatus})
	}
	for _, reason := range []string{
		"InvalidSpec", "SecretNotFound", "SecretInvalid", "ConfigMapNotFound", "ConfigMapInvalid", "ClaimNotFound", "StorageClassNotFound",
		"VolumeResizeRefused", "ObjectConflict", "Forbidden", "Refused", "QuotaExceeded", "CRDMissing", "TenantRestricted",
	} {
		phases = append(phases, phaseOfLife{"stalled: " + reason, observed(problem(true, reason, "Something is amiss: do something")),
			fmt.Sprintf("Ready=False/%[1]s Stalled=True/%[1]s", reason) + serving, kstatus.FailedStatus})
	}
	for _, reason := range []string{"SharedLogs", "ClientAddressesHidden", "ConfigWarnings"} {
		phases = append(phases, phaseOfLife{"advice: " + reason, observed(advice(reason, "Something could be better"), advice(reason, "Another thing, too")),
			"Ready=True/Ready" + serving + " NoWarnings=False/" + reason, kstatus.CurrentStatus})
	}
	return append(phases, phaseOfLife{"advice: StateFailing", observed(reported(func(r *observe.Report) { r.StateFailing = true })),
		"Ready=True/Ready" + serving + " NoWarnings=False/StateFailing", kstatus.CurrentStatus})
}

func logPhases() []phaseOfLife {
	logs := func(name, want string, f func(*observe.Report)) phaseOfLife {
		return phaseOfLife{name, observed(reported(f)),
			"Ready=True/Ready Available=True/PodReady ConfigurationReloaded=True/Reloaded Ingesting=" + want, kstatus.CurrentStatus}
	}
	return []phaseOfLife{
		{"suspended, no log selected", observed(suspend, reported(func(r *observe.Report) { r.Logs = nil })),
			"Ready=True/Suspended Available=True/PodReady ConfigurationReloaded=True/Reloaded Ingesting=False/NoLogs Suspended=True/Suspended",
			kstatus.CurrentStatus},
		logs("one log", "True/LogsFollowed", func(r *observe.Report) { r.Logs = r.Logs[:1] }),
		logs("one log, which lags", "True/LogsLagging", func(r *observe.Report) { r.Logs = []observe.Log{following("Slow", 100)} }),
		logs("one log, which fails", "False/AllLogsFailing", func(r *observe.Report) { r.Logs = []observe.Log{failing("Bad", "tls")} }),
		logs("settling, all logs fail", "False/AllLogsFailing", func(r *observe.Report) {
			r.Uptime, r.Logs = 2*time.Second, []observe.Log{failing("Bad", "tls"), failing("Worse", "tls")}
		}),
		logs("no log selected", "False/NoLogs", func(r *observe.Report) { r.Logs = nil }),
		logs("no list", "False/LogListFailing", func(r *observe.Report) { r.Logs, r.ListFailing = nil, true }),
		logs("list not renewed", "True/LogsFollowed", func(r *observe.Report) { r.ListFailing = true }),
		logs("no log has answered yet", "Unknown/Starting", func(r *observe.Report) {
			for i := range r.Logs {
				r.Logs[i].State = "starting"
			}
		}),
		logs("all logs fail", "False/AllLogsFailing", func(r *observe.Report) {
			r.Logs = []observe.Log{failing("Nimbus 2026", "timeout"), failing("Argon 2026h1", "network")}
		}),
		logs("some logs fail, one lags", "True/SomeLogsFailing", func(r *observe.Report) {
			r.Logs = append(r.Logs, failing("Wyvern 2026h2", "bad_signature"), failing("Elephant 2026h1", ""), following("Tiger 2026h1", 4000))
		}),
		logs("some logs lag", "True/LogsLagging", func(r *observe.Report) {
			for i := range 7 {
				r.Logs = append(r.Logs, following(fmt.Sprintf("Slow %d", i), float64(61+1000*i)))
			}
		}),
	}
}

// promisePhases are about what the pod found out of logs and of its disk.
func promisePhases() []phaseOfLife {
	const ready = "Ready=True/Ready Available=True/PodReady ConfigurationReloaded=True/Reloaded Ingesting=True/LogsFollowed"
	phase := func(name, want string, changes ...change) phaseOfLife {
		return phaseOfLife{name, observed(changes...), strings.TrimSpace(ready + " " + want), kstatus.CurrentStatus}
	}
	kept := func(f func(*observe.Retention)) change { return reported(func(r *observe.Report) { f(r.Retention) }) }
	logs := func(logs ...observe.Log) change {
		return reported(func(r *observe.Report) { r.Logs = append(r.Logs, logs...) })
	}
	verification := func(v v1alpha1.Verification) change {
		return func(o *status.Observed) { o.Stream.Spec.Logs.Verification = v }
	}
	const evidence = "/var/lib/certstream/state/evidence/mammoth-ab12cd34/20261121T110000.000000000Z.json"
	var many []observe.Log
	for i, kind := range []string{"two_roots", "fork", "rollback", "wrong_entry", "final_head", "unexplained", "fork"} {
		many = append(many, lying(fmt.Sprintf("Liar %d", i), kind, time.Duration(i)*time.Hour, ""))
	}
	return []phaseOfLife{
		phase("a log lies", "LogsConsistent=False/LogMisbehaved", logs(lying("Mammoth 2026h1", "two_roots", time.Hour, evidence))),
		phase("many logs lie", "LogsConsistent=False/LogMisbehaved", logs(many...)),
		phase("a log lied before verification was switched off", "LogsConsistent=False/LogMisbehaved", verification("Off"),
			logs(lying("Mammoth 2026h1", "fork", time.Hour, evidence))),
		phase("verification is off", "LogsConsistent=Unknown/VerificationOff", verification("Off")),
		phase("heads alone are verified", "", verification("Consistency")),
		phase("one log without a key", "", logs(unverified("Mine"))),
		phase("logs without keys", "LogsConsistent=Unknown/Unverified", reported(func(r *observe.Report) { r.Logs = []observe.Log{unverified("Mine")} })),
		phase("disk full", "Retaining=False/DiskFull", kept(func(r *observe.Retention) { r.Failing, r.Full = true, true })),
		phase("disk failing", "Retaining=False/RetentionFailing", kept(func(r *observe.Retention) { r.Failing = true })),
		phase("a segment set aside", "Retaining=False/SegmentsCorrupt", kept(func(r *observe.Retention) { r.Aside = 1 })),
		phase("segments set aside", "Retaining=False/SegmentsCorrupt", kept(func(r *observe.Retention) { r.Aside = 3 })),
		phase("a volume too small", "Retaining=False/VolumeTooSmall", func(o *status.Observed) {
			o.Claim.Status.Capacity[corev1.ResourceStorage] = resource.MustParse("64Mi")
			o.Report.Retention = nil
		}),
		phase("keeps nothing yet", "", reported(func(r *observe.Report) { r.Retention = nil })),
		phase("nothing is to be kept", "", func(o *status.Observed) {
			o.Stream.Spec.State.Retention.Enabled = new(false)
			o.Report.Retention = nil
		}),
	}
}

// short is the conditions in their order, without good news that every phase has, and without what the last two can only say of a
// pod that answers.
func short(conditions []metav1.Condition) string {
	var all []string
	for _, c := range conditions {
		ofPod := c.Type == v1alpha1.ConditionLogsConsistent || c.Type == v1alpha1.ConditionRetaining
		isEcho := c.Reason == v1alpha1.ReasonStarting || c.Reason == v1alpha1.ReasonNoPod || c.Reason == v1alpha1.ReasonStatusUnreadable
		if c.Reason == v1alpha1.ReasonNoWarnings || c.Reason == v1alpha1.ReasonMonitorCreated || ofPod && (c.Status == metav1.ConditionTrue || isEcho) {
			continue
		}
		all = append(all, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
	}
	return strings.Join(all, " ")
}

// said is what the conditions say, each text once; good news that every phase has is left out.
func said(conditions []metav1.Condition) string {
	var b strings.Builder
	by := make(map[string]string)
	for _, c := range conditions {
		switch first := by[c.Message]; {
		case c.Reason == v1alpha1.ReasonNoWarnings, c.Reason == v1alpha1.ReasonMonitorCreated:
			continue
		case first != "":
			fmt.Fprintf(&b, "%s=%s %s: as %s\n", c.Type, c.Status, c.Reason, first)
		default:
			by[c.Message] = c.Type
			fmt.Fprintf(&b, "%s=%s %s: %s\n", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	return b.String()
}

// TestPhasesOfLife computes the status of each phase, and compares conditions, kstatus, and all texts.
func TestPhasesOfLife(t *testing.T) {
	var texts strings.Builder
	for _, phase := range phasesOfLife() {
		before := *phase.o.Stream.DeepCopy()
		got := status.Compute(phase.o, phase.o.Stream.Status)
		if diff := cmp.Diff(strings.ReplaceAll(phase.want, " ", "\n"), strings.ReplaceAll(short(got.Conditions), " ", "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", phase.name, diff)
		}
		if result := kstatusOf(t, phase.o.Stream, got); result != phase.kstatus {
			t.Errorf("%s: kstatus says %s, want %s", phase.name, result, phase.kstatus)
		}
		if diff := cmp.Diff(before, *phase.o.Stream); diff != "" {
			t.Errorf("%s: Compute changed its input:\n%s", phase.name, diff)
		}
		checkConditions(t, phase, got)
		fmt.Fprintf(&texts, "## %s (%s)\n", phase.name, phase.kstatus)
		texts.WriteString(said(got.Conditions))
		texts.WriteString("\n")
	}
	golden(t, "conditions.txt", texts.String())
}

// checkConditions holds for all conditions.
func checkConditions(t *testing.T, phase phaseOfLife, got v1alpha1.CertStreamStatus) {
	t.Helper()
	if got.ObservedGeneration != phase.o.Stream.Generation {
		t.Errorf("%s: observedGeneration %d", phase.name, got.ObservedGeneration)
	}
	for _, c := range got.Conditions {
		if c.ObservedGeneration != phase.o.Stream.Generation || !c.LastTransitionTime.Time.Equal(noon) {
			t.Errorf("%s: %s has generation %d and time %s", phase.name, c.Type, c.ObservedGeneration, c.LastTransitionTime)
		}
		if c.Message == "" || len([]rune(c.Message)) > 1000 || strings.ContainsAny(c.Message, "\n\x00") || strings.HasSuffix(c.Message, ": ") {
			t.Errorf("%s: %s says %q", phase.name, c.Type, c.Message)
		}
	}
}

// kstatusOf is what kstatus makes of a stream with a status.
func kstatusOf(t *testing.T, cs *v1alpha1.CertStream, s v1alpha1.CertStreamStatus) kstatus.Status {
	t.Helper()
	cs = cs.DeepCopy()
	cs.Status = s
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(cs)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: object}
	u.SetAPIVersion("certstream.io/v1alpha1")
	u.SetKind("CertStream")
	result, err := kstatus.Compute(u)
	if err != nil {
		t.Fatal(err)
	}
	return result.Status
}

// A stream that the operator has not seen, or not since its spec changed, is in progress whatever its conditions say.
func TestKstatusBeforeItIsSeen(t *testing.T) {
	born := stream()
	if got := kstatusOf(t, born, born.Status); got != kstatus.InProgressStatus {
		t.Errorf("new-born: %s", got)
	}
	changed := stream()
	s := status.Compute(observed(), changed.Status)
	changed.Generation++
	if got := kstatusOf(t, changed, s); got != kstatus.InProgressStatus {
		t.Errorf("changed: %s", got)
	}
	going := stream()
	now := metav1.NewTime(noon)
	going.DeletionTimestamp = &now
	if got := kstatusOf(t, going, s); got != kstatus.TerminatingStatus {
		t.Errorf("going: %s", got)
	}
}
