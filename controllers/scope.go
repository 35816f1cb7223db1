package controllers

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

// scope is what one reconcile knows. Every phase reads what those before it found; none reads conditions.
type scope struct {
	key types.NamespacedName
	cs  *v1alpha1.CertStream
	// stream is the resolved spec; nil when the spec cannot be rendered.
	stream *build.Stream
	// hold says that something the pod refers to is missing: what runs goes on as it is until it is there.
	hold bool
	// secretsHash changes with the content of every Secret that the pod mounts.
	secretsHash string
	// objects are all that the stream may have; nil when the spec cannot be rendered.
	objects []build.Object
	// created names the objects that were not there before.
	created []string

	deployment *appsv1.Deployment
	// deploymentGeneration is the one that has all of the spec; the cache may be behind it.
	deploymentGeneration int64

	pods    []corev1.Pod
	service *corev1.Service
	ingress *networkingv1.Ingress
	claim   *corev1.PersistentVolumeClaim
	report  *observe.Report
	monitor status.MonitorState
	advice  []status.Advice
}

// phase is one step of a reconcile. All phases run, whatever the others return.
type phase struct {
	name string
	run  func(context.Context, *scope) error
}
