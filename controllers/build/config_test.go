package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/internal/specs"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// TestInvalidSpecs holds that what the schema cannot refuse is refused here, in the words of the spec.
func TestInvalidSpecs(t *testing.T) {
	const key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"
	for name, c := range map[string]struct {
		change func(*v1alpha1.CertStreamSpec)
		want   string
	}{
		"a day that is none": {
			func(s *v1alpha1.CertStreamSpec) { s.Logs.Start = "2026-02-31" },
			`spec.logs.start: "2026-02-31" cannot be read; want head, head-1000, index:4711, or a time such as 2026-07-01 or 2026-07-01T12:00:00Z`,
		},
		"an interval without length": {
			func(s *v1alpha1.CertStreamSpec) {
				s.Logs.Select.ExpiresFrom, s.Logs.Select.ExpiresUntil = "2026-07-01", "2026-07-01"
			},
			"spec.logs.select.expiresUntil: is not after expires_from; want a later time",
		},
		"plain http": {
			func(s *v1alpha1.CertStreamSpec) { s.Logs.List.URL = "http://lists.example.org" },
			`spec.logs.list.url: "http://lists.example.org" is plain http; use https, or set spec.logs.allowHTTP: true`,
		},
		"a list's key": {
			func(s *v1alpha1.CertStreamSpec) { s.Logs.List.Key = "-----BEGIN PUBLIC KEY-----" },
			"spec.logs.list.key: holds no public key that can be read; want a PEM block of type PUBLIC KEY",
		},
		"a log's key": {
			func(s *v1alpha1.CertStreamSpec) {
				s.Logs.Custom = []v1alpha1.CustomLog{{Name: "a", URL: "https://a.example"}, {Name: "b", URL: "https://b.example", Key: key}}
			},
			"spec.logs.custom[1].key: is not a public key; want the log's SubjectPublicKeyInfo in base64, as log lists have it, or PEM",
		},
		"a submission URL": {
			func(s *v1alpha1.CertStreamSpec) {
				s.Logs.Custom = []v1alpha1.CustomLog{{Name: "a", URL: "https://a.example", SubmissionURL: "https://b.example?c"}}
			},
			`spec.logs.custom[0].submissionURL: "https://b.example?c" has a query or a fragment; leave out what begins with ? or #`,
		},
		"a path of ours": {
			func(s *v1alpha1.CertStreamSpec) { s.Protocols.SSE.Path = "/metrics" },
			"spec.protocols.sse.path: /metrics belongs to an endpoint; take another",
		},
		"paths of two protocols": {
			func(s *v1alpha1.CertStreamSpec) { s.Protocols.WebSocket.FullPath = "/sse" },
			"spec.protocols.sse.path: /sse is the path of full already; take another",
		},
		"a proxy with a password": {
			func(s *v1alpha1.CertStreamSpec) { s.Logs.Proxy = &v1alpha1.ProxySpec{URL: "http://user:secret@proxy"} },
			"spec.logs.proxy.url: holds a user or password; put the whole URL into a Secret and name it in spec.logs.proxy.secretKeyRef",
		},
		"a token twice": {
			func(s *v1alpha1.CertStreamSpec) {
				s.Auth = &v1alpha1.AuthSpec{Tokens: []v1alpha1.TokenSource{
					{SecretName: "a", Key: "alice"}, {SecretName: "b"}, {SecretName: "b", Key: "al", Name: "alice"},
				}}
			},
			"spec.auth.tokens[2]: the token's name alice is that of spec.auth.tokens[0] already; set another spec.auth.tokens[2].name",
		},
		"a Secret twice": {
			func(s *v1alpha1.CertStreamSpec) {
				s.Auth = &v1alpha1.AuthSpec{Tokens: []v1alpha1.TokenSource{{SecretName: "a"}, {SecretName: "a"}}}
			},
			"spec.auth.tokens[1]: the whole Secret a is at spec.auth.tokens[0] already; leave one out",
		},
		"a whole Secret and its key": {
			func(s *v1alpha1.CertStreamSpec) {
				s.Auth = &v1alpha1.AuthSpec{Tokens: []v1alpha1.TokenSource{{SecretName: "a", Key: "alice"}, {SecretName: "a"}}}
			},
			"spec.auth.tokens[1]: the whole Secret a has the key alice of spec.auth.tokens[0] already; leave one out",
		},
		"several": {
			func(s *v1alpha1.CertStreamSpec) {
				s.Protocols.Port, s.Limits.TrustedProxies = 70000, []string{"a", "b", "c\nd: e"}
			},
			`spec.protocols.port: 70000 is too large; want at most 65535. ` +
				`spec.limits.trustedProxies[0]: "a" is neither; want an address or a network, such as 10.0.0.0/8. ` +
				`spec.limits.trustedProxies[1]: "b" is neither; want an address or a network, such as 10.0.0.0/8. and 1 more`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cs := specs.Default(t, "spec: {}")
			c.change(&cs.Spec)
			_, err := newStream(cs)
			if invalid := new(InvalidError); !errors.As(err, &invalid) || err.Error() != c.want {
				t.Errorf("error:\n %v\nwant:\n %s", err, c.want)
			}
		})
	}
}

