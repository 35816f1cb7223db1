package status

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
)

// newest is the newest pod that is not going, and those that are ready. One that has failed for good counts only when there is
// no other: its Deployment replaces it.
func newest(pods []corev1.Pod) (pod *corev1.Pod, ready []*corev1.Pod) {
	for i := range pods {
		p := &pods[i]
		if p.DeletionTimestamp != nil {
			continue
		}
		if isReady(p) {
			ready = append(ready, p)
		}
		if pod == nil || supersedes(p, pod) {
			pod = p
		}
	}
	return pod, ready
}

// supersedes says whether a is to be looked at rather than b.
func supersedes(a, b *corev1.Pod) bool {
	switch {
	case hasEnded(a) != hasEnded(b):
		return hasEnded(b)
	case !a.CreationTimestamp.Equal(&b.CreationTimestamp):
		return b.CreationTimestamp.Before(&a.CreationTimestamp)
	}
	return a.Name > b.Name
}

func hasEnded(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
}

func isReady(p *corev1.Pod) bool {
	c := podCondition(p, corev1.PodReady)
	return c != nil && c.Status == corev1.ConditionTrue && !hasEnded(p)
}

func podCondition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	i := slices.IndexFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &p.Status.Conditions[i]
}

// isThere says whether a report is of a pod that is not going.
func isThere(pods []corev1.Pod, r *observe.Report) bool {
	return slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.UID == r.PodUID && p.DeletionTimestamp == nil })
}

// image is that of the newest pod, or else the one that the next will have.
func (v *view) image() string {
	var containers []corev1.Container
	switch {
	case v.pod != nil:
		containers = v.pod.Spec.Containers
	case v.Deployment != nil:
		containers = v.Deployment.Spec.Template.Spec.Containers
	}
	for _, c := range containers {
		if c.Name == build.ContainerName {
			return c.Image
		}
	}
	return ""
}

// podTrouble is why the newest pod is not ready; nil when it is.
func podTrouble(v *view) *Problem {
	p := v.pod
	switch {
	case p == nil:
		return absence(v)
	case isReady(p):
		return nil
	case hasEnded(p):
		return waiting(v1alpha1.ReasonPodNotReady, "The pod has ended and is being replaced: %s", quoted(strings.TrimPrefix(p.Status.Reason+": "+p.Status.Message, ": "), "it does not say why"))
	}
	for _, find := range []func(*view) *Problem{schedulingTrouble, containerTrouble, overdue} {
		if trouble := find(v); trouble != nil {
			return trouble
		}
	}
	if p.Status.Phase == corev1.PodRunning {
		return v.notReady(false)
	}
	return waiting(v1alpha1.ReasonPodPending, "The pod is starting: its volumes are mounted and its image is pulled")
}

// notReady is a pod that runs and does not pass its readiness probe.
func (v *view) notReady(stalled bool) *Problem {
	message := fmt.Sprintf("The pod runs and is not ready: see `kubectl logs --namespace %s deployment/%s`", v.Stream.Namespace, v.name())
	return &Problem{Stalled: stalled, Reason: v1alpha1.ReasonPodNotReady, Message: message}
}

// overdue is a pod that has had all the time that its Deployment allows.
func overdue(v *view) *Problem {
	c := deploymentCondition(v.Deployment, appsv1.DeploymentProgressing)
	if c == nil || c.Status != corev1.ConditionFalse || c.Reason != "ProgressDeadlineExceeded" || v.pod.Status.Phase != corev1.PodRunning {
		return nil
	}
	return v.notReady(true)
}

// absence is why there is no pod.
func absence(v *view) *Problem {
	if c := deploymentCondition(v.Deployment, appsv1.DeploymentReplicaFailure); c != nil && c.Status == corev1.ConditionTrue {
		return refusedPod(c.Message)
	}
	switch {
	case len(v.Pods) > 0:
		return waiting(v1alpha1.ReasonPodStopping, "The old pod closes its clients and stops; the new one starts after it")
	case v.Deployment == nil:
		return waiting(v1alpha1.ReasonNoPod, "Deployment %s is not there yet", v.name())
	}
	return waiting(v1alpha1.ReasonNoPod, "Deployment %s has not made a pod yet", v.name())
}

// refusedPod is a pod that the API server does not admit. The message names a pod that never was.
func refusedPod(message string) *Problem {
	_, why, found := strings.Cut(message, " is forbidden: ")
	if !found {
		why = message
	}
	if strings.Contains(why, "exceeded quota") {
		return failing(v1alpha1.ReasonQuotaExceeded,
			"The pod does not fit into the namespace's quota: raise it, or lower spec.podTemplate.resources: %s", quoted(why, ""))
	}
	return failing(v1alpha1.ReasonPodRefused, "The cluster does not admit the pod: change spec.podTemplate or the policy: %s", quoted(why, "it does not say why"))
}

func deploymentCondition(d *appsv1.Deployment, kind appsv1.DeploymentConditionType) *appsv1.DeploymentCondition {
	if d == nil {
		return nil
	}
	i := slices.IndexFunc(d.Status.Conditions, func(c appsv1.DeploymentCondition) bool { return c.Type == kind })
	if i < 0 {
		return nil
	}
	return &d.Status.Conditions[i]
}

func waiting(reason, format string, args ...any) *Problem {
	return &Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func failing(reason, format string, args ...any) *Problem {
	return &Problem{Stalled: true, Reason: reason, Message: fmt.Sprintf(format, args...)}
}
