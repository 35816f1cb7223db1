package envtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// The labels and annotations by which the fake kubelet knows what it is given. They are the contract with the real one, so they
// are written out here.
const (
	instanceLabel = "app.kubernetes.io/instance"
	touchesNote   = "certstream.io/touches"
	configNote    = "certstream.io/config-hash"
)

// kubelet stands for the Deployment controller, the kubelet and the streamer: it makes a pod of each Deployment, binds claims,
// and serves each pod's /status. What a pod mounts it reads when the pod starts and when the pod's annotations change.
type kubelet struct {
	client client.Client
	http   *httptest.Server
	done   chan struct{} // closed once all has ended

	mu      sync.Mutex
	pods    map[types.UID]*fakePod
	manners map[string]manners
}

// manners are how the pods of a namespace behave; the zero value is a healthy pod.
type manners struct {
	// deaf is how many touches in a row come before the new ConfigMap does.
	deaf int
	// rejects says why a pod refuses a configuration; nil or "" accepts.
	rejects func(config string) string
	// unready pods run and do not become ready; unbound claims stay pending.
	unready, unbound bool
	// status changes what a healthy pod says of itself.
	status func(p *fakePod, says map[string]any)
	// address gives each pod an address of its own, where its admin port must be served; nil gives all the same.
	address func(*corev1.Pod) string
}

// fakePod is a pod that runs.
type fakePod struct {
	namespace, instance string
	// asked counts the questions for its status; told is the last touch that it noticed.
	asked int
	told  string
	// config is what it runs, rejected what it refuses and why.
	config, rejected, why string
}

func startKubelet(ctx context.Context, s *apiServer) (*kubelet, error) {
	k := &kubelet{client: s.client, pods: map[types.UID]*fakePod{}, manners: map[string]manners{}, done: make(chan struct{})}
	k.http = httptest.NewServer(http.HandlerFunc(k.serve))
	mgr, err := ctrl.NewManager(s.config, ctrl.Options{Scheme: s.scheme, Metrics: metricsserver.Options{BindAddress: "0"}})
	if err != nil {
		return nil, err
	}
	byInstance := handler.EnqueueRequestsFromMapFunc(func(_ context.Context, o client.Object) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: "certstream-" + o.GetLabels()[instanceLabel]}}}
	})
	err = ctrl.NewControllerManagedBy(mgr).Named("kubelet").For(new(appsv1.Deployment)).Watches(new(corev1.Pod), byInstance).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).Complete(reconcile.Func(k.reconcile))
	if err != nil {
		return nil, err
	}
	err = ctrl.NewControllerManagedBy(mgr).Named("provisioner").For(new(corev1.PersistentVolumeClaim)).Complete(reconcile.Func(k.bind))
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(k.done)
		if err := mgr.Start(ctx); err != nil {
			log.Printf("the kubelet: %v", err)
		}
		k.http.Close()
	}()
	return k, nil
}

// behave sets how a namespace's pods behave from now on.
func (k *kubelet) behave(namespace string, m manners) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.manners[namespace] = m
}

// statusURL is where a pod's status is served.
func (k *kubelet) statusURL(pod *corev1.Pod) string { return k.http.URL + "/" + string(pod.UID) }

func (k *kubelet) reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	d := new(appsv1.Deployment)
	if err := k.client.Get(ctx, req.NamespacedName, d); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	pods := new(corev1.PodList)
	if err := k.client.List(ctx, pods, client.InNamespace(d.Namespace), client.MatchingLabels(d.Spec.Selector.MatchLabels)); err != nil {
		return reconcile.Result{}, err
	}
	name := podName(d)
	var current *corev1.Pod
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Name == name {
			current = pod
			continue
		}
		if err := k.kill(ctx, pod); err != nil {
			return reconcile.Result{}, err
		}
	}
	if current == nil {
		current = newPod(d, name)
		if err := k.client.Create(ctx, current); err != nil {
			return reconcile.Result{}, client.IgnoreAlreadyExists(err)
		}
	}
	if err := k.run(ctx, current); err != nil {
		return reconcile.Result{RequeueAfter: 100 * time.Millisecond}, ignoreGone(err) // what it mounts may be missing
	}
	return reconcile.Result{}, ignoreGone(k.reportDeployment(ctx, d, isReady(current)))
}

// ignoreGone leaves to the next event what somebody changed meanwhile.
func ignoreGone(err error) error {
	if apierrors.IsConflict(err) {
		return nil
	}
	return client.IgnoreNotFound(err)
}

// podName is the same as long as the template is.
func podName(d *appsv1.Deployment) string {
	template, _ := json.Marshal(d.Spec.Template)
	sum := sha256.Sum256(template)
	return d.Name + "-" + hex.EncodeToString(sum[:4])
}

func newPod(d *appsv1.Deployment, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.Namespace, Name: name, Annotations: d.Spec.Template.Annotations,
			Labels: labels.Merge(d.Spec.Template.Labels, labels.Set{appsv1.DefaultDeploymentUniqueLabelKey: "5fc8b94886"}),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: d.Name + "-5fc8b94886", UID: d.UID, Controller: new(true),
			}},
		},
		Spec: d.Spec.Template.Spec,
	}
}

