package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// The kubelet renews a pod's mounted ConfigMap and Secrets when the pod changes, or else after about a minute. So a pod is
// touched: its annotations say which configuration and Secrets it was last told of, how often, and when.
const (
	annotationConfigHash  = build.AnnotationConfigHash
	annotationSecretsHash = "certstream.io/secrets-hash"
	annotationTouches     = "certstream.io/touches"
	annotationTouched     = "certstream.io/touched-at"
)

// A touch may reach the kubelet before its own watch shows it the new ConfigMap. So it is repeated while the pod does not report
// the hash: soon at first, for most of those that missed it have it by then. After maxTouches the kubelet's own period has to do.
const (
	soonTouch, soonTouches = 700 * time.Millisecond, 3
	maxTouches             = 7
)

// untilNextTouch is the time between a touch and the next one.
func untilNextTouch(touches int) time.Duration {
	if touches <= soonTouches {
		return soonTouch
	}
	return time.Second << (touches - soonTouches)
}

// reload touches the pods that should take up a new configuration or new Secrets.
func (r *Reconciler) reload(ctx context.Context, s *scope) error {
	if s.stream == nil || s.hold {
		return nil
	}
	var all []error
	var again time.Duration
	for i := range s.pods {
		wait, err := r.reloadPod(ctx, s, &s.pods[i])
		all, again = append(all, err), soonest(again, wait)
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	if again > 0 {
		return &requeueAfter{again}
	}
	return nil
}

// reloadPod touches one pod if it is time, and says when to look again; 0 is never.
func (r *Reconciler) reloadPod(ctx context.Context, s *scope, pod *corev1.Pod) (time.Duration, error) {
	if pod.DeletionTimestamp != nil || pod.Status.Phase != corev1.PodRunning || !isCurrent(s, pod) {
		return 0, nil
	}
	if r.writes.isStale(s.key, writtenPod, pod) {
		return cacheLag, nil
	}
	told := pod.Annotations[annotationConfigHash] == s.stream.ConfigHash && pod.Annotations[annotationSecretsHash] == s.secretsHash
	if pod.Annotations[annotationConfigHash] == "" { // a new pod
		switch report, ok := r.prober.Report(s.key, pod.UID); {
		case !ok || report.Err != nil:
			return 0, nil // the prober tells when it has spoken
		case report.ConfigHash == s.stream.ConfigHash:
			return 0, r.touch(ctx, s, pod, 0) // it began with all of it: only write down what it was told
		}
	}
	if !told {
		return untilNextTouch(1), r.touch(ctx, s, pod, 1)
	}
	touches, _ := strconv.Atoi(pod.Annotations[annotationTouches])
	if touches >= maxTouches || r.runs(s, pod) || touches == 0 && !r.strayed(s, pod) {
		return 0, nil
	}
	at, err := time.Parse(time.RFC3339Nano, pod.Annotations[annotationTouched])
	wait := untilNextTouch(touches)
	if since := r.now().Sub(at); err == nil && since >= 0 && since < wait {
		return wait - since, nil
	}
	return untilNextTouch(touches + 1), r.touch(ctx, s, pod, touches+1)
}

// isCurrent says whether a pod is of the present template: an older one is about to be replaced, and reloading it would only
// have it refuse what it cannot apply.
func isCurrent(s *scope, pod *corev1.Pod) bool {
	return s.deployment != nil && s.deployment.Generation >= s.deploymentGeneration &&
		pod.Annotations[build.AnnotationRestartHash] == s.deployment.Spec.Template.Annotations[build.AnnotationRestartHash]
}

// runs says whether the pod reports the configuration wanted.
func (r *Reconciler) runs(s *scope, pod *corev1.Pod) bool {
	report, ok := r.prober.Report(s.key, pod.UID)
	return ok && report.Err == nil && report.ConfigHash == s.stream.ConfigHash
}

// strayed says whether the pod reports another configuration: it may have taken up what somebody had put into the ConfigMap.
func (r *Reconciler) strayed(s *scope, pod *corev1.Pod) bool {
	report, ok := r.prober.Report(s.key, pod.UID)
	return ok && report.Err == nil && report.ConfigHash != s.stream.ConfigHash
}

// touch writes into the pod's annotations what it is told of; 0 touches mean that there was no need to tell.
func (r *Reconciler) touch(ctx context.Context, s *scope, pod *corev1.Pod, touches int) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID, "annotations": map[string]string{
		annotationConfigHash:  s.stream.ConfigHash,
		annotationSecretsHash: s.secretsHash,
		annotationTouches:     strconv.Itoa(touches),
		annotationTouched:     r.now().UTC().Format(time.RFC3339Nano),
	}}})
	if err != nil {
		return fmt.Errorf("encoding the touch of a pod: %w", err)
	}
	touched := pod.DeepCopy()
	err = r.Client.Patch(ctx, touched, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(FieldOwner))
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // it is gone, and another has its name
	}
	if err != nil {
		return fmt.Errorf("touching pod %s: %w", pod.Name, err)
	}
	r.writes.record(s.key, writtenPod, touched)
	if touches > 0 {
		log.FromContext(ctx).Info("told the pod of its new configuration",
			"pod", pod.Name, "hash", s.stream.ConfigHash, "touches", touches)
	}
	return nil
}
