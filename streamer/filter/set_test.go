package filter

import (
	"testing"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// subject makes a record of names.
func subject(issuer string, names ...string) *Subject {
	s := &Subject{
		Issuer: []byte(issuer),
		Source: &engine.Source{
			Name: "Google 'Argon2026h2' log", Operator: "Google", URL: "https://ct.googleapis.com/logs/us1/argon2026h2",
		},
	}
	for _, name := range names {
		s.Domains = append(s.Domains, []byte(name))
	}
	return s
}

func compile(t *testing.T, q Query) *Filter {
	t.Helper()
	f, err := Compile(q, Limits{})
	if err != nil {
		t.Fatalf("Compile(%+v): %v", q, err)
	}
	return f
}

func TestSetMatchesLikeFilters(t *testing.T) {
	record := subject("/C=US/CN=R10/O=Let's Encrypt", "Login.Example.com", "www.example.org")
	tests := []struct {
		name    string
		query   Query
		want    bool
		regexps int
	}{
		{"plain", Query{Domain: Values{"login"}}, true, 0},
		{"plain, other", Query{Domain: Values{"logout"}}, false, 0},
		{"dot is any", Query{Domain: Values{"in.example"}}, true, 0},
		{"documented", Query{Domain: Values{`.*\.example\.com`}}, true, 0},
		{"end", Query{Domain: Values{`\.org$`}}, true, 0},
		{"begin and end", Query{Domain: Values{`^example\.org$`}}, false, 0},
		{"gap", Query{Issuer: Values{`Let.*Encrypt`}}, true, 0},
		{"alternatives", Query{Domain: Values{`\.(net|org)$`}}, true, 0},
		{"class", Query{Domain: Values{`log[a-z]+\.example`}}, true, 1},
		{"class, other", Query{Domain: Values{`log[0-9]+\.example`}}, false, 1},
		{"no factor", Query{Domain: Values{`[0-9]{3}|[a-f]{7}`}}, false, 1},
		{"source name", Query{Source: Values{"argon2026"}}, true, 0},
		{"source operator", Query{Source: Values{"^google$"}}, true, 0},
		{"source URL", Query{Source: Values{`us1/.rgon\d+h2$`}}, true, 1},
		{"suffix", Query{Suffix: Values{"example.net,example.com"}}, true, 0},
		{"suffix at label", Query{Suffix: Values{"ample.com"}}, false, 0},
		{"suffix itself", Query{Suffix: Values{"*.Login.example.com."}}, true, 0},
		{"all fields", Query{Suffix: Values{"example.com"}, Issuer: Values{"DigiCert"}}, false, 0},
		{"any field", Query{Suffix: Values{"example.com"}, Issuer: Values{"DigiCert"}, Mode: "any"}, true, 0},
		{"exclude wins", Query{Suffix: Values{"example.com"}, ExcludeIssuer: Values{"encrypt"}, Mode: "any"}, false, 0},
		{"only excludes", Query{ExcludeDomain: Values{"test"}}, true, 0},
		{"only excludes, hit", Query{ExcludeDomain: Values{"log[hi]n.*ple"}}, false, 0},
		{"everything", Query{Domain: Values{".*"}}, true, 0},
	}
	set := NewSet(Options{RegexpBudget: 1e6})
	classes := make([]*Class, len(tests))
	for i, test := range tests {
		f := compile(t, test.query)
		if f.Match(record) != test.want || f.Regexps() != test.regexps {
			t.Errorf("%s: Match = %v, want %v; Regexps = %d, want %d", test.name, f.Match(record), test.want, f.Regexps(), test.regexps)
		}
		var err error
		if classes[i], err = set.Add(f); err != nil {
			t.Fatal(err)
		}
	}
	matched := map[*Class]bool{}
	for _, c := range set.Match(record, nil) {
		if matched[c] {
			t.Errorf("%s comes twice", c.Key())
		}
		matched[c] = true
	}
	for i, test := range tests {
		if matched[classes[i]] != test.want {
			t.Errorf("%s: in the set %v, want %v", test.name, matched[classes[i]], test.want)
		}
	}
}
