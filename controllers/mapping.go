package controllers

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

func request(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}

// byInstance is the CertStream that a pod or a claim is of.
func byInstance(_ context.Context, o client.Object) []reconcile.Request {
	name := o.GetLabels()[build.LabelInstance]
	if name == "" {
		return nil
	}
	return []reconcile.Request{request(o.GetNamespace(), name)}
}

// bySecret are the CertStreams that refer to a Secret.
func (r *Reconciler) bySecret(ctx context.Context, o client.Object) []reconcile.Request {
	return r.find(ctx, client.InNamespace(o.GetNamespace()), client.MatchingFields{indexSecrets: o.GetName()})
}

// neighbours are those whose advice names a CertStream that came, went or changed its logs: the two oldest of the same logs.
// All others name the oldest already.
func (r *Reconciler) neighbours(ctx context.Context, o client.Object) []reconcile.Request {
	cs, ok := o.(*v1alpha1.CertStream)
	if !ok {
		return nil
	}
	same := new(v1alpha1.CertStreamList)
	if err := r.Client.List(ctx, same, client.MatchingFields{indexLogs: logsDigest(&cs.Spec.Logs)}); err != nil {
		log.FromContext(ctx).Error(err, "looking for streams that follow the same logs")
		return nil
	}
	slices.SortFunc(same.Items, byAge)
	affected := same.Items
	// A stream that is younger than the two oldest changes what nobody else says.
	isThere := slices.ContainsFunc(affected, func(s v1alpha1.CertStream) bool { return s.UID == cs.UID })
	if isThere {
		affected = affected[:min(2, len(affected))]
	}
	return requests(affected)
}

// find are the CertStreams that a list finds.
func (r *Reconciler) find(ctx context.Context, opts ...client.ListOption) []reconcile.Request {
	list := new(v1alpha1.CertStreamList)
	if err := r.Client.List(ctx, list, opts...); err != nil {
		log.FromContext(ctx).Error(err, "looking for CertStreams")
		return nil
	}
	return requests(list.Items)
}

func requests(streams []v1alpha1.CertStream) []reconcile.Request {
	all := make([]reconcile.Request, 0, len(streams))
	for i := range streams {
		all = append(all, request(streams[i].Namespace, streams[i].Name))
	}
	return all
}

// sameStatus says whether nothing changed in a pod that its CertStream's status tells.
func sameStatus(a, b *corev1.Pod) bool {
	return a.Status.Phase == b.Status.Phase && a.Status.PodIP == b.Status.PodIP &&
		equality.Semantic.DeepEqual(a.Status.Conditions, b.Status.Conditions) &&
		equality.Semantic.DeepEqual(a.Status.ContainerStatuses, b.Status.ContainerStatuses)
}
