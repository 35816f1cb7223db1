package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

// CacheOptions are what the manager's cache holds: of all kinds the operator's own objects, CertStreams, and the metadata of
// Secrets, whose names users choose. Namespaces bounds it; none means all.
func CacheOptions(namespaces []string) cache.Options {
	ours := labels.Set{build.LabelManagedBy: build.Labels(new(v1alpha1.CertStream))[build.LabelManagedBy]}
	everything := cache.ByObject{Label: labels.Everything()}
	secrets := metadataOf(corev1.SchemeGroupVersion.WithKind("Secret"))
	o := cache.Options{
		DefaultLabelSelector: labels.SelectorFromSet(ours),
		DefaultTransform:     slim,
		ByObject:             map[client.Object]cache.ByObject{new(v1alpha1.CertStream): everything, secrets: everything},
	}
	for _, ns := range namespaces {
		if o.DefaultNamespaces == nil {
			o.DefaultNamespaces = make(map[string]cache.Config)
		}
		o.DefaultNamespaces[ns] = cache.Config{}
	}
	return o
}

// Setup registers the controller, and what it needs running, with a manager.
func (r *Reconciler) Setup(mgr ctrl.Manager, o controller.Options) error {
	ctx := context.Background()
	changed := make(chan event.GenericEvent, 1024)
	r.Client, r.Live, r.Events = mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(FieldOwner)
	r.applier, r.metrics = newApplier(r.Client, r.Live), newMetrics()
	var err error
	if r.builder, err = build.NewBuilder(r.Defaults); err != nil {
		return err
	}
	r.Probing.Significant, r.Probing.Log = status.SignificantReport, mgr.GetLogger().WithName("prober")
	r.Probing.Notify = func(key types.NamespacedName) { changed <- event.GenericEvent{Object: named(key)} }
	r.prober = observe.New(r.Probing)
	if err := r.index(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	c, err := r.watch(mgr, changed).WithOptions(patient(o)).Build(r)
	if err != nil {
		return fmt.Errorf("building the controller: %w", err)
	}
	if err := r.watchOptional(mgr, c, changed); err != nil {
		return err
	}
	return mgr.Add(r.prober)
}

// How long one reconcile may take, so that one that hangs holds up no other for long, and how soon one that failed is tried again.
const (
	reconcileTimeout      = 20 * time.Second
	firstRetry, lastRetry = 20 * time.Millisecond, time.Minute
)

// patient adds to the options what every manager of CertStreams wants: caches that are full before a replica becomes the leader,
// and retries that do not wait for a quarter of an hour.
func patient(o controller.Options) controller.Options {
	o.EnableWarmup = new(true)
	o.ReconciliationTimeout = reconcileTimeout
	o.RateLimiter = workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)
	return o
}