// TestSettingsHaveFields holds that a problem with any setting names a field of the spec, or that the operator alone sets it.
func TestSettingsHaveFields(t *testing.T) {
	ours := []string{
		"host", "log_format", "heartbeat_interval", "http", "hot_reload", "protocols.metrics", "protocols.health", "protocols.example_json",
		"protocols.api", "state.dir", "ct_log.state_file", "ct_log.issuer_cache", "ct_log.request_timeout_secs", "ct_log.retry",
		"ct_log.healthy_threshold", "ct_log.unhealthy_threshold", "ct_log.health_check", "network.insecure_skip_verify",
		"connection_limit.enabled", "rate_limit.enabled", "admin.enabled", "admin.pprof", "drain.delay",
	}
	for _, f := range config.Fields() {
		p := inSpec(config.Problem{Key: f.Path})
		alone := slices.ContainsFunc(ours, func(prefix string) bool { return strings.HasPrefix(f.Path, prefix) })
		if mapped := p.Key != "spec"; mapped == alone {
			t.Errorf("%s: mapped to %s, set by the operator alone: %v", f.Path, p.Key, alone)
		}
	}
}

// TestFieldsOfProblemsExist holds that the fields that problems name are in the schema.
func TestFieldsOfProblemsExist(t *testing.T) {
	names := specNames()
	for i := 0; i < len(names); i += 2 {
		props := specSchema(t)
		for _, part := range strings.Split(names[i+1], ".")[1:] {
			next, found := props.Properties[part]
			if !found {
				t.Errorf("%s of %s is not in the schema", names[i+1], names[i])
				break
			}
			props = next
		}
	}
}

// TestConfigurationHoldsNoSecret holds that a proxy from a Secret is a variable that refers to it.
func TestConfigurationHoldsNoSecret(t *testing.T) {
	s := stream(t, "spec: {logs: {proxy: {secretKeyRef: {name: proxy, key: url}}}, auth: {tokens: [{secretName: a}]}}")
	if text := string(s.Config); strings.Contains(text, "proxy") || strings.Contains(text, " tokens:") {
		t.Errorf("configuration:\n%s", text)
	}
	for _, v := range pod(t, s).Spec.Containers[0].Env {
		if v.Name == "CERTSTREAM_NETWORK_PROXY" && v.Value == "" && v.ValueFrom.SecretKeyRef.Name == "proxy" && v.ValueFrom.SecretKeyRef.Key == "url" {
			return
		}
	}
	t.Error("no variable refers to the Secret")
}

// anyText is a text of any characters, and often one that means something in YAML.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringMatching("[-?:,\\[\\]{}#&*!|>'\"%@`~yn0-9. \t\n\r\\\\]*"),
		rapid.SampledFrom([]string{"", "null", "true", "1e3", "0x1f", "---", "<<", "=", "2026-01-01", "\u0085", "\ufeff", "\x00", "a: b\nc: d"}))
}

// TestAnyTextReachesTheStreamerAsItIs holds that no text in the spec can become anything else than that text: what the streamer
// reads is what was meant, whether or not the schema would let it in.
func TestAnyTextReachesTheStreamerAsItIs(t *testing.T) {
	base := specs.Default(t, "spec: {}")
	rapid.Check(t, func(r *rapid.T) {
		cs := base.DeepCopy()
		texts := rapid.SliceOfN(anyText(), 1, 8)
		cs.Spec.Logs.Select.Operators, cs.Spec.Logs.Select.Names = texts.Draw(r, "operators"), texts.Draw(r, "names")
		cs.Spec.Logs.Select.Include, cs.Spec.Logs.Select.Exclude = texts.Draw(r, "include"), texts.Draw(r, "exclude")
		cs.Spec.Logs.Custom = []v1alpha1.CustomLog{{Name: "a" + anyText().Draw(r, "name"), URL: "https://a.example", Operator: anyText().Draw(r, "operator")}}
		cs.Spec.Logs.Pacing.Operators = []v1alpha1.OperatorPacing{{Name: "a" + anyText().Draw(r, "pace"), Tiles: true}}
		want, err := Config(cs, nil)
		if err != nil {
			r.Fatal(err)
		}
		rendered, err := config.Render(want)
		if err != nil {
			r.Fatal(err)
		}
		got, _, problems := config.Parse(rendered, nil)
		if len(problems) > 0 {
			r.Fatalf("%v\n%s", problems, rendered)
		}
		if a, b := fmt.Sprintf("%#v", want), fmt.Sprintf("%#v", got); a != b {
			r.Fatalf("meant:\n%s\nread:\n%s\nas:\n%s", a, b, rendered)
		}
	})
}

// FuzzSpec holds that builders bear every spec, defaults or none, and that a configuration that is written can be read.
func FuzzSpec(f *testing.F) {
	for _, text := range cases(f) {
		f.Add(text)
	}
	f.Add("spec: {auth: {tokens: [{}]}, tls: {}, gateway: {parentRefs: [{}]}, networkPolicy: {from: [{}]}, ingress: {hosts: [\"\"]}}")
	f.Fuzz(func(t *testing.T, text string) {
		cs := loose(text)
		cs.Name, cs.UID = "main", types.UID("1")
		s, err := newStream(cs)
		if err != nil {
			return
		}
		for _, o := range Objects(s) {
			if o.Apply != nil {
				decoded(t, o)
			}
		}
		if problems := config.Validate(s.Config, nil); len(problems) > 0 {
			t.Errorf("%v\n%s", problems, s.Config)
		}
	})
}
