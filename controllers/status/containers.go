package status

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// containerTrouble is what keeps the first container that is not well from running.
func containerTrouble(v *view) *Problem {
	all := append(append([]corev1.ContainerStatus{}, v.pod.Status.InitContainerStatuses...), v.pod.Status.ContainerStatuses...)
	for i := range all {
		c := &all[i]
		if c.Ready {
			continue
		}
		if w := c.State.Waiting; w != nil {
			if p := waitingTrouble(v, c, w); p != nil {
				return p
			}
		}
		if p := crashTrouble(v, c); p != nil {
			return p
		}
	}
	return nil
}

// waitingTrouble is why the kubelet does not start a container.
func waitingTrouble(v *view, c *corev1.ContainerStatus, w *corev1.ContainerStateWaiting) *Problem {
	switch w.Reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable", "ImageInspectError":
		return pullTrouble(c, w)
	case "CreateContainerConfigError":
		return configTrouble(w.Message)
	case "CreateContainerError", "RunContainerError", "StartError":
		return failing(v1alpha1.ReasonPodRefused, "The node cannot start container %s: change spec.podTemplate: %s", c.Name, quoted(w.Message, w.Reason))
	case "CrashLoopBackOff":
		return crashing(v, c)
	}
	return nil
}

// pullTrouble is an image that does not come. What the kubelet says changes with every attempt; what the registry answers is
// told by kind.
func pullTrouble(c *corev1.ContainerStatus, w *corev1.ContainerStateWaiting) *Problem {
	message, why := strings.ToLower(w.Message), ""
	switch {
	case w.Reason == "InvalidImageName":
		why = ", for it is no valid name"
	case w.Reason == "ErrImageNeverPull":
		why = ", for it is not on the node and spec.podTemplate.imagePullPolicy is Never"
	case strings.Contains(message, "not found") || strings.Contains(message, "manifest unknown"):
		why = ", for the registry does not have it"
	case strings.Contains(message, "unauthorized") || strings.Contains(message, "denied") || strings.Contains(message, "forbidden"):
		why = ", for the registry asks for credentials"
	}
	return failing(v1alpha1.ReasonImagePullFailed, "Image %s of container %s cannot be pulled%s: correct spec.podTemplate.image or imagePullSecrets",
		quoted(c.Image, "(none)"), c.Name, why)
}

// configTrouble is what a container refers to and does not find. Objects are named, pods are not.
func configTrouble(message string) *Problem {
	kind, secret := "ConfigMap", false
	if strings.Contains(strings.ToLower(message), "secret") {
		kind, secret = "Secret", true
	}
	if m := regexp.MustCompile(`^(?:secret|configmap) "([^"]+)" not found`).FindStringSubmatch(message); m != nil {
		reason := v1alpha1.ReasonConfigMapNotFound
		if secret {
			reason = v1alpha1.ReasonSecretNotFound
		}
		return failing(reason, "The pod needs %s %s, which is not there: create it, or change spec.podTemplate", kind, quoted(m[1], ""))
	}
	if strings.HasPrefix(message, "couldn't find key ") {
		reason := v1alpha1.ReasonConfigMapInvalid
		if secret {
			reason = v1alpha1.ReasonSecretInvalid
		}
		return failing(reason, "The pod needs a key that a %s does not have: add it, or change spec.podTemplate: %s", kind, quoted(message, ""))
	}
	return failing(v1alpha1.ReasonPodRefused, "The node refuses the pod's configuration: change spec.podTemplate: %s", quoted(message, "it does not say why"))
}

// crashAgain is how long a container that has crashed must run before the next crash is another matter. So a pod that crashes
// on and on says so all the time, not only between its attempts.
const crashAgain = time.Minute

// crashTrouble is a container that crashed twice and does not stay up.
func crashTrouble(v *view, c *corev1.ContainerStatus) *Problem {
	last := lastEnd(c)
	if last == nil || last.ExitCode == 0 || c.RestartCount < 2 {
		return nil
	}
	if r := c.State.Running; r != nil && !v.within(r.StartedAt.Time, crashAgain) {
		return nil
	}
	return crashing(v, c)
}

// lastEnd is how the container last ended.
func lastEnd(c *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastTerminationState.Terminated
}

// crashing says how a container ends, in the words that it left for that.
func crashing(v *view, c *corev1.ContainerStatus) *Problem {
	how := ""
	if last := lastEnd(c); last != nil {
		how = fmt.Sprintf(" with exit code %d", last.ExitCode)
		if last.Reason == "OOMKilled" {
			how += ", for want of memory: raise spec.podTemplate.resources or lower spec.limits.window"
		} else if message := terminationMessage(v.pod, c.Name, last); message != "" {
			how += ": " + message
		}
	}
	return failing(v1alpha1.ReasonPodCrashing, "Container %s ends again and again%s; see `kubectl logs --namespace %s deployment/%s --container %s --previous`",
		c.Name, how, v.Stream.Namespace, v.name(), c.Name)
}

// exitLine begins the line that the streamer writes when it ends with an error.
const exitLine = "streamer: "

// terminationMessage is what the container wrote for this purpose. Where that is the end of its log, only the streamer's own last
// line counts: lines of a log can hold what a CT log sent.
func terminationMessage(pod *corev1.Pod, name string, last *corev1.ContainerStateTerminated) string {
	message := last.Message
	for _, c := range append(append([]corev1.Container{}, pod.Spec.InitContainers...), pod.Spec.Containers...) {
		if c.Name == name && c.TerminationMessagePolicy == corev1.TerminationMessageFallbackToLogsOnError {
			lines := strings.Split(strings.TrimSpace(message), "\n")
			own, found := strings.CutPrefix(lines[len(lines)-1], exitLine)
			if !found {
				return ""
			}
			message = own
		}
	}
	return quoted(message, "")
}
