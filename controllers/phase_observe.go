package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

// observe reads what there is: the objects whose status counts, the pods, and what the pod last said of itself.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	name := build.Name(s.cs)
	var err1, err2, err3, err4 error
	s.deployment, err1 = read(ctx, r.Client, s, name, new(appsv1.Deployment))
	s.service, err2 = read(ctx, r.Client, s, name, new(corev1.Service))
	if s.cs.Spec.Ingress != nil {
		s.ingress, err3 = read(ctx, r.Client, s, name, new(networkingv1.Ingress))
	}
	if s.claim == nil { // it has been made since, or another phase failed before
		err4 = r.readClaim(ctx, s)
	}
	pods := new(corev1.PodList)
	err5 := r.Client.List(ctx, pods, client.InNamespace(s.cs.Namespace), client.MatchingLabels(build.Selector(s.cs)))
	s.pods = slices.DeleteFunc(pods.Items, func(p corev1.Pod) bool { return !isOfDeployment(&p, name) })
	if pod := running(s.pods); pod != nil {
		if report, ok := r.prober.Report(s.key, pod.UID); ok {
			s.report = &report
		}
	}
	return errors.Join(err1, err2, err3, err4, err5)
}

// isOfDeployment says whether a pod is of the CertStream's Deployment, by its ReplicaSet, and not one that only has the labels.
func isOfDeployment(pod *corev1.Pod, deployment string) bool {
	owner := metav1.GetControllerOf(pod)
	return owner != nil && owner.Kind == "ReplicaSet" && owner.Name == deployment+"-"+pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
}

// read is an object from the cache; nil when there is none.
func read[T client.Object](ctx context.Context, c client.Reader, s *scope, name string, into T) (none T, err error) {
	err = c.Get(ctx, types.NamespacedName{Namespace: s.cs.Namespace, Name: name}, into)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("reading %s: %w", name, err)
	}
	return into, nil
}

// readClaim reads the claim of the state, if there is one. One that the user made carries no label of ours, so that the cache does
// not have it.
func (r *Reconciler) readClaim(ctx context.Context, s *scope) (err error) {
	name, from := build.ClaimName(s.cs), client.Reader(r.Client)
	if s.cs.Spec.State.Type == v1alpha1.StateExistingClaim {
		from = r.Live
	}
	if name != "" {
		s.claim, err = read(ctx, from, s, name, new(corev1.PersistentVolumeClaim))
	}
	return err
}

// running is the newest pod that has an address and is not going.
func running(pods []corev1.Pod) *corev1.Pod {
	var newest *corev1.Pod
	for i := range pods {
		p := &pods[i]
		if p.DeletionTimestamp != nil || p.Status.PodIP == "" || p.Status.Phase != corev1.PodRunning {
			continue
		}
		if newest == nil || newest.CreationTimestamp.Before(&p.CreationTimestamp) {
			newest = p
		}
	}
	return newest
}

// watchPod has the prober follow the running pod, or none. It says whether it did not before.
func (r *Reconciler) watchPod(s *scope) (first bool) {
	pod := running(s.pods)
	if pod == nil {
		r.prober.Forget(s.key)
		return false
	}
	target := observe.Target{PodUID: pod.UID, URL: r.statusURL(pod), Published: s.cs.Status.Figures.DeepCopy()}
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == build.ContainerName {
			target.Restarts = c.RestartCount
		}
	}
	if s.stream != nil && !s.cs.Spec.Suspend && !s.hold {
		target.WantHash = s.stream.ConfigHash
	}
	return r.prober.Watch(s.key, target)
}

func (r *Reconciler) statusURL(pod *corev1.Pod) string {
	if r.StatusURL != nil {
		return r.StatusURL(pod)
	}
	return "http://" + net.JoinHostPort(pod.Status.PodIP, fmt.Sprint(build.AdminPort)) + "/status"
}

// advise collects what the user should know though all works.
func (r *Reconciler) advise(ctx context.Context, s *scope) error {
	if hidden := addressesHidden(&s.cs.Spec); hidden != "" {
		s.advice = append(s.advice, status.Advice{Reason: v1alpha1.ReasonClientAddressesHidden, Message: hidden})
	}
	if s.report != nil && len(s.report.Warnings) > 0 {
		warnings := "The streamer warns: " + joined(s.report.Warnings)
		s.advice = append(s.advice, status.Advice{Reason: v1alpha1.ReasonConfigWarnings, Message: warnings})
	}
	return r.adviseSharing(ctx, s)
}

// addressesHidden says how clients' addresses are hidden from limits that count by address; empty when they are not.
func addressesHidden(spec *v1alpha1.CertStreamSpec) string {
	limits := spec.Limits.Rate != nil || spec.Limits.ConnectionsPerIP != nil && *spec.Limits.ConnectionsPerIP > 0
	if !limits || len(spec.Limits.TrustedProxies) > 0 {
		return ""
	}
	const effect = "Limits per address count all clients behind it as one: "
	isLocal := spec.Service.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
	switch {
	case spec.Ingress != nil:
		return effect + "set spec.limits.trustedProxies to the addresses of the ingress controller"
	case spec.Gateway != nil:
		return effect + "set spec.limits.trustedProxies to the addresses of the gateway"
	case spec.Service.Type != corev1.ServiceTypeClusterIP && !isLocal:
		return effect + "the nodes hide clients' addresses; set spec.service.externalTrafficPolicy to Local"
	}
	return ""
}

// adviseSharing recommends one stream for all where two follow the same logs: log operators count requests, and each stream
// reads everything.
func (r *Reconciler) adviseSharing(ctx context.Context, s *scope) error {
	same := new(v1alpha1.CertStreamList)
	if err := r.Client.List(ctx, same, client.MatchingFields{indexLogs: logsDigest(&s.cs.Spec.Logs)}); err != nil {
		return fmt.Errorf("looking for streams that follow the same logs: %w", err)
	}
	others := slices.DeleteFunc(same.Items, func(o v1alpha1.CertStream) bool {
		return o.UID == s.cs.UID || !o.DeletionTimestamp.IsZero()
	})
	if len(others) == 0 {
		return nil
	}
	oldest := slices.MinFunc(others, byAge)
	if r.Restricted && oldest.Namespace != s.cs.Namespace {
		s.advice = append(s.advice, status.Advice{Reason: v1alpha1.ReasonSharedLogs, Message: "Another CertStream of the cluster follows " +
			"the same logs, and log operators limit requests: let clients share one stream, each with its filter"})
		return nil
	}
	s.advice = append(s.advice, status.Advice{Reason: v1alpha1.ReasonSharedLogs, Message: fmt.Sprintf(
		"CertStream %s/%s follows the same logs, and log operators limit requests: let clients share one stream, each with its filter",
		oldest.Namespace, oldest.Name)})
	return nil
}
