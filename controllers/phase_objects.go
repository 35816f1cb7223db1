package controllers

import (
	"context"
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

// applyObjects applies all objects that the CertStream should have. One that fails keeps no other from being applied.
func (r *Reconciler) applyObjects(ctx context.Context, s *scope) error {
	if s.stream == nil {
		return nil
	}
	s.objects = build.Objects(s.stream)
	var all []error
	for _, o := range s.objects {
		if o.Apply == nil || s.hold && isOfPod(o) {
			continue
		}
		err := r.applyObject(ctx, s, o)
		all = append(all, err)
		if isTimeout(err) {
			break // the others would take as long, and other CertStreams wait
		}
	}
	if len(s.created) > 0 {
		names := strings.Join(s.created, ", ")
		r.Events.Eventf(s.cs, nil, corev1.EventTypeNormal, v1alpha1.ReasonApplied, "Create", "Created %s", names)
	}
	return errors.Join(all...)
}

// isOfPod says whether a change of the object changes what runs, or what reaches it.
func isOfPod(o build.Object) bool {
	return slices.Contains([]string{"Deployment", "ConfigMap", "NetworkPolicy"}, o.Kind.Kind)
}

func (r *Reconciler) applyObject(ctx context.Context, s *scope, o build.Object) error {
	if !r.optional.present(o.Kind) {
		return missingKind(s, o)
	}
	done, err := r.applier.apply(ctx, s.cs, o)
	if meta.IsNoMatchError(err) {
		return missingKind(s, o)
	}
	if err != nil {
		return err
	}
	switch {
	case isMonitor(o):
		s.monitor = status.MonitorCreated
	case o.Kind.Kind == "Deployment":
		s.deploymentGeneration = r.applier.generation(s.key, o)
	}
	if done != unchanged {
		log.FromContext(ctx).Info("applied", "kind", o.Kind.Kind, "object", o.Name, "outcome", string(done))
	}
	if done == created {
		s.created = append(s.created, o.Kind.Kind+" "+o.Name)
	}
	return nil
}

// missingKind is what becomes of an object whose resource definition is not installed. Monitoring does without.
func missingKind(s *scope, o build.Object) error {
	if o.Kind.Group == build.MonitoringGroup {
		if isMonitor(o) {
			s.monitor = status.MonitorCRDMissing
		}
		return nil
	}
	field, project := "spec.gateway", "the Gateway API's resources"
	if o.Kind.Kind == "Certificate" {
		field, project = "spec.tls.issuerRef", "cert-manager"
	}
	return stalled(v1alpha1.ReasonCRDMissing,
		"%s needs %s, which the cluster does not have: install it, or remove the field", field, project)
}

func isMonitor(o build.Object) bool {
	return o.Kind.Kind == "ServiceMonitor" || o.Kind.Kind == "PodMonitor"
}

// pruneObjects deletes the objects of features that are switched off. A claim is never among them: it holds the positions.
func (r *Reconciler) pruneObjects(ctx context.Context, s *scope) error {
	var all []error
	for _, o := range s.objects {
		if o.Apply != nil || o.Keep || !r.optional.present(o.Kind) {
			continue
		}
		gone, err := r.applier.prune(ctx, s.cs, o)
		if gone {
			log.FromContext(ctx).Info("pruned", "kind", o.Kind.Kind, "object", o.Name)
			r.Events.Eventf(s.cs, nil, corev1.EventTypeNormal, v1alpha1.ReasonPruned, "Delete",
				"Deleted %s %s, which the spec does not ask for any more", o.Kind.Kind, o.Name)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}
