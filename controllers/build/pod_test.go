package build

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/internal/specs"
)

// TestOverlayKeepsWhatIsOurs holds the merge rules even where the schema did not see to them: labels of the operator hold, so that
// a Deployment always finds its pod.
func TestOverlayKeepsWhatIsOurs(t *testing.T) {
	cs := specs.Default(t, "spec: {}")
	theirs := join(Labels(cs), map[string]string{labelName: "theirs", "team": "a"})
	cs.Spec.PodTemplate.Labels, cs.Spec.Service.Labels, cs.Spec.Monitoring.Labels = theirs, theirs, theirs
	cs.Spec.PodTemplate.Annotations = map[string]string{AnnotationRestartHash: "theirs", "note": "a"}
	s, err := newStream(cs)
	if err != nil {
		t.Fatal(err)
	}
	want := join(Labels(cs), map[string]string{"team": "a"})
	for kind, got := range map[string]map[string]string{
		"pod":            pod(t, s).Labels,
		"Service":        find(t, s, "Service", Name(cs)).GetLabels(),
		"ServiceMonitor": find(t, s, "ServiceMonitor", Name(cs)).GetLabels(),
		"PrometheusRule": find(t, s, "PrometheusRule", Name(cs)).GetLabels(),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", kind, diff)
		}
	}
	annotations := pod(t, s).Annotations
	if annotations[AnnotationRestartHash] == "theirs" || annotations["note"] != "a" {
		t.Errorf("annotations of the pod: %v", annotations)
	}
}

// TestSecurityContextsAreJoined holds that what the spec does not set stays restricted.
func TestSecurityContextsAreJoined(t *testing.T) {
	p := pod(t, stream(t, `spec: {podTemplate: {
		securityContext: {runAsNonRoot: false, runAsUser: 0}, containerSecurityContext: {readOnlyRootFilesystem: false}}}`))
	if c := p.Spec.SecurityContext; *c.RunAsNonRoot || *c.RunAsUser != 0 || *c.FSGroup != unprivileged || c.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("pod: %+v", c)
	}
	c := p.Spec.Containers[0].SecurityContext
	if *c.ReadOnlyRootFilesystem || *c.AllowPrivilegeEscalation || !slices.Equal(c.Capabilities.Drop, []corev1.Capability{"ALL"}) {
		t.Errorf("container: %+v", c)
	}
}

func TestMemoryLimit(t *testing.T) {
	for resources, want := range map[string]string{
		"{limits: {memory: 1000M}}":         "900000000",
		"{limits: {cpu: 1}}":                "",
		"{requests: {memory: 1Gi}}":         "",
		"{limits: {memory: 512Mi, cpu: 1}}": "483183819",
	} {
		var got string
		for _, v := range pod(t, stream(t, "spec: {podTemplate: {resources: "+resources+"}}")).Spec.Containers[0].Env {
			if v.Name == "GOMEMLIMIT" {
				got = v.Value
			}
		}
		if got != want {
			t.Errorf("resources %s: GOMEMLIMIT is %q, want %q", resources, got, want)
		}
	}
}

// TestGoodbye holds that a pod without a volume, beside which the next one serves, goes on for a while when it is told to stop.
func TestGoodbye(t *testing.T) {
	for state, want := range map[string]int64{"{}": 0, "{type: ExistingClaim, claimName: a}": 0, "{type: None}": 4} {
		var got int64
		template := pod(t, stream(t, "spec: {state: "+state+"}")).Spec
		if l := template.Containers[0].Lifecycle; l != nil {
			got = l.PreStop.Sleep.Seconds
		}
		if got != want || *template.TerminationGracePeriodSeconds != want+15 {
			t.Errorf("state %s: sleeps %d s of %d, want %d", state, got, *template.TerminationGracePeriodSeconds, want)
		}
	}
}