// named is a CertStream of which only the name is known.
func named(key types.NamespacedName) *v1alpha1.CertStream {
	return &v1alpha1.CertStream{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
}

// index lets CertStreams be found by what they refer to.
func (r *Reconciler) index(ctx context.Context, indexer client.FieldIndexer) error {
	for field, of := range map[string]func(*v1alpha1.CertStream) []string{
		indexSecrets: secretNames,
		indexClaims:  claimNames,
		indexLogs:    func(cs *v1alpha1.CertStream) []string { return []string{logsDigest(&cs.Spec.Logs)} },
	} {
		values := func(o client.Object) []string { return of(o.(*v1alpha1.CertStream)) }
		err := indexer.IndexField(ctx, new(v1alpha1.CertStream), field, values)
		if err != nil {
			return fmt.Errorf("indexing CertStreams by %s: %w", field, err)
		}
	}
	return nil
}

// watch says what wakes the controller.
func (r *Reconciler) watch(mgr ctrl.Manager, changed <-chan event.GenericEvent) *builder.Builder {
	secrets, written := metadataOf(corev1.SchemeGroupVersion.WithKind("Secret")), predicate.ResourceVersionChangedPredicate{}
	return ctrl.NewControllerManagedBy(mgr).Named("certstream").
		For(new(v1alpha1.CertStream), builder.WithPredicates(asked())).
		Owns(new(appsv1.Deployment)).
		Owns(new(corev1.Service)).
		Owns(new(networkingv1.Ingress)).
		Owns(new(corev1.ConfigMap), builder.OnlyMetadata).
		Owns(new(corev1.ServiceAccount), builder.OnlyMetadata).
		Owns(new(networkingv1.NetworkPolicy), builder.OnlyMetadata).
		Watches(new(corev1.PersistentVolumeClaim), handler.EnqueueRequestsFromMapFunc(byInstance)).
		Watches(new(corev1.Pod), handler.EnqueueRequestsFromMapFunc(byInstance), builder.WithPredicates(podChanged())).
		WatchesMetadata(secrets, handler.EnqueueRequestsFromMapFunc(r.bySecret), builder.WithPredicates(written)).
		Watches(new(v1alpha1.CertStream), handler.EnqueueRequestsFromMapFunc(r.neighbours), builder.WithPredicates(logsChanged())).
		WatchesRawSource(source.Channel(changed, new(handler.EnqueueRequestForObject)))
}

// watchOptional watches optional kinds from when they are there.
func (r *Reconciler) watchOptional(mgr ctrl.Manager, c controller.Controller, changed chan<- event.GenericEvent) error {
	d, err := discovery.NewDiscoveryClientForConfigAndClient(mgr.GetConfig(), mgr.GetHTTPClient())
	if err != nil {
		return fmt.Errorf("making a discovery client: %w", err)
	}
	owner := handler.TypedEnqueueRequestForOwner[*metav1.PartialObjectMetadata](
		mgr.GetScheme(), mgr.GetRESTMapper(), new(v1alpha1.CertStream), handler.OnlyControllerOwner())
	r.optional = &optionalKinds{
		discovery: d, every: cmp.Or(r.OptionalInterval, optionalInterval), has: make(map[schema.GroupVersionKind]bool),
		came: func(ctx context.Context, kind schema.GroupVersionKind) error {
			// The watch would wait 10 s where the kind is not known yet, and miss what happens to objects made meanwhile.
			ctx, cancel := context.WithTimeout(ctx, optionalInterval)
			defer cancel()
			if _, err := mgr.GetCache().GetInformer(ctx, metadataOf(kind)); err != nil {
				return err
			}
			return c.Watch(source.Kind(mgr.GetCache(), metadataOf(kind), owner))
		},
		went: func(ctx context.Context, kind schema.GroupVersionKind) {
			_ = mgr.GetCache().RemoveInformer(ctx, metadataOf(kind)) // it fails only for kinds without metadata
		},
		changed: func(ctx context.Context) { r.wakeAll(ctx, changed) },
	}
	return mgr.Add(r.optional)
}

// asked says which events of a CertStream call for a reconcile: a new spec, or one of the annotations that ask for something.
func asked() predicate.Predicate {
	return predicate.Or(predicate.GenerationChangedPredicate{}, predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, after := e.ObjectOld.GetAnnotations(), e.ObjectNew.GetAnnotations()
		return slices.ContainsFunc([]string{v1alpha1.AnnotationReconcile, v1alpha1.AnnotationRestart}, func(name string) bool {
			return before[name] != after[name]
		})
	}})
}

// logsChanged says which events of a CertStream concern others that follow the same logs.
func logsChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*v1alpha1.CertStream)
		after, ok2 := e.ObjectNew.(*v1alpha1.CertStream)
		return ok1 && ok2 && logsDigest(&before.Spec.Logs) != logsDigest(&after.Spec.Logs)
	}}
}

// podChanged leaves out the operator's own touches.
func podChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*corev1.Pod)
		after, ok2 := e.ObjectNew.(*corev1.Pod)
		return !ok1 || !ok2 || !before.DeletionTimestamp.Equal(after.DeletionTimestamp) || !sameStatus(before, after)
	}}
}

// wakeAll has every CertStream reconciled: what may exist has changed.
func (r *Reconciler) wakeAll(ctx context.Context, changed chan<- event.GenericEvent) {
	for _, req := range r.find(ctx) {
		select {
		case changed <- event.GenericEvent{Object: named(req.NamespacedName)}:
		case <-ctx.Done():
			return
		}
	}
}
