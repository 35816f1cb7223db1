package build

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const (
	configDir = "/etc/certstream/config"
	tokensDir = "/etc/certstream/tokens"
	tlsDir    = "/etc/certstream/tls"
	caDir     = "/etc/certstream/ca"
	caFile    = "ca.crt"
	// volumeDir is where the volume is; state has a directory of its own in it.
	volumeDir = "/var/lib/certstream"
	stateDir  = volumeDir + "/state"

	// unprivileged is the user and group of the image.
	unprivileged = 65532
	// graceMargin is what the pod's grace period has above the time that the streamer needs to stop, in seconds.
	graceMargin = 10
)

// podTemplate is the pod with what the spec adds to it.
func podTemplate(s *Stream) *corev1ac.PodTemplateSpecApplyConfiguration {
	annotations := map[string]string{}
	if at := s.Annotations[v1alpha1.AnnotationRestart]; at != "" {
		annotations[v1alpha1.AnnotationRestart] = at
	}
	spec := podSpec(s)
	schedule(spec, s.Spec.PodTemplate)
	template := corev1ac.PodTemplateSpec().WithSpec(spec).
		WithLabels(join(s.Spec.PodTemplate.Labels, Labels(s.CertStream))).
		WithAnnotations(join(s.Spec.PodTemplate.Annotations, annotations))
	// A change of the grace period alone is not worth a restart: while all else is as it was, that of the pod that runs stays. Its
	// hash tells whether it is what the operator wrote.
	if d := s.Deployed; d != nil && stamp(s, template, d.GracePeriodSeconds) == d.RestartHash {
		return template
	}
	stamp(s, template, gracePeriod(s.CertStream))
	return template
}

// stamp sets the grace period and the hash, which changes with everything that only a new pod takes up.
func stamp(s *Stream, template *corev1ac.PodTemplateSpecApplyConfiguration, graceSeconds int64) (hash string) {
	template.Spec.WithTerminationGracePeriodSeconds(graceSeconds)
	delete(template.Annotations, AnnotationRestartHash)
	encoded, err := json.Marshal([]any{s.RestartHash, s.SecretVersions, template})
	if err != nil {
		panic(fmt.Sprintf("the pod template is no JSON: %v", err))
	}
	sum := sha256.Sum256(encoded)
	hash = hex.EncodeToString(sum[:])
	template.WithAnnotations(map[string]string{AnnotationRestartHash: hash})
	return hash
}

// gracePeriod is the time that the streamer needs to stop, in seconds, with a margin.
func gracePeriod(cs *v1alpha1.CertStream) int64 {
	return goodbyeSeconds(cs) + int64(valueOr(cs.Spec.DrainSeconds, 5)) + graceMargin
}

// goodbyeSeconds is how long a pod that is told to stop goes on as before, so that every node has heard that the Service leads to
// another when it begins to close. With a volume there is no other yet, so that it would only lengthen the outage.
func goodbyeSeconds(cs *v1alpha1.CertStream) int64 {
	if ClaimName(cs) != "" {
		return 0
	}
	return 4
}

// podSpec is the restricted pod.
func podSpec(s *Stream) *corev1ac.PodSpecApplyConfiguration {
	security := corev1ac.PodSecurityContext().WithRunAsNonRoot(true).WithRunAsUser(unprivileged).WithRunAsGroup(unprivileged).
		WithFSGroup(unprivileged).WithFSGroupChangePolicy(corev1.FSGroupChangeOnRootMismatch).
		WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault))
	if theirs := s.Spec.PodTemplate.SecurityContext; theirs != nil {
		security = overlay(security, theirs)
	}
	return corev1ac.PodSpec().WithServiceAccountName(ServiceAccountName(s.CertStream)).
		WithAutomountServiceAccountToken(false).WithEnableServiceLinks(false).WithSecurityContext(security).
		WithContainers(container(s)).WithVolumes(volumes(s)...)
}