// TestGracePeriod holds that a longer drain alone replaces no pod: its grace period follows with the next one.
func TestGracePeriod(t *testing.T) {
	before := stream(t, "spec: {drainSeconds: 5}")
	running := pod(t, before)
	if got := *running.Spec.TerminationGracePeriodSeconds; got != 15 {
		t.Errorf("grace period %d, want 15: 5 of drain, 10 of margin", got)
	}
	deployed := &Deployed{RestartHash: running.Annotations[AnnotationRestartHash], GracePeriodSeconds: 15}

	longer := stream(t, "spec: {drainSeconds: 60}")
	longer.Deployed = deployed
	if diff := cmp.Diff(running, pod(t, longer)); diff != "" {
		t.Errorf("a longer drain changes the pod: %s", diff)
	}
	if longer.ConfigHash == before.ConfigHash {
		t.Error("the configuration lacks the longer drain")
	}

	edited := stream(t, "spec: {drainSeconds: 60}")
	edited.Deployed = &Deployed{RestartHash: deployed.RestartHash, GracePeriodSeconds: 1}
	if got := *pod(t, edited).Spec.TerminationGracePeriodSeconds; got != 70 {
		t.Errorf("grace period %d that somebody set holds, want 70", got)
	}

	other := stream(t, "spec: {drainSeconds: 60, limits: {window: 64Mi}}")
	other.Deployed = deployed
	if got := *pod(t, other).Spec.TerminationGracePeriodSeconds; got != 70 {
		t.Errorf("grace period of the next pod: %d, want 70", got)
	}
}

// TestRestart holds what replaces the pod besides fields of the spec.
func TestRestart(t *testing.T) {
	hash := func(s *Stream) string { return pod(t, s).Annotations[AnnotationRestartHash] }
	plain, asked, secret, image := stream(t, "{}"), stream(t, "{}"), stream(t, "{}"), stream(t, "{}")
	asked.Annotations = map[string]string{v1alpha1.AnnotationRestart: "2026-11-21T08:00:00Z", "other": "a"}
	secret.SecretVersions = "4711"
	image.Defaults.Image = "registry.example.org/streamer:1.0.1"
	seen := map[string]bool{}
	for _, s := range []*Stream{plain, asked, secret, image} {
		seen[hash(s)] = true
	}
	if len(seen) != 4 {
		t.Errorf("%d hashes of 4 pods", len(seen))
	}
	want := map[string]string{AnnotationRestartHash: hash(asked), v1alpha1.AnnotationRestart: "2026-11-21T08:00:00Z"}
	if diff := cmp.Diff(want, pod(t, asked).Annotations); diff != "" {
		t.Error(diff)
	}
}

// TestLongestName holds that a name of 44 characters, the longest that the schema admits, makes names that the API server does.
func TestLongestName(t *testing.T) {
	s := stream(t, "metadata: {name: "+strings.Repeat("a", 44)+"}")
	for _, o := range Objects(s) {
		if problems := validation.IsDNS1123Subdomain(o.Name); len(problems) > 0 {
			t.Errorf("%s: %v", o.Name, problems)
		}
		if problems := validation.IsDNS1035Label(o.Name); o.Kind.Kind == "Service" && len(problems) > 0 {
			t.Errorf("Service %s: %v", o.Name, problems)
		}
	}
	for _, value := range Labels(s.CertStream) {
		if problems := validation.IsValidLabelValue(value); len(problems) > 0 {
			t.Errorf("label %s: %v", value, problems)
		}
	}
}

func TestReferences(t *testing.T) {
	cs := specs.Default(t, `spec:
  logs: {proxy: {secretKeyRef: {name: proxy, key: url}}, caBundle: {secretName: roots}}
  auth: {tokens: [{secretName: clients}, {secretName: partners, key: alice, name: a}]}
  tls: {secretName: certificate}
  podTemplate: {imagePullSecrets: [{name: registry}]}
  ingress: {hosts: [a.example], tlsSecretName: outside, annotations: {a: b}}`)
	want := []Reference{
		{Name: "proxy", Keys: []string{"url"}, Role: RoleProxy, Field: "spec.logs.proxy.secretKeyRef", Restart: true},
		{Name: "roots", Keys: []string{"ca.crt"}, Role: RoleCABundle, Field: "spec.logs.caBundle.secretName"},
		{Name: "clients", Role: RoleToken, Field: "spec.auth.tokens[0].secretName"},
		{Name: "partners", Keys: []string{"alice"}, Role: RoleToken, Field: "spec.auth.tokens[1].secretName"},
		{Name: "certificate", Keys: []string{"tls.crt", "tls.key"}, Role: RoleTLS, Field: "spec.tls.secretName"},
	}
	if diff := cmp.Diff(want, SecretRefs(cs)); diff != "" {
		t.Error(diff)
	}
	if refs := ConfigMapRefs(cs); len(refs) != 0 {
		t.Errorf("ConfigMaps: %+v", refs)
	}

	cs = specs.Default(t, "spec: {logs: {caBundle: {configMapName: roots, key: a}}, tls: {issuerRef: {name: i}}}")
	want = []Reference{{Name: "certstream-main-tls", Keys: []string{"tls.crt", "tls.key"}, Role: RoleTLS, Field: "spec.tls.issuerRef"}}
	if diff := cmp.Diff(want, SecretRefs(cs)); diff != "" {
		t.Error(diff)
	}
	want = []Reference{{Name: "roots", Keys: []string{"a"}, Role: RoleCABundle, Field: "spec.logs.caBundle.configMapName"}}
	if diff := cmp.Diff(want, ConfigMapRefs(cs)); diff != "" {
		t.Error(diff)
	}
}

