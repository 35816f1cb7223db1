package build

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	psaapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/internal/specs"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

func defaults() Defaults {
	return Defaults{Image: "registry.example.org/streamer:1.0.0", OperatorNamespace: "certstream-system"}
}

// newStream renders a CertStream whose claim there is not yet.
func newStream(cs *v1alpha1.CertStream) (*Stream, error) {
	b, err := NewBuilder(defaults())
	if err != nil {
		return nil, err
	}
	return b.Stream(cs, nil)
}

// stream is a CertStream, as a user writes it, as the builders see it.
func stream(t testing.TB, text string) *Stream {
	t.Helper()
	s, err := newStream(specs.Default(t, text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return s
}

// cases are the specs of testdata by their names.
func cases(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/specs/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no specs: %v", err)
	}
	all := make(map[string]string)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".yaml")] = string(text)
	}
	return all
}

// decoded is an object as it goes to the API server.
func decoded(t testing.TB, o Object) *unstructured.Unstructured {
	t.Helper()
	encoded, err := json.Marshal(o.Apply)
	if err != nil {
		t.Fatal(err)
	}
	u := new(unstructured.Unstructured)
	if err := u.UnmarshalJSON(encoded); err != nil {
		t.Fatal(err)
	}
	return u
}

// find is the object of a kind; nil when there should be none.
func find(t testing.TB, s *Stream, kind, name string) *unstructured.Unstructured {
	t.Helper()
	for _, o := range Objects(s) {
		if o.Kind.Kind != kind || o.Name != name {
			continue
		}
		if o.Apply == nil {
			return nil
		}
		return decoded(t, o)
	}
	t.Fatalf("Objects has no %s %s", kind, name)
	return nil
}

// pod is the pod of the Deployment.
func pod(t testing.TB, s *Stream) *corev1.PodTemplateSpec {
	t.Helper()
	deployment := find(t, s, "Deployment", Name(s.CertStream))
	template, _, err := unstructured.NestedMap(deployment.Object, "spec", "template")
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := yaml.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	pod := new(corev1.PodTemplateSpec)
	if err := yaml.UnmarshalStrict(encoded, pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// shown is all objects as YAML, without what other tests look at.
func shown(t testing.TB, s *Stream) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, o := range Objects(s) {
		if o.Apply == nil {
			continue
		}
		u := decoded(t, o)
		switch {
		case o.Kind.Kind == "PrometheusRule":
			u.Object["spec"] = "the alerts"
		case o.Name == DashboardName(s.CertStream):
			u.Object["data"] = map[string]any{"certstream.json": "the dashboard"}
		}
		encoded, err := yaml.Marshal(u.Object)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n")
		out.Write(encoded)
	}
	return out.Bytes()
}

func TestGolden(t *testing.T) {
	for name, text := range cases(t) {
		t.Run(name, func(t *testing.T) {
			got := shown(t, stream(t, text))
			file := filepath.Join("testdata/golden", name+".yaml")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got (refresh with -update):\n%s", diff)
			}
		})
	}
}

func TestSameBytesTwice(t *testing.T) {
	for name, text := range cases(t) {
		if diff := cmp.Diff(string(shown(t, stream(t, text))), string(shown(t, stream(t, text)))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestBuildersLeaveTheSpecAlone holds that the CertStream, which is of a cache, is not changed.
func TestBuildersLeaveTheSpecAlone(t *testing.T) {
	for name, text := range cases(t) {
		s := stream(t, text)
		before := s.DeepCopy()
		for _, o := range Objects(s) {
			if o.Apply != nil {
				decoded(t, o)
			}
		}
		if diff := cmp.Diff(before, s.CertStream); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestConfigurationLoads holds that the streamer takes what the operator writes: the same values, the same hash, no warning of
// the kind that says that somebody did not mean it.
func TestConfigurationLoads(t *testing.T) {
	for name, text := range cases(t) {
		s := stream(t, text)
		want, err := Config(s.CertStream, nil)
		if err != nil {
			t.Fatal(err)
		}
		data, _, _ := unstructured.NestedString(find(t, s, "ConfigMap", Name(s.CertStream)).Object, "data", configFile)
		got, _, problems := config.Parse([]byte(data), nil)
		if len(problems) > 0 {
			t.Errorf("%s: the streamer refuses its configuration: %v\n%s", name, problems, data)
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b config.Secret) bool { return a.Reveal() == b.Reveal() }),
			cmp.Comparer(func(a, b []string) bool { return len(a) == 0 && len(b) == 0 || cmp.Equal(a, b) })); diff != "" {
			t.Errorf("%s: what the streamer reads is not what was meant: %s", name, diff)
		}
	}
}

func TestPodsAreRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := psaapi.LevelVersion{Level: psaapi.LevelRestricted, Version: psaapi.LatestVersion()}
	for name, text := range cases(t) {
		p := pod(t, stream(t, text))
		for _, result := range evaluator.EvaluatePod(level, &p.ObjectMeta, &p.Spec) {
			if !result.Allowed {
				t.Errorf("%s: not restricted: %s: %s", name, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	}
}

// TestObjectsAreOwned holds that every object is found by its labels and goes with its CertStream, but for a retained claim.
func TestObjectsAreOwned(t *testing.T) {
	for name, text := range cases(t) {
		s := stream(t, text)
		for _, o := range Objects(s) {
			if o.Kind.Kind == "" || o.Kind.Version == "" || o.Name == "" {
				t.Errorf("%s: object without kind or name: %+v", name, o)
			}
			if o.Apply != nil {
				checkOwned(t, name, s, o)
			}
		}
	}
}

func checkOwned(t *testing.T, name string, s *Stream, o Object) {
	t.Helper()
	u := decoded(t, o)
	if u.GroupVersionKind() != o.Kind || u.GetName() != o.Name || u.GetNamespace() != s.Namespace {
		t.Errorf("%s: %s %s is %s %s/%s", name, o.Kind, o.Name, u.GroupVersionKind(), u.GetNamespace(), u.GetName())
	}
	for key, want := range Labels(s.CertStream) {
		if got := u.GetLabels()[key]; got != want {
			t.Errorf("%s: %s %s: label %s is %q, want %q", name, o.Kind.Kind, o.Name, key, got, want)
		}
	}
	retained := o.Keep && s.Spec.State.Volume.ReclaimPolicy == "Retain"
	owners := u.GetOwnerReferences()
	if retained && len(owners) > 0 || !retained && (len(owners) != 1 || owners[0].UID != s.UID || !*owners[0].Controller) {
		t.Errorf("%s: %s %s: owners %v", name, o.Kind.Kind, o.Name, owners)
	}
}

// loose reads a CertStream without its defaults, and takes whatever has the right type.
func loose(text string) *v1alpha1.CertStream {
	cs := new(v1alpha1.CertStream)
	if err := yaml.Unmarshal([]byte(text), cs); err != nil {
		return new(v1alpha1.CertStream)
	}
	return cs
}