// container is the streamer. User and seccomp profile are the pod's, so that the spec need set them in one place only.
func container(s *Stream) *corev1ac.ContainerApplyConfiguration {
	security := corev1ac.SecurityContext().WithAllowPrivilegeEscalation(false).WithReadOnlyRootFilesystem(true).
		WithCapabilities(corev1ac.Capabilities().WithDrop("ALL"))
	if theirs := s.Spec.PodTemplate.ContainerSecurityContext; theirs != nil {
		security = overlay(security, theirs)
	}
	c := corev1ac.Container().WithName(ContainerName).WithImage(Image(s)).WithImagePullPolicy(pullPolicy(s)).WithArgs("serve").
		WithEnv(environment(s)...).WithPorts(containerPorts(s.CertStream)...).WithVolumeMounts(mounts(s)...).
		WithSecurityContext(security).WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError)
	if seconds := goodbyeSeconds(s.CertStream); seconds > 0 {
		c.WithLifecycle(corev1ac.Lifecycle().WithPreStop(
			corev1ac.LifecycleHandler().WithSleep(corev1ac.SleepAction().WithSeconds(seconds))))
	}
	if resources := s.Spec.PodTemplate.Resources; resources != nil {
		c.WithResources(convert[corev1ac.ResourceRequirementsApplyConfiguration](resources))
	}
	return probed(c)
}

// probed adds the probes. A pod is asked every second, so that a restart leaves clients without an endpoint no longer than
// needed; it is restarted only after half a minute of silence.
func probed(c *corev1ac.ContainerApplyConfiguration) *corev1ac.ContainerApplyConfiguration {
	probe := func(path string) *corev1ac.ProbeApplyConfiguration {
		return corev1ac.Probe().WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(portAdmin)))
	}
	return c.
		WithStartupProbe(probe("/livez").WithPeriodSeconds(1).WithTimeoutSeconds(2).WithFailureThreshold(120)).
		WithReadinessProbe(probe("/readyz").WithPeriodSeconds(1).WithTimeoutSeconds(2).WithFailureThreshold(3)).
		WithLivenessProbe(probe("/livez").WithPeriodSeconds(10).WithTimeoutSeconds(5).WithFailureThreshold(3))
}

// Image is the pod's.
func Image(s *Stream) string {
	if image := s.Spec.PodTemplate.Image; image != "" {
		return image
	}
	return s.Defaults.Image
}

func pullPolicy(s *Stream) corev1.PullPolicy {
	if policy := s.Spec.PodTemplate.ImagePullPolicy; policy != "" {
		return policy
	}
	return corev1.PullIfNotPresent
}

func containerPorts(cs *v1alpha1.CertStream) (ports []*corev1ac.ContainerPortApplyConfiguration) {
	add := func(name string, number int32) {
		ports = append(ports, corev1ac.ContainerPort().WithName(name).WithContainerPort(number).WithProtocol(corev1.ProtocolTCP))
	}
	if servesHTTP(cs) {
		add(portHTTP, cs.Spec.Protocols.Port)
	}
	if servesTCP(cs) {
		add(portTCP, cs.Spec.Protocols.TCP.Port)
	}
	add(portAdmin, AdminPort)
	return ports
}

// environment is where the configuration is, what is secret in it, and the spec's variables. Of GOMEMLIMIT the spec's holds:
// there is no field for it.
func environment(s *Stream) []*corev1ac.EnvVarApplyConfiguration {
	env := []*corev1ac.EnvVarApplyConfiguration{
		corev1ac.EnvVar().WithName("CERTSTREAM_CONFIG").WithValue(configDir + "/" + configFile),
	}
	if p := s.Spec.Logs.Proxy; p != nil && p.SecretKeyRef != nil {
		ref := corev1ac.SecretKeySelector().WithName(p.SecretKeyRef.Name).WithKey(p.SecretKeyRef.Key)
		env = append(env, corev1ac.EnvVar().WithName("CERTSTREAM_NETWORK_PROXY").
			WithValueFrom(corev1ac.EnvVarSource().WithSecretKeyRef(ref)))
	}
	const memory = "GOMEMLIMIT"
	if limit := memoryLimit(s.Spec.PodTemplate); limit > 0 && !hasVariable(s.Spec.PodTemplate.Env, memory) {
		env = append(env, corev1ac.EnvVar().WithName(memory).WithValue(strconv.FormatInt(limit/10*9, 10)))
	}
	return append(env, convertAll[corev1ac.EnvVarApplyConfiguration](s.Spec.PodTemplate.Env)...)
}

// memoryLimit is the container's in bytes; 0 is none.
func memoryLimit(p v1alpha1.PodTemplateSpec) int64 {
	if p.Resources == nil {
		return 0
	}
	return p.Resources.Limits.Memory().Value()
}

func hasVariable(env []corev1.EnvVar, name string) bool {
	for _, v := range env {
		if v.Name == name {
			return true
		}
	}
	return false
}
