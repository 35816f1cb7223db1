package build

import (
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const (
	volumeConfig = "certstream-config"
	volumeState  = "certstream-state"
	volumeTokens = "certstream-tokens"
	volumeTLS    = "certstream-tls"
	volumeCA     = "certstream-ca"

	// secretMode lets the pod's group read what nobody else may.
	secretMode = 0o440
)

// volumes are whole directories, so that the kubelet brings them up to date while the pod runs. None of their sources is
// optional: the pod starts once all are there.
func volumes(s *Stream) []*corev1ac.VolumeApplyConfiguration {
	all := []*corev1ac.VolumeApplyConfiguration{
		corev1ac.Volume().WithName(volumeConfig).WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(Name(s.CertStream))),
		stateVolume(s),
	}
	if auth := s.Spec.Auth; auth != nil {
		all = append(all, tokenVolume(auth))
	}
	if name := TLSSecretName(s.CertStream); name != "" {
		source := corev1ac.SecretVolumeSource().WithSecretName(name).WithDefaultMode(secretMode).
			WithItems(keyToPath("tls.crt", "tls.crt"), keyToPath("tls.key", "tls.key"))
		all = append(all, corev1ac.Volume().WithName(volumeTLS).WithSecret(source))
	}
	if bundle := s.Spec.Logs.CABundle; bundle != nil {
		all = append(all, caVolume(bundle))
	}
	return append(all, convertAll[corev1ac.VolumeApplyConfiguration](s.Spec.PodTemplate.Volumes)...)
}

func stateVolume(s *Stream) *corev1ac.VolumeApplyConfiguration {
	v := corev1ac.Volume().WithName(volumeState)
	if name := ClaimName(s.CertStream); name != "" {
		return v.WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(name))
	}
	return v.WithEmptyDir(corev1ac.EmptyDirVolumeSource())
}

// tokenVolume has one file a token, whose name is the token's.
func tokenVolume(auth *v1alpha1.AuthSpec) *corev1ac.VolumeApplyConfiguration {
	projected := corev1ac.ProjectedVolumeSource().WithDefaultMode(secretMode)
	for _, source := range auth.Tokens {
		secret := corev1ac.SecretProjection().WithName(source.SecretName)
		if source.Key != "" {
			secret.WithItems(keyToPath(source.Key, TokenName(source)))
		}
		projected.WithSources(corev1ac.VolumeProjection().WithSecret(secret))
	}
	return corev1ac.Volume().WithName(volumeTokens).WithProjected(projected)
}

func caVolume(bundle *v1alpha1.CABundleSpec) *corev1ac.VolumeApplyConfiguration {
	item, v := keyToPath(caKey(bundle), caFile), corev1ac.Volume().WithName(volumeCA)
	if bundle.SecretName != "" {
		return v.WithSecret(corev1ac.SecretVolumeSource().WithSecretName(bundle.SecretName).WithDefaultMode(secretMode).WithItems(item))
	}
	return v.WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(bundle.ConfigMapName).WithItems(item))
}

func keyToPath(key, path string) *corev1ac.KeyToPathApplyConfiguration {
	return corev1ac.KeyToPath().WithKey(key).WithPath(path)
}

// mounts are where the volumes are in the container.
func mounts(s *Stream) []*corev1ac.VolumeMountApplyConfiguration {
	readOnly := func(name, path string) *corev1ac.VolumeMountApplyConfiguration {
		return corev1ac.VolumeMount().WithName(name).WithMountPath(path).WithReadOnly(true)
	}
	all := []*corev1ac.VolumeMountApplyConfiguration{
		readOnly(volumeConfig, configDir),
		corev1ac.VolumeMount().WithName(volumeState).WithMountPath(volumeDir),
	}
	if s.Spec.Auth != nil {
		all = append(all, readOnly(volumeTokens, tokensDir))
	}
	if s.Spec.TLS != nil {
		all = append(all, readOnly(volumeTLS, tlsDir))
	}
	if s.Spec.Logs.CABundle != nil {
		all = append(all, readOnly(volumeCA, caDir))
	}
	return append(all, convertAll[corev1ac.VolumeMountApplyConfiguration](s.Spec.PodTemplate.VolumeMounts)...)
}
