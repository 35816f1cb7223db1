// Package build makes the objects of a CertStream. Its builders are pure: a Stream in, an apply configuration or nothing out.
// They ask no server, no clock and no randomness; the same Stream gives the same bytes. One object per file.
package build

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

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
}

// Object is one object that a CertStream may have.
type Object struct {
	Kind schema.GroupVersionKind
	Name string
	// Apply is what it should be; nil says that there should be none.
	Apply runtime.ApplyConfiguration
}

// New renders a CertStream, which must carry the defaults of its schema. An error says which field of the spec is wrong.
func New(cs *v1alpha1.CertStream, d Defaults) (*Stream, error) {
	c, err := Config(cs)
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
	return &Stream{CertStream: cs, Defaults: d, Config: rendered, ConfigHash: hex.EncodeToString(sum[:]), RestartHash: restart}, nil
}

// Objects are all objects that the CertStream may have, in the order in which they are applied: what a pod needs comes before
// the Deployment, what leads clients to it after.
func Objects(s *Stream) []Object {
	return nil
}

// Config is the streamer's configuration for a CertStream.
func Config(cs *v1alpha1.CertStream) (*config.Config, error) {
	c := config.Default()
	return c, nil
}