func (k *kubelet) kill(ctx context.Context, pod *corev1.Pod) error {
	k.mu.Lock()
	delete(k.pods, pod.UID)
	k.mu.Unlock()
	return client.IgnoreNotFound(k.client.Delete(ctx, pod, client.GracePeriodSeconds(0)))
}

// run brings a pod to what it should be: running, ready, and with what it mounts as fresh as its annotations ask.
func (k *kubelet) run(ctx context.Context, pod *corev1.Pod) error {
	cm := new(corev1.ConfigMap)
	if err := k.client.Get(ctx, types.NamespacedName{Namespace: pod.Namespace, Name: configMapOf(pod)}, cm); err != nil {
		return err
	}
	k.mu.Lock()
	ready := k.mount(pod, cm.Data["config.yaml"])
	address := "127.0.0.1"
	if own := k.manners[pod.Namespace].address; own != nil {
		address = own(pod)
	}
	k.mu.Unlock()
	before := pod.DeepCopy()
	pod.Status.Phase, pod.Status.PodIP, pod.Status.PodIPs = corev1.PodRunning, address, []corev1.PodIP{{IP: address}}
	pod.Status.Conditions = []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
		{Type: corev1.PodReady, Status: conditionStatus(ready), LastTransitionTime: pod.CreationTimestamp},
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "streamer", Image: pod.Spec.Containers[0].Image, Ready: ready, Started: &ready,
		State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: pod.CreationTimestamp}},
	}}
	return k.client.Status().Patch(ctx, pod, client.MergeFrom(before))
}

// mount has the pod take up a configuration if it starts, or if it was touched often enough. It says whether the pod is ready.
func (k *kubelet) mount(pod *corev1.Pod, config string) bool {
	m := k.manners[pod.Namespace]
	p := k.pods[pod.UID]
	touch := pod.Annotations[configNote] + " " + pod.Annotations[touchesNote]
	switch {
	case p == nil:
		p = &fakePod{namespace: pod.Namespace, instance: pod.Labels[instanceLabel], config: config, told: touch}
		k.pods[pod.UID] = p
	case p.told != touch:
		p.told = touch
		if n := 0; m.deaf > 0 {
			_, _ = fmt.Sscan(pod.Annotations[touchesNote], &n)
			if n <= m.deaf {
				break
			}
		}
		p.take(config, m)
	}
	return !m.unready
}

// renew has the pods of a namespace take up a configuration, as when the kubelet looked at a ConfigMap in passing.
func (k *kubelet) renew(namespace, config string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.pods {
		if p.namespace == namespace {
			p.config = config
		}
	}
}

func (p *fakePod) take(config string, m manners) {
	if m.rejects != nil {
		if why := m.rejects(config); why != "" {
			p.rejected, p.why = config, why
			return
		}
	}
	p.config, p.rejected, p.why = config, "", ""
}

func configMapOf(pod *corev1.Pod) string {
	for _, v := range pod.Spec.Volumes {
		if v.Name == "certstream-config" && v.ConfigMap != nil {
			return v.ConfigMap.Name
		}
	}
	return ""
}

func conditionStatus(ok bool) corev1.ConditionStatus {
	if ok {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (k *kubelet) reportDeployment(ctx context.Context, d *appsv1.Deployment, ready bool) error {
	before := d.DeepCopy()
	d.Status.ObservedGeneration, d.Status.Replicas, d.Status.UpdatedReplicas = d.Generation, 1, 1
	d.Status.ReadyReplicas, d.Status.AvailableReplicas = 0, 0
	if ready {
		d.Status.ReadyReplicas, d.Status.AvailableReplicas = 1, 1
	}
	return k.client.Status().Patch(ctx, d, client.MergeFrom(before))
}

// bind gives a claim its volume.
func (k *kubelet) bind(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	k.mu.Lock()
	m := k.manners[req.Namespace]
	k.mu.Unlock()
	claim := new(corev1.PersistentVolumeClaim)
	if err := k.client.Get(ctx, req.NamespacedName, claim); err != nil || m.unbound {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	before := claim.DeepCopy()
	claim.Status.Phase, claim.Status.Capacity = corev1.ClaimBound, claim.Spec.Resources.Requests
	return reconcile.Result{}, ignoreGone(k.client.Status().Patch(ctx, claim, client.MergeFrom(before)))
}

// serve is every pod's /status.
func (k *kubelet) serve(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.pods[types.UID(strings.TrimPrefix(r.URL.Path, "/"))]
	if p == nil {
		http.NotFound(w, r)
		return
	}
	p.asked++
	config := map[string]any{"hash": hash(p.config)}
	if p.why != "" {
		config["last_error"], config["rejected_hash"] = p.why, hash(p.rejected)
	}
	says := map[string]any{
		"version": "v0.0.0-test", "config": config, "entries_per_second": 100.0, "clients": []any{map[string]any{"count": 3}},
		"logs": []any{
			map[string]any{"name": "Argon", "state": "following", "status": "healthy", "breaker": "closed", "lag_seconds": 2.0},
			map[string]any{"name": "Xenon", "state": "following", "status": "healthy", "breaker": "closed", "lag_seconds": 1.0},
		},
	}
	if change := k.manners[p.namespace].status; change != nil {
		change(p, says)
	}
	_ = json.NewEncoder(w).Encode(says) // the reader is gone
}

func hash(config string) string {
	sum := sha256.Sum256([]byte(config))
	return hex.EncodeToString(sum[:])
}
