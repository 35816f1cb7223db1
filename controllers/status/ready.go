package status

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// ready sums up: clients can connect, and the pod runs the configuration of this generation.
func ready(v *view) *metav1.Condition {
	kind := v1alpha1.ConditionReady
	if problems := v.stalledProblems(); len(problems) > 0 {
		return condition(kind, metav1.ConditionFalse, problems[0].Reason, problems[0].Message)
	}
	if c := available(v); c.Status != metav1.ConditionTrue {
		return condition(kind, c.Status, c.Reason, c.Message)
	}
	switch {
	case v.suspended():
		return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonSuspended, "Clients can connect; reconciling is suspended"+noneFlow(v, ", and"))
	case !v.rolledOut():
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonProgressing, v.rolloutMessage())
	case v.ConfigHash == "":
		return condition(kind, metav1.ConditionFalse, v1alpha1.ReasonProgressing, "The present configuration is not written yet")
	case !v.runsConfig():
		c := configurationReloaded(v)
		return condition(kind, c.Status, c.Reason, c.Message)
	}
	if none := noneFlow(v, ", but"); none != "" {
		return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonReady, "Clients can connect"+none)
	}
	return condition(kind, metav1.ConditionTrue, v1alpha1.ReasonReady, "Clients can connect, and the pod runs the present configuration")
}

// noneFlow says why clients that connect get nothing; it is empty otherwise. That is no matter of being ready: clients wait, and
// a stream that healed would else have lost them.
func noneFlow(v *view, and string) string {
	if c := ingesting(v); c.Status == metav1.ConditionFalse {
		return and + " no certificates flow: " + c.Message
	}
	return ""
}

// runsConfig says whether the pod is known to run what was written. That it cannot be asked right now changes nothing in it.
func (v *view) runsConfig() bool {
	return v.runningHash() == v.ConfigHash && (v.report == nil || len(v.report.RestartNeeded) == 0)
}

// rolledOut says, by the rules of `kubectl rollout status`, whether only pods of the present template run. A Deployment that no
// controller has seen yet has no pods of another.
func (v *view) rolledOut() bool {
	d := v.Deployment
	if d == nil || d.Generation < v.DeploymentGeneration {
		return false
	}
	if d.Status.ObservedGeneration == 0 {
		return true
	}
	return d.Status.ObservedGeneration >= d.Generation && d.Status.UpdatedReplicas > 0 &&
		d.Status.Replicas <= d.Status.UpdatedReplicas && d.Status.AvailableReplicas >= d.Status.UpdatedReplicas
}

// rolloutMessage says what the rollout waits for.
func (v *view) rolloutMessage() string {
	message := "The pod is being rolled out"
	if len(v.ready) > 0 && len(v.Pods) > 1 {
		message = "A new pod is starting; the old one serves until it is ready"
	}
	if v.trouble != nil {
		return message + ": " + v.trouble.Message
	}
	return message
}

// stalledProblems are those that somebody must solve, the gravest first. While the CertStream is suspended its spec is left
// alone, and so are the problems with it.
func (v *view) stalledProblems() []Problem {
	var all []Problem
	for _, p := range v.Problems {
		if p.Stalled && !v.suspended() {
			all = append(all, p)
		}
	}
	if v.trouble != nil && v.trouble.Stalled {
		all = append(all, *v.trouble)
	}
	if c := configurationReloaded(v); c.Reason == v1alpha1.ReasonConfigRejected {
		all = append(all, Problem{Stalled: true, Reason: c.Reason, Message: c.Message})
	}
	return all
}
