package envtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// childKinds are the kinds of objects that the smallest stream has, by the suffix of their names.
func childKinds() map[string]client.Object {
	return map[string]client.Object{
		"deployment": new(appsv1.Deployment), "service": new(corev1.Service), "configmap": new(corev1.ConfigMap),
		"serviceaccount": new(corev1.ServiceAccount), "claim": new(corev1.PersistentVolumeClaim),
	}
}

func TestSmallestStreamBecomesReady(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	cs := s.waitReady(t, key)
	if cs.Status.ObservedGeneration != cs.Generation || cs.Status.Config == nil || cs.Status.Config.WantedHash != cs.Status.Config.RunningHash {
		t.Errorf("status %+v", cs.Status)
	}
	if want := "ws://certstream-main." + ns + ".svc:8080/"; cs.Status.URL != want {
		t.Errorf("URL %q, want %q", cs.Status.URL, want)
	}
	if f := cs.Status.Figures; f == nil || f.Clients != 3 || f.Logs.Summary != "2/2" || f.EntriesPerSecond != 100 {
		t.Errorf("figures %+v", f)
	}
	if cs.Status.Image != testImage || cs.Status.Version != "v0.0.0-test" {
		t.Errorf("image %q, version %q", cs.Status.Image, cs.Status.Version)
	}
	for what, o := range childKinds() {
		if err := s.client.Get(t.Context(), child(key), o); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		owner := metav1.GetControllerOf(o)
		if retained := what == "claim"; (owner == nil) != retained || owner != nil && owner.UID != cs.UID {
			t.Errorf("%s is owned by %v", what, owner)
		}
	}
	wantKstatus(t, s, key, status.CurrentStatus)
}

// wantKstatus holds a CertStream to what tools that wait for resources think of it.
func wantKstatus(t *testing.T, s *apiServer, key client.ObjectKey, want status.Status) {
	t.Helper()
	u := stream(key.Namespace, key.Name, nil)
	if err := s.client.Get(t.Context(), key, u); err != nil {
		t.Fatal(err)
	}
	got, err := status.Compute(u)
	if err != nil || got.Status != want {
		t.Errorf("kstatus %v (%v), want %s", got, err, want)
	}
}

func TestStatusIsBornUnseen(t *testing.T) {
	t.Parallel()
	s := need(t)
	key := s.streamOf(t, s.namespace(t), "main", `{}`)
	cs := new(v1alpha1.CertStream)
	if err := s.client.Get(t.Context(), key, cs); err != nil {
		t.Fatal(err)
	}
	if cs.Status.ObservedGeneration != -1 {
		t.Errorf("observedGeneration %d, want -1", cs.Status.ObservedGeneration)
	}
	if ready := meta.FindStatusCondition(cs.Status.Conditions, v1alpha1.ConditionReady); ready == nil ||
		ready.Status != metav1.ConditionUnknown || ready.Reason != v1alpha1.ReasonPending {
		t.Errorf("Ready is %+v", ready)
	}
	wantKstatus(t, s, key, status.InProgressStatus)
}

func TestNothingIsWrittenOnceReady(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	o := s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{networkPolicy: {}, ingress: {hosts: [a.example]}}`)
	s.waitReady(t, key)
	before := len(o.written())
	// Asked to look again, and probed several times meanwhile, it finds nothing to do but to say that it looked.
	s.patch(t, key, new(v1alpha1.CertStream), `{metadata: {annotations: {certstream.io/reconcile-requested-at: now}}}`)
	waitGet(t, s, key, new(v1alpha1.CertStream), func(cs *v1alpha1.CertStream) error {
		if cs.Status.LastHandledReconcileAt != "now" {
			return fmt.Errorf("lastHandledReconcileAt %q", cs.Status.LastHandledReconcileAt)
		}
		return nil
	})
	writes := slices.DeleteFunc(o.written()[before:], func(w string) bool { return strings.HasSuffix(w, "/status") })
	if len(writes) > 0 {
		t.Errorf("wrote %v", writes)
	}
}

func TestDeletedObjectsComeBack(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{networkPolicy: {}, ingress: {hosts: [a.example]}, monitoring: {dashboard: {}}}`)
	s.waitReady(t, key)
	objects := map[string]client.Object{
		"": new(appsv1.Deployment), " ": new(corev1.Service), "  ": new(corev1.ConfigMap), "   ": new(corev1.ServiceAccount),
		"    ": new(networkingv1.NetworkPolicy), "     ": new(networkingv1.Ingress), "-dashboard": new(corev1.ConfigMap),
	}
	for suffix, o := range objects {
		k := child(key)
		k.Name += strings.TrimSpace(suffix)
		if err := s.client.Get(t.Context(), k, o); err != nil {
			t.Fatal(err)
		}
		uid := o.GetUID()
		if err := s.client.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		waitGet(t, s, k, o, func(o client.Object) error {
			if o.GetUID() == uid {
				return fmt.Errorf("still the old one")
			}
			return nil
		})
	}
	s.waitReady(t, key)
}

