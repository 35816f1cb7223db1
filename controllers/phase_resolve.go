package controllers

import (
	"context"
	"strings"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// resolve renders the spec. A spec that cannot be rendered changes nothing: what runs goes on.
func (r *Reconciler) resolve(ctx context.Context, s *scope) error {
	if refused := r.refusedToTenants(s.cs); len(refused) > 0 {
		return stalled(v1alpha1.ReasonTenantRestricted,
			"the operator runs with --restricted-tenants: remove %s", strings.Join(refused, ", "))
	}
	// The size of the claim is what is kept on it a share of.
	if err := r.readClaim(ctx, s); err != nil {
		return err
	}
	stream, err := r.builder.Stream(s.cs, build.Capacity(s.claim))
	if err != nil {
		return stalled(v1alpha1.ReasonInvalidSpec, "%s", short(err))
	}
	s.stream = stream
	s.deployment, err = read(ctx, r.Client, s, build.Name(s.cs), new(appsv1.Deployment))
	if s.deployment != nil {
		stream.Deployed = deployed(s.deployment)
	}
	return err
}

// deployed is what the builders want to know of the Deployment as it is.
func deployed(d *appsv1.Deployment) *build.Deployed {
	pod := d.Spec.Template
	seconds := pod.Spec.TerminationGracePeriodSeconds
	if seconds == nil {
		return nil
	}
	return &build.Deployed{RestartHash: pod.Annotations[build.AnnotationRestartHash], GracePeriodSeconds: *seconds}
}

// refusedToTenants names the fields that are set and would let the author of a CertStream do more than stream: run any program,
// with any identity, or reach into the cluster's network.
func (r *Reconciler) refusedToTenants(cs *v1alpha1.CertStream) []string {
	if !r.Restricted {
		return nil
	}
	pod, service := &cs.Spec.PodTemplate, &cs.Spec.Service
	var refused []string
	for _, f := range []struct {
		field string
		set   bool
	}{
		{"spec.podTemplate.labels", len(pod.Labels) > 0},
		{"spec.podTemplate.annotations", len(pod.Annotations) > 0},
		{"spec.podTemplate.image", pod.Image != ""},
		{"spec.podTemplate.imagePullSecrets", len(pod.ImagePullSecrets) > 0},
		{"spec.podTemplate.nodeSelector", len(pod.NodeSelector) > 0},
		{"spec.podTemplate.affinity", pod.Affinity != nil},
		{"spec.podTemplate.env", len(pod.Env) > 0},
		{"spec.podTemplate.volumes", len(pod.Volumes) > 0},
		{"spec.podTemplate.volumeMounts", len(pod.VolumeMounts) > 0},
		{"spec.podTemplate.serviceAccountName", pod.ServiceAccountName != ""},
		{"spec.podTemplate.securityContext", pod.SecurityContext != nil},
		{"spec.podTemplate.containerSecurityContext", pod.ContainerSecurityContext != nil},
		{"spec.podTemplate.priorityClassName", pod.PriorityClassName != ""},
		{"spec.podTemplate.runtimeClassName", pod.RuntimeClassName != nil},
		{"spec.podTemplate.tolerations", len(pod.Tolerations) > 0},
		{"spec.service.type " + string(service.Type), service.Type != "" && service.Type != "ClusterIP"},
		{"spec.service.labels", len(service.Labels) > 0},
		{"spec.service.annotations", len(service.Annotations) > 0},
		{"spec.ingress.annotations", cs.Spec.Ingress != nil && len(cs.Spec.Ingress.Annotations) > 0},
		{"spec.gateway.annotations", cs.Spec.Gateway != nil && len(cs.Spec.Gateway.Annotations) > 0},
		{"spec.tls.issuerRef of a kind other than Issuer", cs.Spec.TLS != nil && cs.Spec.TLS.IssuerRef != nil && cs.Spec.TLS.IssuerRef.Kind != "Issuer"},
		{"spec.state.type ExistingClaim", cs.Spec.State.Type == v1alpha1.StateExistingClaim},
		{"spec.logs.allowPrivateAddresses", cs.Spec.Logs.AllowPrivateAddresses},
		{"spec.logs.proxy", cs.Spec.Logs.Proxy != nil},
	} {
		if f.set {
			refused = append(refused, f.field)
		}
	}
	return refused
}
