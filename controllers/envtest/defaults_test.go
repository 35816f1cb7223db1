package envtest

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

// What the API server makes of an empty spec, and of sections that are there and empty.
func TestDefaults(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	const sections = `{auth: {tokens: [{secretName: a}]}, tls: {issuerRef: {name: ca}}, limits: {rate: {}}, networkPolicy: {}, monitoring: {dashboard: {}},
		logs: {custom: [{name: a, url: "https://a.example"}], caBundle: {configMapName: ca}}}`
	for name, spec := range map[string]string{"defaults": `{}`, "defaults-of-sections": sections} {
		u := stream(ns, name, parse(t, spec))
		if err := s.client.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		got, err := yaml.Marshal(map[string]any{"spec": u.Object["spec"], "status": u.Object["status"]})
		if err != nil {
			t.Fatal(err)
		}
		wantGolden(t, "testdata/"+name+".yaml", got)
	}
}

// A CertStream without a spec gets the same.
func TestASpecThatIsAbsent(t *testing.T) {
	t.Parallel()
	s := need(t)
	u := stream(s.namespace(t), "main", nil)
	delete(u.Object, "spec")
	if err := s.client.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if source, _, _ := unstructured.NestedString(u.Object, "spec", "logs", "list", "source"); source != "Google" {
		t.Errorf("list %q", source)
	}
}

func wantGolden(t *testing.T, file string, got []byte) {
	t.Helper()
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
		t.Errorf("%s (-want +got); `go test -update` accepts it:\n%s", file, diff)
	}
}

// Values that are too much, or meant for somebody else, are refused; the refusal is not of their size.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	long, many := strings.Repeat("a", 1<<20), make([]any, 100_000)
	for i := range many {
		many[i] = "operator " + string(rune('a'+i%26)) + strings.Repeat("x", 8)
	}
	for name, spec := range map[string]map[string]any{
		"a megabyte of operators":       {"logs": map[string]any{"select": map[string]any{"operators": many}}},
		"a megabyte of contact":         {"logs": map[string]any{"contact": long}},
		"a megabyte of a pattern":       {"logs": map[string]any{"select": map[string]any{"include": []any{long}}}},
		"an oversized key":              {"logs": map[string]any{"list": map[string]any{"key": "-----BEGIN PUBLIC KEY-----" + long}}},
		"YAML in a log's name":          {"logs": map[string]any{"custom": []any{map[string]any{"name": "a\nauth:\n  enabled: false", "url": "https://a.example"}}}},
		"YAML in a URL":                 {"logs": map[string]any{"custom": []any{map[string]any{"name": "a", "url": "https://a.example\nauth: {}"}}}},
		"a path out of the tree":        {"protocols": map[string]any{"sse": map[string]any{"path": "/../../etc/passwd"}}},
		"a token's name with newlines":  {"auth": map[string]any{"tokens": []any{map[string]any{"secretName": "a", "key": "k", "name": "a\nb"}}}},
		"a token's name that is a path": {"auth": map[string]any{"tokens": []any{map[string]any{"secretName": "a", "key": "k", "name": "../a"}}}},
		"a header that is two":          {"auth": map[string]any{"headerName": "A\r\nB: c", "tokens": []any{map[string]any{"secretName": "a"}}}},
		"a contact that is two headers": {"logs": map[string]any{"contact": "a\r\nX-Evil: b"}},
		"an expression in an interval":  {"monitoring": map[string]any{"interval": "30s\nevil: true"}},
		"a host with a newline":         {"ingress": map[string]any{"hosts": []any{"a.example\nb.example"}}},
		"a number that is none":         {"limits": map[string]any{"connections": "many"}},
		"a number without end":          {"limits": map[string]any{"connections": int64(1) << 40}},
		"a quantity that is none":       {"limits": map[string]any{"window": "32 apples"}},
		"a field that there is not":     {"replicas": int64(3)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := s.admit(t, ns, "main", nil, spec)
			if !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) && !apierrors.IsRequestEntityTooLargeError(err) {
				t.Fatalf("want a refusal, got %v", err)
			}
			if n := len(err.Error()); n > 64<<10 {
				t.Errorf("the refusal has %d bytes", n)
			}
		})
	}
}

// What the schema admits may still look like YAML. It reaches the configuration as the text that it is.
func TestTextThatLooksLikeYAMLStaysText(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.operator(t, ns)
	const name = `a": {x: y} # 'b' - |> &c *d !e %f @g ` + "`h`"
	u := stream(ns, "main", map[string]any{"logs": map[string]any{
		"select": map[string]any{"operators": []any{name, "a\nauth:\n  enabled: true", "{{ .Values }}", "$(id)"}},
		"custom": []any{map[string]any{"name": name, "url": "https://a.example", "operator": name}},
	}})
	if err := s.client.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	s.waitReady(t, client.ObjectKeyFromObject(u))
	var config struct {
		Auth struct{ Enabled bool }
		Logs struct{ Operators []string }
		List []struct{ Name, Operator string } `json:"custom_logs"`
	}
	text := s.configOf(t, client.ObjectKeyFromObject(u))
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	want := []string{name, "a\nauth:\n  enabled: true", "{{ .Values }}", "$(id)"}
	if diff := cmp.Diff(want, config.Logs.Operators); diff != "" || config.Auth.Enabled {
		t.Errorf("auth %v, operators (-want +got):\n%s", config.Auth.Enabled, diff)
	}
	if len(config.List) != 1 || config.List[0].Name != name || config.List[0].Operator != name {
		t.Errorf("custom logs %+v", config.List)
	}
}