func TestDriftIsPutBackAndWhatIsOthersStays(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitReady(t, key)
	s.patch(t, child(key), new(corev1.Service), `
metadata: {labels: {team: pki, app.kubernetes.io/part-of: other}, annotations: {a.example/b: c}}
spec: {ports: [{name: http, port: 8080, targetPort: 1}]}`)
	waitGet(t, s, child(key), new(corev1.Service), func(svc *corev1.Service) error {
		if svc.Spec.Ports[0].TargetPort.String() != "http" || svc.Labels["app.kubernetes.io/part-of"] != "certstream" {
			return fmt.Errorf("ports %v, labels %v", svc.Spec.Ports, svc.Labels)
		}
		if svc.Labels["team"] != "pki" || svc.Annotations["a.example/b"] != "c" {
			return fmt.Errorf("another's label or annotation is gone: %v %v", svc.Labels, svc.Annotations)
		}
		return nil
	})
	s.patch(t, child(key), new(corev1.ConfigMap), `{data: {config.yaml: "port: 1"}}`)
	s.patch(t, child(key), new(appsv1.Deployment), `{spec: {replicas: 0}}`)
	waitGet(t, s, child(key), new(corev1.ConfigMap), func(cm *corev1.ConfigMap) error {
		if cm.Data["config.yaml"] == "port: 1" {
			return fmt.Errorf("still changed")
		}
		return nil
	})
	waitGet(t, s, child(key), new(appsv1.Deployment), func(d *appsv1.Deployment) error {
		if *d.Spec.Replicas != 1 {
			return fmt.Errorf("%d replicas", *d.Spec.Replicas)
		}
		return nil
	})
	s.waitReady(t, key)
}

