package envtest

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

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
	s.grantElection(t, ns)
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

// grantElection gives the operator the role of config/rbac by which it elects a leader.
func (s *apiServer) grantElection(t *testing.T, ns string) {
	t.Helper()
	text, err := os.ReadFile("../../config/rbac/leader_election_role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	role := new(rbacv1.Role)
	if err := yaml.UnmarshalStrict(text, role); err != nil {
		t.Fatal(err)
	}
	role.Namespace = ns
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: operatorUser}},
	}
	for _, o := range []client.Object{role, binding} {
		if err := s.client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}
