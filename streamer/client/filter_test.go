package client

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilterValues(t *testing.T) {
	f := Filter{
		Suffix: []string{"a.test", "b.test"}, Glob: []string{"*.bank.?o", "x+y"}, Domain: []string{"a{1,3}"}, Issuer: []string{"i"},
		Source: []string{"s"}, ExcludeDomain: []string{"d"}, ExcludeIssuer: []string{"e"}, Any: true,
	}
	want := url.Values{
		"suffix": {"a.test,b.test"}, "domain": {"a{1,3}", `^.*\.bank\..o$`, `^x\+y$`}, "issuer": {"i"}, "source": {"s"},
		"exclude_domain": {"d"}, "exclude_issuer": {"e"}, "mode": {"any"},
	}
	if diff := cmp.Diff(want, f.values()); diff != "" {
		t.Error(diff)
	}
	if p, err := (Filter{}).compile(); p != nil || err != nil {
		t.Errorf("an empty filter compiles to %v, %v", p, err)
	}
}

// What the client evaluates is what a server would.
func TestFilterOfTheClient(t *testing.T) {
	certificate := &Certificate{
		Leaf:   Leaf{AllDomains: []string{"www.Example.com", "shop.example.org"}, Issuer: Name{Aggregated: "/C=US/O=Let's Encrypt/CN=R13"}},
		Source: Source{Name: "Google 'Argon2026h2'", URL: "https://ct.googleapis.com/logs/us1/argon2026h2"},
	}
	names := &DomainNames{Names: certificate.Leaf.AllDomains}
	type list = []string
	for _, c := range []struct {
		name              string
		filter            Filter
		certificate, only bool
	}{
		{"suffix", Filter{Suffix: list{"example.com"}}, true, true},
		{"suffix with a star", Filter{Suffix: list{"*.EXAMPLE.org."}}, true, true},
		{"suffix of the whole name", Filter{Suffix: list{"shop.example.org"}}, true, true},
		{"suffix across a label", Filter{Suffix: list{"ample.com"}}, false, false},
		{"one of several", Filter{Suffix: list{"other.test", "example.com"}}, true, true},
		{"glob", Filter{Glob: list{"*.example.com"}}, true, true},
		{"glob of a whole name", Filter{Glob: list{"example"}}, false, false},
		{"glob with one character", Filter{Glob: list{"ww?.example.com"}}, true, true},
		{"expression", Filter{Domain: list{`^shop\.`}}, true, true},
		{"expression without case", Filter{Domain: list{"WWW"}}, true, true},
		{"issuer, which names do not tell", Filter{Issuer: list{"DigiCert"}}, false, true},
		{"issuer", Filter{Issuer: list{"let.*encrypt"}}, true, true},
		{"source by name", Filter{Source: list{"argon"}}, true, true},
		{"source by URL", Filter{Source: list{"googleapis"}}, true, true},
		{"source", Filter{Source: list{"nimbus"}}, false, true},
		{"all of the fields", Filter{Suffix: list{"example.com"}, Domain: list{"nothing"}}, false, false},
		{"any of the fields", Filter{Suffix: list{"example.com"}, Domain: list{"nothing"}, Any: true}, true, true},
		{"none of the fields", Filter{Suffix: list{"x.test"}, Domain: list{"nothing"}, Any: true}, false, false},
		{"exclusion wins", Filter{Suffix: list{"example.com"}, ExcludeDomain: list{"shop"}, Any: true}, false, false},
		{"exclusion alone", Filter{ExcludeDomain: list{"test"}}, true, true},
		{"excluded issuer", Filter{ExcludeIssuer: list{"encrypt"}}, false, true},
	} {
		p, err := c.filter.compile()
		if err != nil {
			t.Fatal(err)
		}
		if got := [2]bool{p.matches(certificate), p.matches(names)}; got != [2]bool{c.certificate, c.only} {
			t.Errorf("%s: %v, want %v, %v", c.name, got, c.certificate, c.only)
		}
	}
}

// The client evaluates the filter where the server does not, which has no cursors then; elsewhere it leaves that to the server,
// whose suffixes may be in another form.
func TestFilterOnServersWithout(t *testing.T) {
	old := newFakeServer(t, script{messages: []string{dns("x.test", ""), dns("a.example", ""), `{"message_type":"heartbeat"}`, dns("b.example", "")}, stay: true})
	events, _, err := read(t, Options{URL: old.ws(), Filter: Filter{Suffix: []string{"example"}}}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := events[1].(*Heartbeat); !ok {
		t.Errorf("got %#v, want the heartbeat", events[1])
	}
	if diff := cmp.Diff([]string{"a.example", "b.example"}, names(t, []Event{events[0], events[2]})); diff != "" {
		t.Error(diff)
	}
	ours := newFakeServer(t, script{messages: []string{dns("xn--mnchen-3ya.de", "e-1")}, stay: true})
	if events, _, err = read(t, Options{URL: ours.ws(), Filter: Filter{Suffix: []string{"münchen.de"}}}, 1); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"xn--mnchen-3ya.de"}, names(t, events)); diff != "" {
		t.Error(diff)
	}
}