func TestWhatIsSwitchedOffIsPruned(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{networkPolicy: {}, ingress: {hosts: [a.example]}, monitoring: {dashboard: {}}}`)
	s.waitReady(t, key)
	dashboard := client.ObjectKey{Namespace: ns, Name: "certstream-main-dashboard"}
	waitGet(t, s, dashboard, new(corev1.ConfigMap), exists)
	s.change(t, key, "networkPolicy: null\ningress: null\nmonitoring: {dashboard: null}\npodTemplate: {serviceAccountName: default}")
	s.waitGone(t, child(key), new(networkingv1.NetworkPolicy))
	s.waitGone(t, child(key), new(networkingv1.Ingress))
	s.waitGone(t, child(key), new(corev1.ServiceAccount))
	s.waitGone(t, dashboard, new(corev1.ConfigMap))
	s.waitReady(t, key)
}

func TestAForeignObjectIsNotTaken(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	o := s.operator(t, ns)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "certstream-main"}, Data: map[string]string{"a": "b"}}
	if err := s.client.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	key := s.streamOf(t, ns, "main", `{}`)
	if message := s.waitStalled(t, key, v1alpha1.ReasonObjectConflict); !strings.Contains(message, "ConfigMap certstream-main") {
		t.Errorf("the message does not name the object: %s", message)
	}
	wantKstatus(t, s, key, status.FailedStatus)
	if slices.Contains(o.written(), "PATCH /api/v1/namespaces/"+ns+"/configmaps/certstream-main") {
		t.Error("the foreign ConfigMap was written to")
	}
	if err := s.client.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	// It carries no label of the operator's, so that no event tells of its end; asking for a reconcile does.
	s.patch(t, key, new(v1alpha1.CertStream), `{metadata: {annotations: {certstream.io/reconcile-requested-at: now}}}`)
	s.waitReady(t, key)
}

func TestObjectsOfAnEarlierOperatorAreAdopted(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	first := s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{service: {labels: {team: pki}}}`)
	s.waitReady(t, key)
	uid := s.pod(t, key).UID
	first.stop()
	// The earlier release rendered an annotation that the present one does not, and something else it has changed since.
	now := waitGet(t, s, child(key), new(corev1.Service), exists)
	owner := now.OwnerReferences[0]
	old := corev1ac.Service(now.Name, ns).WithLabels(now.Labels).WithAnnotations(map[string]string{"certstream.io/old": "true"}).
		WithOwnerReferences(metav1ac.OwnerReference().WithAPIVersion(owner.APIVersion).WithKind(owner.Kind).WithName(owner.Name).
			WithUID(owner.UID).WithController(true)).
		WithSpec(corev1ac.ServiceSpec().WithSelector(now.Spec.Selector).WithPorts(corev1ac.ServicePort().WithName("http").WithPort(8080).
			WithProtocol(corev1.ProtocolTCP).WithTargetPort(intstr.FromInt32(1)).WithAppProtocol("old.example/http")))
	if err := s.client.Apply(t.Context(), old, client.FieldOwner("certstream-operator"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	second := s.operator(t, ns)
	waitGet(t, s, child(key), new(corev1.Service), func(svc *corev1.Service) error {
		if svc.Annotations["certstream.io/old"] != "" || svc.Spec.Ports[0].TargetPort.String() != "http" || svc.Labels["team"] != "pki" {
			return fmt.Errorf("annotations %v, labels %v, ports %v", svc.Annotations, svc.Labels, svc.Spec.Ports)
		}
		return nil
	})
	s.waitReady(t, key)
	if now := s.pod(t, key).UID; now != uid {
		t.Error("the pod was replaced, though nothing of its template changed")
	}
	if deleted := slices.IndexFunc(second.written(), func(w string) bool { return strings.HasPrefix(w, "DELETE") }); deleted >= 0 {
		t.Errorf("the new operator deleted: %s", second.written()[deleted])
	}
}

func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	before := s.waitReady(t, key).Status.Config.WantedHash
	s.change(t, key, "suspend: true")
	s.waitFor(t, key, v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
	s.change(t, key, "logLevel: Debug")
	s.waitFor(t, key, v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
	cm := waitGet(t, s, child(key), new(corev1.ConfigMap), exists)
	if hash(cm.Data["config.yaml"]) != before {
		t.Error("the configuration was written while suspended")
	}
	if err := s.client.Delete(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "certstream-main"}}); err != nil {
		t.Fatal(err)
	}
	s.waitFor(t, key, v1alpha1.ConditionSuspended, metav1.ConditionTrue, v1alpha1.ReasonSuspended)
	s.waitGone(t, child(key), new(corev1.Service))
	s.change(t, key, "suspend: null")
	waitGet(t, s, child(key), new(corev1.Service), exists)
	if cs := s.waitReady(t, key); cs.Status.Config.RunningHash == before {
		t.Error("the change made while suspended was not applied on resuming")
	}
}