// TestReferencesAreAll holds that no Secret or ConfigMap that keeps the pod from starting is left out of the references.
func TestReferencesAreAll(t *testing.T) {
	for name, text := range cases(t) {
		s := stream(t, text)
		known := map[string]bool{Name(s.CertStream): true}
		for _, ref := range append(SecretRefs(s.CertStream), ConfigMapRefs(s.CertStream)...) {
			known[ref.Name] = true
		}
		for used := range podSources(pod(t, s), s.Spec.PodTemplate) {
			if !known[used] {
				t.Errorf("%s: the pod needs %s, which is no reference", name, used)
			}
		}
	}
}

// podSources are the Secrets and ConfigMaps that the operator's part of the pod needs.
func podSources(p *corev1.PodTemplateSpec, theirs v1alpha1.PodTemplateSpec) map[string]bool {
	names := make(map[string]bool)
	for _, v := range p.Spec.Volumes {
		switch {
		case v.Secret != nil:
			names[v.Secret.SecretName] = true
		case v.ConfigMap != nil:
			names[v.ConfigMap.Name] = true
		case v.Projected != nil:
			for _, source := range v.Projected.Sources {
				names[source.Secret.Name] = true
			}
		}
	}
	for _, v := range p.Spec.Containers[0].Env {
		if v.ValueFrom != nil && !hasVariable(theirs.Env, v.Name) {
			names[v.ValueFrom.SecretKeyRef.Name] = true
		}
	}
	return names
}

func TestEgressPorts(t *testing.T) {
	for text, want := range map[string][]int32{
		"{}":                        {443},
		"{logs: {allowHTTP: true}}": {80, 443},
		"{logs: {list: {url: 'https://a.example:8443/l.json'}}}":                                                     {443, 8443},
		"{logs: {custom: [{name: a, url: 'https://a.example:1'}, {name: b, url: 'https://[2001:db8::1]:65535/x'}]}}": {1, 443, 65535},
		"{logs: {proxy: {url: 'socks5://proxy'}}}":                                                                   {443, 1080},
		"{logs: {proxy: {url: 'http://proxy'}}}":                                                                     {80, 443},
	} {
		if diff := cmp.Diff(want, logPorts(specs.Default(t, "spec: "+text).Spec.Logs)); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

// TestObjectsAreAlwaysNamed holds that the list names the same objects whatever is asked for, so that all others are pruned, and
// that data is not.
func TestObjectsAreAlwaysNamed(t *testing.T) {
	named := func(text string) (names []string, absent map[string]bool) {
		absent = make(map[string]bool)
		for _, o := range Objects(stream(t, text)) {
			id := o.Kind.Kind + " " + o.Name
			names = append(names, id)
			if o.Apply == nil {
				absent[id] = true
			}
			if o.Keep != (o.Kind.Kind == "PersistentVolumeClaim") {
				t.Errorf("%s: kept: %v", id, o.Keep)
			}
		}
		return names, absent
	}
	least, absent := named("spec: {state: {type: None}, monitoring: {monitor: None, rules: false}, podTemplate: {serviceAccountName: a}}")
	for _, text := range cases(t) {
		if names, _ := named("spec" + strings.SplitN(text, "spec", 2)[1]); !slices.Equal(names, least) {
			t.Errorf("%s\n%v\nand\n%v", text, names, least)
		}
	}
	want := []string{
		"Certificate certstream-main-tls", "ConfigMap certstream-main-dashboard", "HTTPRoute certstream-main", "Ingress certstream-main",
		"NetworkPolicy certstream-main", "PersistentVolumeClaim certstream-main", "PodMonitor certstream-main",
		"PrometheusRule certstream-main", "ServiceAccount certstream-main", "ServiceMonitor certstream-main",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(absent))); diff != "" {
		t.Error(diff)
	}
}
