package envtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// versions are the resource versions of all that a CertStream has, itself included.
func (s *apiServer) versions(t *testing.T, key client.ObjectKey) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, list := range []client.ObjectList{
		new(v1alpha1.CertStreamList), new(appsv1.DeploymentList), new(corev1.ServiceList), new(corev1.ConfigMapList), new(corev1.PodList),
		new(corev1.ServiceAccountList), new(corev1.PersistentVolumeClaimList), new(networkingv1.NetworkPolicyList), new(networkingv1.IngressList),
	} {
		if err := s.client.List(t.Context(), list, client.InNamespace(key.Namespace)); err != nil {
			t.Fatal(err)
		}
		err := forEach(list, func(o client.Object) { all[fmt.Sprintf("%T %s", o, o.GetName())] = o.GetResourceVersion() })
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// An operator that starts anew where another has been finds all as it should be, and changes nothing.
func TestARestartedOperatorChangesNothing(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	first := s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{networkPolicy: {}, ingress: {hosts: [a.example]}, monitoring: {dashboard: {}}}`)
	s.waitReady(t, key)
	s.waitQuestions(t, ns, 1, 2)
	first.stop()
	before := s.versions(t, key)
	s.operator(t, ns)
	s.waitQuestions(t, ns, 1, 4)
	if diff := cmp.Diff(before, s.versions(t, key)); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
}

// A CertStream that is made anew waits until the objects of its predecessor are gone, and takes none of them over.
func TestASuccessorWaitsForWhatItsPredecessorLeft(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	old := s.waitReady(t, key)
	if err := s.client.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	s.waitGone(t, key, new(v1alpha1.CertStream))
	s.streamOf(t, ns, "main", `{}`) // nothing collects garbage here: all objects are still there
	cs := s.waitFor(t, key, v1alpha1.ConditionReconciling, metav1.ConditionTrue, v1alpha1.ReasonProgressing)
	for _, o := range []client.Object{new(appsv1.Deployment), new(corev1.Service), new(corev1.ConfigMap), new(corev1.ServiceAccount)} {
		if err := s.client.Get(t.Context(), child(key), o); err != nil {
			t.Fatal(err)
		}
		if !metav1.IsControlledBy(o, old) {
			t.Errorf("%T was taken over: %v", o, o.GetOwnerReferences())
		}
		if err := s.client.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	admin := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "certstream-main-admin"}}
	if err := s.client.Delete(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	s.waitReady(t, key)
	waitGet(t, s, child(key), new(appsv1.Deployment), func(d *appsv1.Deployment) error {
		if !metav1.IsControlledBy(d, cs) {
			return fmt.Errorf("owners %v", d.OwnerReferences)
		}
		return nil
	})
}

// A CertStream that is being deleted gets nothing back that goes before it.
func TestADyingStreamIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	o := s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	cs := s.waitReady(t, key)
	if err := s.client.Delete(t.Context(), cs, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}
	// A stream made after it is ready once the events before it have been seen.
	s.waitReady(t, s.streamOf(t, ns, "second", `{logs: {select: {operators: [A]}}}`))
	before := len(o.written())
	for _, child := range []client.Object{new(corev1.Service), new(corev1.ConfigMap)} {
		child.SetNamespace(ns)
		child.SetName("certstream-main")
		if err := s.client.Delete(t.Context(), child); err != nil {
			t.Fatal(err)
		}
	}
	s.waitReady(t, s.streamOf(t, ns, "third", `{logs: {select: {operators: [B]}}}`))
	for _, w := range o.written()[before:] {
		if aboutMain.MatchString(w) {
			t.Errorf("wrote %s", w)
		}
	}
	eventually(t, "the end", func(ctx context.Context) error {
		if err := s.client.Get(ctx, key, cs); err != nil {
			return client.IgnoreNotFound(err)
		}
		cs.Finalizers = nil // as the garbage collector does in the end
		return client.IgnoreNotFound(s.client.Update(ctx, cs))
	})
}
