package build

import (
	"fmt"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// Role says what a CertStream needs a Secret or ConfigMap for.
type Role string

// The roles.
const (
	RoleToken    Role = "Token"
	RoleTLS      Role = "TLS"
	RoleProxy    Role = "Proxy"
	RoleCABundle Role = "CABundle"
)

// Reference is a Secret or ConfigMap that the spec names.
type Reference struct {
	Name string
	// Keys are those needed; none means all that there are.
	Keys []string
	Role Role
	// Field of the spec that names it: spec.tls.secretName.
	Field string
	// Restart says that only a new pod takes up a change of its content; all else is live.
	Restart bool
}

// SecretRefs are the Secrets that the pod cannot do without, in the order of the spec. The Secret that cert-manager fills is one
// of them. Those of the Ingress and of the image's registry are not: others read them.
func SecretRefs(cs *v1alpha1.CertStream) (refs []Reference) {
	spec := cs.Spec
	if p := spec.Logs.Proxy; p != nil && p.SecretKeyRef != nil {
		refs = append(refs, Reference{
			Name: p.SecretKeyRef.Name, Keys: []string{p.SecretKeyRef.Key}, Role: RoleProxy, Field: "spec.logs.proxy.secretKeyRef",
			Restart: true,
		})
	}
	if b := spec.Logs.CABundle; b != nil && b.SecretName != "" {
		refs = append(refs, Reference{
			Name: b.SecretName, Keys: []string{caKey(b)}, Role: RoleCABundle, Field: "spec.logs.caBundle.secretName",
		})
	}
	if spec.Auth != nil {
		for i, source := range spec.Auth.Tokens {
			refs = append(refs, tokenRef(i, source))
		}
	}
	if tls := spec.TLS; tls != nil {
		field := "spec.tls.secretName"
		if tls.SecretName == "" {
			field = "spec.tls.issuerRef"
		}
		refs = append(refs, Reference{
			Name: TLSSecretName(cs), Keys: []string{"tls.crt", "tls.key"}, Role: RoleTLS, Field: field,
		})
	}
	return refs
}

func tokenRef(i int, source v1alpha1.TokenSource) Reference {
	ref := Reference{Name: source.SecretName, Role: RoleToken, Field: fmt.Sprintf("spec.auth.tokens[%d].secretName", i)}
	if source.Key != "" {
		ref.Keys = []string{source.Key}
	}
	return ref
}

// ConfigMapRefs are the ConfigMaps that the pod cannot do without, besides its own.
func ConfigMapRefs(cs *v1alpha1.CertStream) []Reference {
	b := cs.Spec.Logs.CABundle
	if b == nil || b.SecretName != "" {
		return nil
	}
	return []Reference{{
		Name: b.ConfigMapName, Keys: []string{caKey(b)}, Role: RoleCABundle, Field: "spec.logs.caBundle.configMapName",
	}}
}

func caKey(b *v1alpha1.CABundleSpec) string {
	if b.Key != "" {
		return b.Key
	}
	return caFile
}

// TokenName is the name of a token that is one key of a Secret.
func TokenName(source v1alpha1.TokenSource) string {
	if source.Name != "" {
		return source.Name
	}
	return source.Key
}