func TestClaimFollowsItsReclaimPolicy(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{state: {volume: {reclaimPolicy: Delete}}}`)
	cs := s.waitReady(t, key)
	ownedBy := func(want bool) func(*corev1.PersistentVolumeClaim) error {
		return func(c *corev1.PersistentVolumeClaim) error {
			if metav1.IsControlledBy(c, cs) != want {
				return fmt.Errorf("owners %v", c.OwnerReferences)
			}
			return nil
		}
	}
	waitGet(t, s, child(key), new(corev1.PersistentVolumeClaim), ownedBy(true))
	s.change(t, key, "state: {volume: {reclaimPolicy: Retain}}")
	waitGet(t, s, child(key), new(corev1.PersistentVolumeClaim), ownedBy(false))
	s.change(t, key, "state: {volume: {reclaimPolicy: Delete}}")
	waitGet(t, s, child(key), new(corev1.PersistentVolumeClaim), ownedBy(true))
}

func TestARetainedClaimIsTakenUpAgain(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{state: {volume: {size: 8Gi}}}`)
	s.waitReady(t, key)
	claim := waitGet(t, s, child(key), new(corev1.PersistentVolumeClaim), exists)
	s.remove(t, key)
	key = s.streamOf(t, ns, "main", `{}`)
	cs := s.waitReady(t, key)
	again := waitGet(t, s, child(key), new(corev1.PersistentVolumeClaim), exists)
	if size := again.Spec.Resources.Requests[corev1.ResourceStorage]; again.UID != claim.UID || size.Cmp(resource.MustParse("8Gi")) != 0 {
		t.Errorf("claim %s of %s, want %s of 8Gi", again.UID, size.String(), claim.UID)
	}
	if cs.Status.Volume == nil || cs.Status.Volume.ClaimName != "certstream-main" {
		t.Errorf("volume %+v", cs.Status.Volume)
	}
}

// remove deletes a CertStream and, as the garbage collector would, what it owns.
func (s *apiServer) remove(t *testing.T, key client.ObjectKey) {
	t.Helper()
	cs := new(v1alpha1.CertStream)
	if err := s.client.Get(t.Context(), key, cs); err != nil {
		t.Fatal(err)
	}
	if len(cs.Finalizers) > 0 {
		t.Errorf("finalizers %v", cs.Finalizers)
	}
	if err := s.client.Delete(t.Context(), cs); err != nil {
		t.Fatal(err)
	}
	s.waitGone(t, key, new(v1alpha1.CertStream))
	for _, o := range childKinds() {
		err := s.client.Get(t.Context(), child(key), o)
		if client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
		if err == nil && metav1.IsControlledBy(o, cs) {
			if err := s.client.Delete(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	err := s.client.DeleteAllOf(t.Context(), new(corev1.Pod), client.InNamespace(key.Namespace),
		client.MatchingLabels{instanceLabel: key.Name}, client.GracePeriodSeconds(0))
	if err != nil {
		t.Fatal(err)
	}
}

func TestStreamsOfTheSameLogsAreToldToShare(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	one, two := s.streamOf(t, ns, "one", `{}`), s.streamOf(t, ns, "two", `{}`)
	s.waitFor(t, one, v1alpha1.ConditionNoWarnings, metav1.ConditionFalse, v1alpha1.ReasonSharedLogs)
	s.waitFor(t, two, v1alpha1.ConditionNoWarnings, metav1.ConditionFalse, v1alpha1.ReasonSharedLogs)
	s.change(t, two, "logs: {select: {operators: [Sectigo]}}")
	s.waitFor(t, one, v1alpha1.ConditionNoWarnings, metav1.ConditionTrue, v1alpha1.ReasonNoWarnings)
	s.waitFor(t, two, v1alpha1.ConditionNoWarnings, metav1.ConditionTrue, v1alpha1.ReasonNoWarnings)
}

func TestHiddenClientAddressesAreWarnedOf(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{limits: {connectionsPerIP: 5}, ingress: {hosts: [a.example]}}`)
	s.waitFor(t, key, v1alpha1.ConditionNoWarnings, metav1.ConditionFalse, v1alpha1.ReasonClientAddressesHidden)
	s.change(t, key, "limits: {trustedProxies: [10.0.0.0/8]}")
	s.waitFor(t, key, v1alpha1.ConditionNoWarnings, metav1.ConditionTrue, v1alpha1.ReasonNoWarnings)
}

func TestSamplesAreAdmitted(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	files, err := filepath.Glob("../../config/samples/certstream_*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no samples", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			u := &unstructured.Unstructured{Object: parse(t, document)}
			u.SetNamespace(ns)
			if err := s.client.Create(context.WithoutCancel(t.Context()), u, client.FieldValidation("Strict")); err != nil {
				t.Errorf("%s: %v", filepath.Base(file), err)
			}
		}
	}
}

// configOf is the configuration that the operator wrote.
func (s *apiServer) configOf(t *testing.T, key client.ObjectKey) string {
	t.Helper()
	return waitGet(t, s, child(key), new(corev1.ConfigMap), exists).Data["config.yaml"]
}
