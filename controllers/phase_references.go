package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// checkReferences reads what the pod mounts. While something is missing or of no use, nothing that runs is changed: a pod that
// was replaced now could not start.
func (r *Reconciler) checkReferences(ctx context.Context, s *scope) error {
	var all []error
	live, restart := sha256.New(), sha256.New()
	tokens := make(tokenOrigins)
	for _, ref := range build.SecretRefs(s.cs) {
		secret, err := r.checkSecret(ctx, s, ref)
		if secret != nil {
			digest := live
			if ref.Restart {
				digest = restart
			}
			_, _ = fmt.Fprintln(digest, ref.Name, secret.UID, secret.ResourceVersion) // a hash takes all
		}
		if err == nil && ref.Role == build.RoleToken && ref.Keys == nil {
			err = tokens.add(ref, secret)
		}
		all = append(all, err)
	}
	for _, ref := range build.ConfigMapRefs(s.cs) {
		all = append(all, r.checkConfigMap(ctx, s, ref))
	}
	s.secretsHash = hex.EncodeToString(live.Sum(nil)[:16])
	if s.stream != nil {
		s.stream.SecretVersions = hex.EncodeToString(restart.Sum(nil)[:16])
	}
	err := errors.Join(all...)
	s.hold = err != nil
	return err
}

// checkSecret reads a Secret and says what is wrong with it, without a word of its content.
func (r *Reconciler) checkSecret(ctx context.Context, s *scope, ref build.Reference) (*corev1.Secret, error) {
	secret := new(corev1.Secret)
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: s.cs.Namespace, Name: ref.Name}, secret)
	switch {
	case apierrors.IsNotFound(err) && ref.Name == build.CertificateName(s.cs):
		return nil, waiting(v1alpha1.ReasonCertificatePending,
			"cert-manager has not made Secret %s yet: see its Certificate of the same name",
			ref.Name)
	case apierrors.IsNotFound(err):
		return nil, stalled(v1alpha1.ReasonSecretNotFound,
			"Secret %s of %s does not exist: create it; what runs goes on until then",
			ref.Name, ref.Field)
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s: %w", ref.Name, err)
	}
	for _, key := range ref.Keys {
		if len(secret.Data[key]) == 0 {
			return secret, stalled(v1alpha1.ReasonSecretInvalid,
				"Secret %s of %s has no key %q, or nothing in it: add it", ref.Name, ref.Field, key)
		}
	}
	if wrong := wrongContent(ref, secret.Data); wrong != "" {
		return secret, stalled(v1alpha1.ReasonSecretInvalid, "Secret %s of %s cannot be used: %s", ref.Name, ref.Field, wrong)
	}
	return secret, nil
}

// checkConfigMap says what is wrong with a ConfigMap that the pod mounts.
func (r *Reconciler) checkConfigMap(ctx context.Context, s *scope, ref build.Reference) error {
	cm := new(corev1.ConfigMap)
	err := r.Live.Get(ctx, types.NamespacedName{Namespace: s.cs.Namespace, Name: ref.Name}, cm)
	if apierrors.IsNotFound(err) {
		return stalled(v1alpha1.ReasonConfigMapNotFound,
			"ConfigMap %s of %s does not exist: create it; what runs goes on until then",
			ref.Name, ref.Field)
	}
	if err != nil {
		return fmt.Errorf("reading ConfigMap %s: %w", ref.Name, err)
	}
	has := func(key string) bool { return cm.Data[key] != "" || len(cm.BinaryData[key]) > 0 }
	if i := slices.IndexFunc(ref.Keys, func(key string) bool { return !has(key) }); i >= 0 {
		return stalled(v1alpha1.ReasonConfigMapInvalid,
			"ConfigMap %s of %s has no key %q, or nothing in it: add it", ref.Name, ref.Field, ref.Keys[i])
	}
	return nil
}
