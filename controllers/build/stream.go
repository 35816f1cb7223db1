// Package build makes the objects of a CertStream. Its builders are pure: a Stream in, an apply configuration or nothing out.
// They ask no server, no clock and no randomness; the same Stream gives the same bytes. One object per file.
package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// Defaults are what the operator adds to every stream.
type Defaults struct {
	// Image of the streamer where the spec names none.
	Image string
	// OperatorNamespace is where the operator runs; its pods may reach the admin port. Empty when it runs outside a cluster.
	OperatorNamespace string
}

// Stream is a CertStream as the builders see it: with the defaults of its schema, and its configuration rendered.
type Stream struct {
	*v1alpha1.CertStream
	Defaults Defaults
	// Config is the content of config.yaml; ConfigHash its SHA-256 in hex, which the streamer reports once it runs it.
	Config     []byte
	ConfigHash string
	// RestartHash changes with the settings that only a new pod takes up.
	RestartHash string
	// SecretVersions tells apart the contents of Secrets that only a new pod takes up (references with Restart), without
	// showing them: for example their resource versions. The controller may set it later.
	SecretVersions string
	// Deployed is what runs, where the controller knows it.
	Deployed *Deployed

	rules Rules
}

// Deployed is what the Deployment's pod template has. It keeps a longer or shorter drain alone from replacing the pod.
type Deployed struct {
	// RestartHash is the annotation of that name.
	RestartHash        string
	GracePeriodSeconds int64
}

// Object is one object that a CertStream may have.
type Object struct {
	Kind schema.GroupVersionKind
	Name string
	// Apply is what it should be; nil says that there should be none.
	Apply runtime.ApplyConfiguration
	// Keep says that one that is there stays, when there should be none: it holds data.
	Keep bool
}

// Builder makes Streams. It holds what is the same for all of them, and is safe for concurrent use.
type Builder struct {
	defaults Defaults
	rules    Rules
}

// NewBuilder reads what is the same for all streams.
func NewBuilder(d Defaults) (*Builder, error) {
	rules, err := ParseRules()
	if err != nil {
		return nil, err
	}
	return &Builder{defaults: d, rules: rules}, nil
}

// Stream renders a CertStream, which must carry the defaults of its schema. Capacity is the size of the claim of its state, nil
// while that is not known. An error says which field of the spec is wrong.
func (b *Builder) Stream(cs *v1alpha1.CertStream, capacity *resource.Quantity) (*Stream, error) {
	c, err := Config(cs, capacity)
	if err != nil {
		return nil, err
	}
	rendered, err := config.Render(c)
	if err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	restart, err := config.RestartHash(c)
	if err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	sum := sha256.Sum256(rendered)
	return &Stream{
		CertStream: cs, Defaults: b.defaults, Config: rendered, ConfigHash: hex.EncodeToString(sum[:]), RestartHash: restart,
		rules: b.rules,
	}, nil
}

// Objects are all objects that the CertStream may have, in the order in which they are applied: what a pod needs comes before
// the Deployment, what leads clients to it after.
func Objects(s *Stream) []Object {
	name := Name(s.CertStream)
	return []Object{
		{Kind: kind("", "v1", "ServiceAccount"), Name: name, Apply: serviceAccount(s)},
		{Kind: kind("", "v1", "ConfigMap"), Name: name, Apply: configMap(s)},
		{Kind: kind("", "v1", "PersistentVolumeClaim"), Name: name, Apply: claim(s), Keep: true},
		{Kind: kind("networking.k8s.io", "v1", "NetworkPolicy"), Name: name, Apply: networkPolicy(s)},
		{Kind: certificateKind(), Name: CertificateName(s.CertStream), Apply: certificate(s)},
		{Kind: kind("apps", "v1", "Deployment"), Name: name, Apply: deployment(s)},
		{Kind: kind("", "v1", "Service"), Name: name, Apply: service(s)},
		{Kind: kind("", "v1", "Service"), Name: AdminServiceName(s.CertStream), Apply: adminService(s)},
		{Kind: kind("networking.k8s.io", "v1", "Ingress"), Name: name, Apply: ingress(s)},
		{Kind: httpRouteKind(), Name: name, Apply: httpRoute(s)},
		{Kind: serviceMonitorKind(), Name: name, Apply: serviceMonitor(s)},
		{Kind: podMonitorKind(), Name: name, Apply: podMonitor(s)},
		{Kind: prometheusRuleKind(), Name: name, Apply: prometheusRule(s)},
		{Kind: kind("", "v1", "ConfigMap"), Name: DashboardName(s.CertStream), Apply: dashboardConfigMap(s)},
	}
}
