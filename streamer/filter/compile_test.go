package filter

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEqualMeaningEqualKey(t *testing.T) {
	for _, group := range [][]Query{
		{{}, {Mode: "any"}, {Mode: "ALL"}},
		{
			{Domain: Values{"paypal", "Apple"}},
			{Domain: Values{"apple", "PAYPAL", "apple"}},
			{Domain: Values{"paypal|apple"}},
			{Domain: Values{".*apple.*", "(paypal)"}, Mode: "any"},
		},
		{{Domain: Values{`\.com$`}}, {Domain: Values{`.*\.com$`}}, {Domain: Values{`^.*\.COM$`}}, {Domain: Values{`[.]com$`}}},
		{{Domain: Values{`a.+b`}}, {Domain: Values{`a..*b`}}, {Domain: Values{`a.*.b`}}},
		{{Domain: Values{`x[0-9]+y`}}, {Domain: Values{`X\d+(?:Y)`}}, {Domain: Values{`.*x(\d+)y`}}},
		{{Suffix: Values{"example.com", "Example.ORG"}}, {Suffix: Values{"*.example.org,.example.com,a.b.example.com"}}},
		{{Suffix: Values{"münchen.de"}}, {Suffix: Values{"MÜNCHEN.de."}}, {Suffix: Values{"münchen.de,xn--mnchen-3ya.de"}}},
		{{ExcludeDomain: Values{"test"}}, {ExcludeDomain: Values{"TEST"}, Mode: "any"}},
	} {
		first := compile(t, group[0]).Key()
		for _, q := range group[1:] {
			if key := compile(t, q).Key(); key != first {
				t.Errorf("%+q has key %q; %+q has %q", q, key, group[0], first)
			}
		}
	}
}

func TestOtherMeaningOtherKey(t *testing.T) {
	keys := map[string]Query{}
	for _, q := range []Query{
		{},
		{Domain: Values{"a"}},
		{Issuer: Values{"a"}},
		{Source: Values{"a"}},
		{ExcludeDomain: Values{"a"}},
		{ExcludeIssuer: Values{"a"}},
		{Suffix: Values{"a"}},
		{Domain: Values{"^a"}},
		{Domain: Values{"a$"}},
		{Domain: Values{`\D`}},
		{Domain: Values{`\d`}},
		{Domain: Values{"a", "b"}},
		{Domain: Values{"a"}, Issuer: Values{"b"}},
		{Domain: Values{"a"}, Issuer: Values{"b"}, Mode: "any"},
		{Domain: Values{"(?-i:a)"}},
		{Domain: Values{"a&issuer==b"}},
	} {
		key := compile(t, q).Key()
		if other, ok := keys[key]; ok {
			t.Errorf("%+q and %+q have the same key %q", q, other, key)
		}
		keys[key] = q
	}
}

