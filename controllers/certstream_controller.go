// Package controllers reconciles CertStreams. The controller is a thin shell: it reads the CertStream, runs the phases in their
// order, and writes the status once. What the objects are is decided in build, what the status says in status.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

// FieldOwner owns the fields that the operator applies.
const FieldOwner = "certstream-operator"

// Reconciler reconciles CertStreams. It keeps nothing that it could not read again: what it remembers only saves requests.
type Reconciler struct {
	// Client reads from the cache and writes to the API server; Live reads from the API server: the content of Secrets, and
	// objects that the cache, which holds the operator's own alone, does not see.
	Client client.Client
	Live   client.Reader
	Events events.EventRecorder
	// Probing says how pods are asked for their status; what is zero gets its default.
	Probing observe.Options
	// Defaults are what the operator adds to every stream.
	Defaults build.Defaults
	// Restricted refuses what would let the author of a CertStream do more than stream (see docs/security.md).
	Restricted bool
	// OptionalInterval is how often it is looked whether kinds that a cluster may lack came or went; zero takes 10 s.
	OptionalInterval time.Duration
	// StatusURL is where a pod serves its status; nil takes the admin port of its address.
	StatusURL func(*corev1.Pod) string
	// Now is the time; nil takes the system's.
	Now func() time.Time

	builder  *build.Builder
	prober   *observe.Prober
	optional *optionalKinds
	applier  *applier
	metrics  *metrics
	writes   writes
	failures failures
}

// Alphabetical by group and resource, so that none is missed or repeated.
//
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apps,resources=deployments,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=certstream.io,resources=certstreams,verbs=get;list;watch
// +kubebuilder:rbac:groups=certstream.io,resources=certstreams/status,verbs=get;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=monitoring.coreos.com,resources=podmonitors;prometheusrules;servicemonitors,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses;networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses,verbs=get;list

// Reconcile makes the objects of a CertStream what its spec says, and its status what is.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	cs := new(v1alpha1.CertStream)
	err := r.Client.Get(ctx, req.NamespacedName, cs)
	if apierrors.IsNotFound(err) || err == nil && !cs.DeletionTimestamp.IsZero() {
		// Its objects go with their owner; there is no finalizer to clear.
		r.forget(req)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("reading the CertStream: %w", err)
	}
	if r.writes.isStale(req.NamespacedName, writtenStatus, cs) {
		return ctrl.Result{RequeueAfter: cacheLag}, nil
	}
	s := &scope{key: req.NamespacedName, cs: cs}
	requeue, err := r.runPhases(ctx, s)
	problems, after := problemsIn(err)
	transient := transientIn(err)
	isNew := cs.Generation != cs.Status.ObservedGeneration
	if again := r.failures.again(req.NamespacedName, transient != nil); again || transient != nil && isNew {
		problems = append(problems, status.Problem{Reason: v1alpha1.ReasonProgressing, Message: "It is tried again: " + plain(transient)})
	}
	if err := errors.Join(transient, r.writeStatus(ctx, s, problems)); err != nil {
		return ctrl.Result{}, err
	}
	after = soonest(after, status.Recheck(s.observed(nil, r.now())))
	return ctrl.Result{RequeueAfter: soonest(requeue, after)}, nil
}

// cacheLag is how long to wait for the cache to show what was written, cacheLagMost for how long at most: an API server that was
// restored from a backup never shows it.
const (
	cacheLag     = 20 * time.Millisecond
	cacheLagMost = 5 * time.Second
)

// statusTimeout is how long writing a status may take. It is not part of the reconcile's time, which phases may have used up.
const statusTimeout = 5 * time.Second

// forget drops what is remembered of a CertStream that is gone.
func (r *Reconciler) forget(req ctrl.Request) {
	r.prober.Forget(req.NamespacedName)
	r.applier.forget(req.NamespacedName)
	r.metrics.forget(req.NamespacedName)
	r.writes.forget(req.NamespacedName)
	r.failures.again(req.NamespacedName, false)
}

// phases in their order. A suspended CertStream is only looked at.
func (r *Reconciler) phases(cs *v1alpha1.CertStream) []phase {
	looking := []phase{{"observing the pods", r.observe}, {"looking for advice", r.advise}}
	if cs.Spec.Suspend {
		return append([]phase{{"resolving the spec", r.resolve}}, looking...)
	}
	working := append([]phase{
		{"resolving the spec", r.resolve},
		{"checking references", r.checkReferences},
		{"applying objects", r.applyObjects},
		{"pruning objects", r.pruneObjects},
	}, looking...)
	return append(working, phase{"reloading the configuration", r.reload}, phase{"checking the volume", r.checkVolume})
}

// runPhases runs all phases, whatever any of them returns, and joins their errors.
func (r *Reconciler) runPhases(ctx context.Context, s *scope) (requeue time.Duration, err error) {
	var all []error
	for _, p := range r.phases(s.cs) {
		err := p.run(ctx, s)
		var again *requeueAfter
		if errors.As(err, &again) {
			requeue = soonest(requeue, again.after)
			continue
		}
		if err := transientIn(err); err != nil {
			log.FromContext(ctx).Error(err, "a phase failed; it is retried", "phase", p.name)
		}
		all = append(all, err)
	}
	return requeue, errors.Join(all...)
}

// requeueAfter is no error: a phase that returns it wants to be run again.
type requeueAfter struct{ after time.Duration }

func (e *requeueAfter) Error() string { return "again after " + e.after.String() }

// soonest is the shorter of two waits, of which 0 is none.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// writeStatus computes the status anew from what was observed, writes it when it differs, and tells of changes in events.
func (r *Reconciler) writeStatus(ctx context.Context, s *scope, problems []status.Problem) error {
	before := s.cs.DeepCopy()
	s.cs.Status = status.Compute(s.observed(problems, r.now()), before.Status)
	if first := r.watchPod(s); first && s.cs.Generation == before.Status.ObservedGeneration {
		return nil // what the pod says is about to be known, and was known to whoever wrote the present status
	}
	r.metrics.observe(s.cs)
	if equality.Semantic.DeepEqual(before.Status, s.cs.Status) {
		return nil
	}
	// A merge patch writes what changed; the operator is the only writer of this status, so that there is nothing to conflict with.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), statusTimeout)
	defer cancel()
	after := s.cs.DeepCopy()
	err := r.Client.Status().Patch(ctx, after, client.MergeFrom(before), client.FieldOwner(FieldOwner))
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	r.writes.record(s.key, writtenStatus, after)
	for _, e := range status.Events(before.Status, s.cs.Status) {
		r.Events.Eventf(s.cs, nil, e.Type, e.Reason, e.Action, "%s", e.Message)
	}
	return nil
}

// observed is what the status is computed from.
func (s *scope) observed(problems []status.Problem, now time.Time) status.Observed {
	o := status.Observed{
		Stream: s.cs, Deployment: s.deployment, DeploymentGeneration: s.deploymentGeneration, Pods: s.pods, Service: s.service,
		Ingress: s.ingress, Claim: s.claim, Report: s.report, Problems: problems, Advice: s.advice, Monitor: s.monitor, Now: now,
	}
	if s.stream != nil {
		o.ConfigHash = s.stream.ConfigHash
	}
	return o
}

func (r *Reconciler) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}
