package filter

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCheckNames(t *testing.T) {
	for name, want := range map[string]string{ // "" is known, "-" like none of ours, else what was meant
		"domain": "", "exclude_issuer": "", "dedup": "", "since": "", "token": "",
		"Domain": "domain", "domains": "domain", "domian": "domain", "domai": "domain", "dmain": "domain", "doman": "domain",
		"DOMAIN": "domain", "domain[]": "domain", "suffixes": "suffix", "sufix": "suffix", "suffux": "suffix", "isuer": "issuer",
		"exclude-domain": "exclude_domain", "excludeDomain": "exclude_domain", "exclude.issuers": "exclude_issuer",
		"exlude_domains": "exclude_domain", "Mode": "mode", "modes": "mode", "dedupe": "dedup", "de-dup": "dedup", "Since": "since",
		"sice": "since", "tokens": "token", "sources": "source", "resource": "-",
		"_": "-", "utm_source": "-", "v": "-", "code": "-", "node": "-", "model": "-", "format": "-", "id": "-", "q": "-", "key": "-",
		"domain_name_of_the_certificate_that_i_want": "-", "": "-", "stream": "-", "ä": "-", "EIO": "-", "transport": "-", "t": "-",
	} {
		unknown, err := CheckNames([]string{name}, "since", "token")
		var e *Error
		got := ""
		switch {
		case errors.As(err, &e):
			got = strings.TrimSuffix(e.Reason[strings.LastIndex(e.Reason, " ")+1:], "?")
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case len(unknown) > 0:
			got = "-"
		}
		if got != want {
			t.Errorf("%q: taken for %q, want %q", name, got, want)
		}
	}
	unknown, err := CheckNames([]string{"z", "domain", "a"})
	if diff := cmp.Diff([]string{"a", "z"}, unknown); diff != "" || err != nil {
		t.Errorf("%s%v", diff, err)
	}
}

// TestNamesOfQuery: every parameter that a query has is known by its name.
func TestNamesOfQuery(t *testing.T) {
	text, err := json.Marshal(Query{Values{"a"}, Values{"a"}, Values{"a"}, Values{"a"}, Values{"a"}, Values{"a"}, "any", On})
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for key := range keys {
		if unknown, err := CheckNames([]string{key}); err != nil || len(unknown) > 0 {
			t.Errorf("%s is not known: %v", key, err)
		}
	}
	if len(keys) != len(paramNames) {
		t.Errorf("%d keys, %d names", len(keys), len(paramNames))
	}
}

// TestDistance compares with the plainest way to count slips, which tries them all.
func TestDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[abc]{0,6}`).Draw(t, "a")
		b := rapid.StringMatching(`[abc]{0,6}`).Draw(t, "b")
		if got, want := distance(a, b), slowDistance(a, b); got != want {
			t.Fatalf("from %q to %q: %d, want %d", a, b, got, want)
		}
	})
}

// slowDistance is the definition of the optimal string alignment distance, by recursion.
func slowDistance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	i, j := len(a)-1, len(b)-1
	change := slowDistance(a[:i], b[:j])
	if a[i] != b[j] {
		change++
	}
	least := min(change, slowDistance(a[:i], b)+1, slowDistance(a, b[:j])+1)
	if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
		least = min(least, slowDistance(a[:i-1], b[:j-1])+1)
	}
	return least
}

func TestSwitch(t *testing.T) {
	for text, want := range map[string]Switch{
		"1": On, "true": On, "TRUE": On, `"1"`: On, "0": Off, "false": Off, `"false"`: Off, "null": Unset, `""`: Unset,
	} {
		var q Query
		if err := json.Unmarshal([]byte(`{"dedup":`+strings.ToLower(text)+`}`), &q); err != nil || q.Dedup != want {
			t.Errorf("%s: %v, %v", text, q.Dedup, err)
		}
	}
	for _, text := range []string{"2", "yes", "-1", `"on"`, "1.0", "[1]", `{}`, `" 1"`} {
		var q Query
		if err := json.Unmarshal([]byte(`{"dedup":`+text+`}`), &q); err == nil {
			t.Errorf("%s: %v", text, q.Dedup)
		}
	}
	for query, want := range map[string]Switch{"": Unset, "dedup=1": On, "dedup=0": Off, "dedup=True": On, "dedup=FALSE": Off} {
		values, _ := url.ParseQuery(query)
		if q, err := ParseValues(values); err != nil || q.Dedup != want {
			t.Errorf("%s: %v, %v", query, q.Dedup, err)
		}
	}
	for _, query := range []string{"dedup=", "dedup", "dedup=2", "dedup=1&dedup=1", "dedup=yes"} {
		values, _ := url.ParseQuery(query)
		var e *Error
		if q, err := ParseValues(values); !errors.As(err, &e) || e.Param != "dedup" {
			t.Errorf("%s: %v, %v", query, q.Dedup, err)
		}
	}
}

// TestDedupIsPartOfTheClass: filters that differ in it are different ones, and it alone makes a filter.
func TestDedupIsPartOfTheClass(t *testing.T) {
	compile := func(q Query) *Filter {
		f, err := Compile(q, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	plain := Query{Suffix: Values{"example.org"}}
	once := plain
	once.Dedup = On
	off := plain
	off.Dedup = Off
	if compile(plain).Key() == compile(once).Key() || compile(plain).Key() != compile(off).Key() {
		t.Errorf("keys %q, %q, %q", compile(plain).Key(), compile(once).Key(), compile(off).Key())
	}
	alone := compile(Query{Dedup: On})
	if alone == nil || !alone.All() || !alone.Dedup() || alone.Key() != "dedup=1" || alone.String() != "dedup=1" {
		t.Fatalf("alone: %+v", alone)
	}
	if compile(Query{Dedup: Off}) != nil || compile(once).All() || compile(plain).Dedup() || (*Filter)(nil).Dedup() {
		t.Error("what is a filter")
	}
	s := NewSet(DefaultOptions())
	for _, q := range []Query{{Dedup: On}, once, plain, {Dedup: On, ExcludeDomain: Values{"example.org"}},
		{Dedup: On, Mode: "any"}} {
		if _, err := s.Add(compile(q)); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Stats(); got.Classes != 4 || got.Dedup.Classes != 3 { // alone, the mode says nothing
		t.Errorf("%+v", got)
	}
	for name, want := range map[string]int{"www.example.org": 3, "www.example.net": 2} {
		if got := s.Match(subject(issuer, name), nil); len(got) != want {
			t.Errorf("%s: %d classes match, want %d", name, len(got), want)
		}
		if !alone.Match(subject(issuer, name)) {
			t.Errorf("%s does not match alone", name)
		}
	}
}
