package status

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
)

// Compute is the status of a CertStream. Of the previous one it keeps when conditions changed, figures that need no renewal,
// and, until the pod is asked for the first time, what it said before: so a new leader changes nothing.
func Compute(o Observed, previous v1alpha1.CertStreamStatus) v1alpha1.CertStreamStatus {
	v := newView(o, previous)
	s := v1alpha1.CertStreamStatus{
		ObservedGeneration:     o.Stream.Generation,
		Endpoints:              v.endpoints(),
		Config:                 v.config(),
		Figures:                v.figures,
		Volume:                 volume(o.Claim),
		Image:                  v.image(),
		Version:                v.version(),
		LastHandledReconcileAt: cutBytes(o.Stream.Annotations[v1alpha1.AnnotationReconcile], maxHandled),
	}
	if v.suspended() {
		s.LastHandledReconcileAt = previous.LastHandledReconcileAt
	}
	s.URL = outermost(s.Endpoints)
	s.Conditions = v.conditions()
	return s
}

// view is what the conditions look at: what was observed, and what follows from it.
type view struct {
	Observed
	previous v1alpha1.CertStreamStatus
	// pod is the newest that is not going; nil when there is none. ready are those that are ready.
	pod   *corev1.Pod
	ready []*corev1.Pod
	// trouble is why the pod is not ready; nil when it is.
	trouble *Problem
	// report is what a pod that is there says, or last said.
	report  *observe.Report
	figures *v1alpha1.Figures
	// again is when the same observations mean something else; 0 is never.
	again time.Duration
}

// Recheck is the time after which the same observations mean something else: a pod that has had time enough to find a node, or
// to stay up. 0 is never.
func Recheck(o Observed) time.Duration {
	return newView(o, v1alpha1.CertStreamStatus{}).again
}

// within says whether less than a span has passed since a moment, and has the rest of it waited for.
func (v *view) within(since time.Time, span time.Duration) bool {
	rest := span - v.Now.Sub(since)
	if rest > 0 && (v.again == 0 || rest < v.again) {
		v.again = rest
	}
	return rest > 0
}

func newView(o Observed, previous v1alpha1.CertStreamStatus) *view {
	v := &view{Observed: o, previous: previous}
	v.pod, v.ready = newest(o.Pods)
	v.trouble = podTrouble(v)
	if o.Report != nil && isThere(o.Pods, o.Report) {
		v.report = o.Report
	}
	v.figures = v.published()
	return v
}

func (v *view) suspended() bool { return v.Stream.Spec.Suspend }

// name is that of the children.
func (v *view) name() string { return build.Name(v.Stream) }

// readable says whether the pod answers.
func (v *view) readable() bool { return v.report != nil && v.report.Err == nil }

// runningHash is the configuration that the pod is known to run: a pod that once said so has not forgotten it.
func (v *view) runningHash() string {
	switch {
	case v.report != nil:
		return v.report.ConfigHash
	case v.pod != nil && v.previous.Config != nil:
		return v.previous.Config.RunningHash
	}
	return ""
}

func (v *view) config() *v1alpha1.ConfigStatus {
	c := v1alpha1.ConfigStatus{WantedHash: v.ConfigHash, RunningHash: v.runningHash()}
	if c == (v1alpha1.ConfigStatus{}) {
		return nil
	}
	return &c
}

func (v *view) version() string {
	switch {
	case v.report != nil && v.report.Version != "":
		return v.report.Version
	case v.pod != nil:
		return v.previous.Version
	}
	return ""
}

// conditions are all that apply, in a fixed order.
func (v *view) conditions() []metav1.Condition {
	var all []metav1.Condition
	for _, condition := range []func(*view) *metav1.Condition{
		ready, reconciling, stalled, available, configurationReloaded, ingesting, logsConsistent, retaining,
		noWarnings, monitored, suspended,
	} {
		if c := condition(v); c != nil {
			all = append(all, v.stamped(*c))
		}
	}
	return all
}

// stamped sets what is the same for all conditions. The time of the last transition stays while the status does.
func (v *view) stamped(c metav1.Condition) metav1.Condition {
	c.ObservedGeneration = v.Stream.Generation
	c.LastTransitionTime = metav1.NewTime(v.Now.Truncate(time.Second))
	if before := meta.FindStatusCondition(v.previous.Conditions, c.Type); seen(before) && before.Status == c.Status {
		c.LastTransitionTime = before.LastTransitionTime
	}
	c.Message = cut(c.Message, maxMessage)
	return c
}

// seen says whether a condition is one that the operator wrote, not the one that a CertStream is born with.
func seen(c *metav1.Condition) bool { return c != nil && c.Reason != v1alpha1.ReasonPending }

func condition(kind string, status metav1.ConditionStatus, reason, message string) *metav1.Condition {
	return &metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}
