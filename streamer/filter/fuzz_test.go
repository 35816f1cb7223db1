package filter

import (
	"encoding/json"
	"net/url"
	"regexp"
	"testing"
)

var fuzzSeeds = []string{
	"login", "a.b", `.*\.google\.com`, `^(a|b)c?$`, `Let.*Encrypt`, `[a-z]+\d{2,5}`, `(?i)x`, `(?-i:X)`, `\bfoo\B`, "münchen",
	"a{1000}", "((a*)*)*", `\Qa.b\E`, `\x{10FFFF}`, "(?s-i:.)", `[[:alpha:]]`, `\pL`, `[^\x00-\x{10FFFF}]`, "|", "(|a)", "()",
	"a||b", `(?U)a+?`, `$^`, `\z\A`, "(?m)^a$", ".", "\u212a", `\Q`, `a+\Qb`, `a+|b`,
}

// FuzzPattern compares one expression on one text with the standard library's.
func FuzzPattern(f *testing.F) {
	for _, seed := range fuzzSeeds {
		f.Add(seed, "www.Google.com login ab12 /CN=Let's Encrypt")
		f.Add(seed, "xn--mnchen-3ya\n\xff")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		filter, err := Compile(Query{Issuer: Values{pattern}}, Limits{})
		if err != nil {
			return
		}
		record := subject(text)
		want := regexp.MustCompile("(?is)" + pattern).MatchString(text)
		if got := filter.Match(record); got != want {
			t.Errorf("%q on %q: %v, want %v (key %q)", pattern, text, got, want, filter.Key())
		}
		set := NewSet(Options{RegexpBudget: 1e9})
		c, err := set.Add(filter)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(set.Match(record, nil)) == 1; got != want {
			t.Errorf("%q on %q: %v in a set, want %v", pattern, text, got, want)
		}
		set.Remove(c)
		if len(set.Match(record, nil)) != 0 || set.Stats().Values != 0 {
			t.Errorf("%q: something of it stays in the set", pattern)
		}
	})
}

// FuzzQuery feeds both forms of queries: nothing panics, keys are stable.
func FuzzQuery(f *testing.F) {
	f.Add("domain=a&domain=b&suffix=x.org,y.org&mode=any&exclude_issuer=z")
	f.Add("suffix=%00&mode=ALL")
	f.Add(`{"domain":["a","b"],"suffix":"x.org","mode":"any"}`)
	f.Add(`{"suffix":["*.münchen.de","..",""]}`)
	for _, seed := range fuzzSeeds {
		f.Add("domain=" + url.QueryEscape(seed) + "&exclude_domain=" + url.QueryEscape(seed))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var q Query
		if json.Unmarshal([]byte(text), &q) != nil {
			values, err := url.ParseQuery(text)
			if err != nil {
				return
			}
			if q, err = ParseValues(values); err != nil {
				return
			}
		}
		filter, err := Compile(q, Limits{})
		if err != nil {
			return
		}
		again, err := Compile(q, Limits{})
		if err != nil || again.Key() != filter.Key() {
			t.Errorf("%+q: keys %q and %q, error %v", q, filter.Key(), again.Key(), err)
		}
		filter.Match(subject("/CN=R10", "www.example.com", "xn--mnchen-3ya.de"))
	})
}
