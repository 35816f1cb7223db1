package build

import (
	"k8s.io/apimachinery/pkg/runtime/schema"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const (
	// ContainerName is the streamer's in its pod.
	ContainerName = "streamer"
	// AdminPort is the port of its metrics, status and probes.
	AdminPort = 9090

	// AnnotationConfigHash is put on pods, so that the kubelet looks at the ConfigMap at once. It is no part of the pod template:
	// it comes and goes without a restart.
	AnnotationConfigHash = v1alpha1.Group + "/config-hash"
	// AnnotationRestartHash is on the pod template: it changes with everything that only a new pod takes up.
	AnnotationRestartHash = v1alpha1.Group + "/restart-hash"

	// LabelInstance names the CertStream that an object is of.
	LabelInstance = "app.kubernetes.io/instance"
	// LabelManagedBy is on all that the operator makes.
	LabelManagedBy = "app.kubernetes.io/managed-by"

	labelName      = "app.kubernetes.io/name"
	labelComponent = "app.kubernetes.io/component"

	portHTTP, portTCP, portAdmin = "http", "tcp", "admin"
)

// Name is that of most objects of a CertStream.
func Name(cs *v1alpha1.CertStream) string { return "certstream-" + cs.Name }

// AdminServiceName is the Service of the admin port.
func AdminServiceName(cs *v1alpha1.CertStream) string { return Name(cs) + "-admin" }

// DashboardName is the ConfigMap of the dashboard.
func DashboardName(cs *v1alpha1.CertStream) string { return Name(cs) + "-dashboard" }

// CertificateName is cert-manager's Certificate, and the Secret that it fills.
func CertificateName(cs *v1alpha1.CertStream) string { return Name(cs) + "-tls" }

// ClaimName is the claim that holds the state; empty where none does.
func ClaimName(cs *v1alpha1.CertStream) string {
	switch cs.Spec.State.Type {
	case v1alpha1.StateNone:
		return ""
	case v1alpha1.StateExistingClaim:
		return cs.Spec.State.ClaimName
	}
	return Name(cs)
}

// ServiceAccountName is the pod's.
func ServiceAccountName(cs *v1alpha1.CertStream) string {
	if name := cs.Spec.PodTemplate.ServiceAccountName; name != "" {
		return name
	}
	return Name(cs)
}

// TLSSecretName is the Secret with the certificate of the streams' ports; empty where they speak no TLS.
func TLSSecretName(cs *v1alpha1.CertStream) string {
	switch tls := cs.Spec.TLS; {
	case tls == nil:
		return ""
	case tls.SecretName != "":
		return tls.SecretName
	}
	return CertificateName(cs)
}

// Selector are the labels that find the pod. They never change: a Deployment's selector cannot.
func Selector(cs *v1alpha1.CertStream) map[string]string {
	return map[string]string{labelName: "certstream", LabelInstance: cs.Name, labelComponent: "streamer"}
}

// Labels are on every object of a CertStream.
func Labels(cs *v1alpha1.CertStream) map[string]string {
	return join(map[string]string{
		"app.kubernetes.io/part-of": "certstream",
		LabelManagedBy:              "certstream-operator",
	}, Selector(cs))
}

// join is a new map of both; where a key is in both, the operator's value holds.
func join(users, operators map[string]string) map[string]string {
	all := make(map[string]string, len(users)+len(operators))
	for _, m := range []map[string]string{users, operators} {
		for key, value := range m {
			all[key] = value
		}
	}
	return all
}

// ownerReference makes the object go with its CertStream. It does not block the owner's deletion, which would need a right to
// finalizers for nothing.
func ownerReference(cs *v1alpha1.CertStream) *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().WithAPIVersion(v1alpha1.SchemeGroupVersion.String()).WithKind(v1alpha1.Kind).
		WithName(cs.Name).WithUID(cs.UID).WithController(true)
}

// metadata is what every apply configuration of a whole object has.
type metadata[T any] interface {
	WithLabels(map[string]string) T
	WithOwnerReferences(...*metav1ac.OwnerReferenceApplyConfiguration) T
}

// owned labels an object and hands it to the CertStream.
func owned[T metadata[T]](s *Stream, object T) T {
	return object.WithLabels(Labels(s.CertStream)).WithOwnerReferences(ownerReference(s.CertStream))
}

// kind is short for the kinds in Objects.
func kind(group, version, name string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: group, Version: version, Kind: name}
}
