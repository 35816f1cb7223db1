package envtest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/controllers"
)

// Of two operators one works; when it stops the other takes over at once, and finds nothing to do.
func TestOneOfTwoOperatorsLeads(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	elected := func(o *ctrl.Options, _ *controllers.Reconciler) {
		o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = true, "certstream-operator", ns
		o.LeaderElectionReleaseOnCancel = true
		o.RetryPeriod = new(200 * time.Millisecond)
		o.RenewDeadline = new(5 * time.Second)
		o.LeaseDuration = new(10 * time.Second)
	}
	lease := client.ObjectKey{Namespace: ns, Name: "certstream-operator"}
	first := s.operator(t, ns, elected)
	held := waitGet(t, s, lease, new(coordinationv1.Lease), exists).Spec.HolderIdentity
	second := s.operator(t, ns, elected)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitReady(t, key)
	if works := working(second.written(), ns); len(works) > 0 {
		t.Errorf("the second operator wrote %v while the first leads", works)
	}
	pod := s.pod(t, key)
	first.stop()
	waitGet(t, s, lease, new(coordinationv1.Lease), func(l *coordinationv1.Lease) error {
		if h := l.Spec.HolderIdentity; h == nil || *h == "" || *h == *held {
			return fmt.Errorf("held by %v", h)
		}
		return nil
	})
	s.change(t, key, "limits: {connections: 5}")
	s.waitReady(t, key)
	if s.pod(t, key).UID != pod.UID {
		t.Error("the hand-over replaced the pod")
	}
	if works := working(second.written(), ns); slices.ContainsFunc(works, func(w string) bool { return w[:6] == "DELETE" }) {
		t.Errorf("the new leader wrote %v", works)
	}
	waitGet(t, s, child(key), new(corev1.Service), exists)
}

// working are the writes that are not about the lease.
func working(writes []string, ns string) []string {
	return slices.DeleteFunc(writes, func(w string) bool {
		return slices.Contains([]string{
			"POST /apis/coordination.k8s.io/v1/namespaces/" + ns + "/leases",
			"PUT /apis/coordination.k8s.io/v1/namespaces/" + ns + "/leases/certstream-operator",
		}, w)
	})
}