func TestErrorsNameParameterAndFix(t *testing.T) {
	many := make(Values, 101)
	for i := range many {
		many[i] = "a"
	}
	var regexps Values
	for _, c := range "abcdefghijk" {
		regexps = append(regexps, string(c)+`\d+`)
	}
	for _, test := range []struct {
		query Query
		param string
		says  string
	}{
		{Query{Domain: Values{"("}}, "domain", "missing closing )"},
		{Query{Domain: Values{"*.example.com"}}, "domain", "put \\ before"},
		{Query{Issuer: Values{""}}, "issuer", "is empty"},
		{Query{Domain: Values{`[a-z] \.com`}}, "domain", "write + as %2B"},
		{Query{Source: Values{strings.Repeat("x", 257)}}, "source", "shorten it to 256"},
		{Query{ExcludeDomain: Values{"a{1001}"}}, "exclude_domain", "repeat count"},
		{Query{ExcludeIssuer: Values{"[a-q]{500}"}}, "exclude_issuer", "instructions, more than 400"},
		{Query{Domain: Values{"\xff"}}, "domain", "invalid UTF-8"},
		{Query{Domain: Values{strings.Repeat(`\pL`, 80)}}, "domain", "instructions, more than 400"},
		{Query{Domain: Values{strings.Repeat(`[a-\x{ffff}]`, 5), strings.Repeat("[!-\U0001e900]", 4)}}, "domain", "beyond ASCII"},
		{Query{Domain: Values{`(((a{10}){10}){10}b{9}){9}`}}, "domain", "invalid repeat count"},
		{Query{Domain: Values{`(` + strings.Repeat("[ab]{900}", 20) + `)`}}, "domain", "instructions"},
		{Query{Domain: many}, "domain", "has 101 values, more than 100"},
		{Query{Domain: regexps}, "domain", "asks for 11 regular expressions, more than the 10"},
		{Query{Suffix: Values{"example.com,,example.org"}}, "suffix", "which is no name"},
		{Query{Suffix: Values{"https://example.com"}}, "suffix", "no domain name"},
		{Query{Suffix: Values{`.*\.com`}}, "suffix", "use domain="},
		{Query{Suffix: Values{strings.Repeat("a.", 150) + "com"}}, "suffix", "at most 253"},
		{Query{Mode: "some"}, "mode", `is "some"; give all or any`},
	} {
		_, err := Compile(test.query, Limits{})
		var wrong *Error
		if !errors.As(err, &wrong) || wrong.Param != test.param || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%+.40q: error %v, want one of %s that says %q", test.query, err, test.param, test.says)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestIDN(t *testing.T) {
	for _, test := range []struct {
		query Query
		name  string
		want  bool
	}{
		{Query{Suffix: Values{"münchen.de"}}, "www.xn--mnchen-3ya.de", true},
		{Query{Suffix: Values{"München.de"}}, "www.münchen.de", true},
		{Query{Suffix: Values{"xn--mnchen-3ya.de"}}, "XN--MNCHEN-3YA.de", true},
		{Query{Domain: Values{"münchen"}}, "www.xn--mnchen-3ya.de", true},
		{Query{Domain: Values{`MÜNCHEN\.de$`}}, "xn--mnchen-3ya.de", true},
		{Query{Domain: Values{`^bücher.*münchen`}}, "xn--bcher-kva.xn--mnchen-3ya.de", true},
		{Query{ExcludeDomain: Values{"münchen"}}, "www.xn--mnchen-3ya.de", false},
		{Query{Domain: Values{"münchen"}}, "www.muenchen.de", false},
	} {
		if got := compile(t, test.query).Match(subject(issuer, test.name)); got != test.want {
			t.Errorf("%+q on %s: %v, want %v", test.query, test.name, got, test.want)
		}
	}
}

func TestQueryForms(t *testing.T) {
	want := Query{Domain: Values{"a", `b{1,2}`}, Suffix: Values{"x.org,y.org"}, ExcludeIssuer: Values{"z"}, Mode: "any"}
	values, err := url.ParseQuery("domain=a&domain=b%7B1,2%7D&suffix=x.org,y.org&exclude_issuer=z&mode=any&stream=full&since=abc-1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseValues(values)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("URL: %v %s", err, diff)
	}
	var line struct {
		Stream string `json:"stream"`
		Query
	}
	text := `{"stream":"full","domain":["a","b{1,2}"],"suffix":"x.org,y.org","exclude_issuer":"z","mode":"any","issuer":null}`
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, line.Query); diff != "" || line.Stream != "full" {
		t.Errorf("JSON: %s", diff)
	}
	err = json.Unmarshal([]byte(`{"domain":7}`), &line)
	if err == nil || !strings.Contains(err.Error(), "a string or a list of strings") {
		t.Errorf("a number as domain: %v", err)
	}
	if _, err := ParseValues(url.Values{"mode": {"all", "any"}}); err == nil || !strings.Contains(err.Error(), "more than once") {
		t.Errorf("two modes: %v", err)
	}
}

func TestNilFilterMatchesAll(t *testing.T) {
	f, err := Compile(Query{Mode: "all"}, Limits{})
	if f != nil || err != nil {
		t.Fatalf("got %v, %v; want nil, nil", f, err)
	}
	if !f.Match(subject("")) || f.Key() != "" || f.Regexps() != 0 {
		t.Error("the nil filter is not the empty one")
	}
}

// TestLongTextIsNoLargeProgram has a text of more bytes than an expression may have instructions.
func TestLongTextIsNoLargeProgram(t *testing.T) {
	text := strings.Repeat("abcdefgh", 64)
	limits := Limits{PatternBytes: 512, ProgramSize: 400}
	if f, err := Compile(Query{Domain: Values{text}}, limits); err != nil || f.Regexps() != 0 || f.size() != 1 {
		t.Errorf("%v, %v", f, err)
	}
	if _, err := Compile(Query{Domain: Values{text[3:] + `\d+`}}, limits); err == nil {
		t.Error("with a repetition it is still accepted")
	}
	f, err := Compile(Query{Domain: Values{text[:100] + `\d+`}}, limits)
	if err != nil || f.size() < 100 {
		t.Errorf("%v: counts for %d", err, f.size())
	}
}

// TestNoEngineNeeded holds which expressions count as plain: users meet the limits of regular expressions by it.
func TestNoEngineNeeded(t *testing.T) {
	for _, test := range []struct {
		pattern string
		regexps int
	}{
		{"google.com", 0},
		{`.*\.google\.com`, 0},
		{`^www\.`, 0},
		{`\.(com|net|org)$`, 0},
		{`(paypa[l1]|app?le)`, 0},
		{`Let.*Encrypt`, 0},
		{`colou?r`, 0},
		{`a.{3}b`, 0},
		{`[0-9]`, 0},
		{`[0-9]+`, 1},
		{`\d{2,}`, 1},
		{`\bpay\b`, 1},
		{`(?-i:A)`, 1},
		{`(foo|bar)+baz`, 1},
		{`(a|b)(c|d)(e|f)(g|h)(i|j)`, 1},
	} {
		if got := compile(t, Query{Domain: Values{test.pattern}}).Regexps(); got != test.regexps {
			t.Errorf("%s needs %d regular expressions, want %d", test.pattern, got, test.regexps)
		}
	}
}
