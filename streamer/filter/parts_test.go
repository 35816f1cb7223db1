package filter

import (
	"bytes"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestFoldJoinsAllCasesOfALetter goes through the planes that hold letters with cases.
func TestFoldJoinsAllCasesOfALetter(t *testing.T) {
	for r := rune(0); r <= 0x1ffff; r++ {
		if a, b := foldRune(r), foldRune(unicode.SimpleFold(r)); a != b {
			t.Fatalf("%U folds to %U, its other case to %U", r, a, b)
		}
		if f := foldRune(r); foldRune(f) != f || 'A' <= f && f <= 'Z' {
			t.Fatalf("%U folds to %U", r, f)
		}
	}
}

func TestGlobs(t *testing.T) {
	for _, test := range []struct {
		pattern string
		want    []string // with < > for the anchors, ? for any character and * for any number of them; none: no globs
	}{
		{"Example", []string{"example"}},
		{"^a$", []string{"<a>"}},
		{".*a.*", []string{"a"}},
		{"^.*a", []string{"a"}},
		{"a.*$", []string{"a"}},
		{".+a", []string{"?a"}},
		{"^.+a", []string{"?a"}},
		{"a.*.b", []string{"a?*b"}},
		{"a.+.*b", []string{"a?*b"}},
		{"^.a.$", []string{"<?a?>"}},
		{"(com|net)$", []string{"com>", "net>"}},
		{"a[bc]?", []string{"a"}}, // what may follow says nothing
		{"[bc]?a", []string{"a"}},
		{"x[bc]?a", []string{"xa", "xba", "xca"}},
		{"a{2}", []string{"aa"}},
		{"(^a|b$)", []string{"<a", "b>"}},
		{"a^b", nil},
		{"a$b", nil},
		{"(?-i)a", nil},
		{"(?-i)1", []string{"1"}},
		{"a+", nil},
		{`\b`, nil},
		{"[a-z]", nil}, // too many
		{"", []string{""}},
	} {
		parsed, err := syntax.Parse(test.pattern, flags)
		if err != nil {
			t.Fatal(err)
		}
		list, _ := globs(trim(uncapture(parsed.Simplify())))
		var got []string
		for _, g := range list {
			got = append(got, string(readable(g)))
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.pattern, diff)
		}
	}
}

// readable replaces a glob's special bytes.
func readable(g []byte) []byte {
	for special, shown := range map[byte]string{anyRune: "?", anyRun: "*", textBegin: "<", textEnd: ">"} {
		g = bytes.ReplaceAll(g, []byte{special}, []byte(shown))
	}
	return g
}

// TestFactorsAreRequired looks for a text that an expression matches without holding one of its factors.
func TestFactorsAreRequired(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := drawText(t, patternPieces, 6)
		parsed, err := syntax.Parse(text, flags)
		if err != nil {
			t.Skip("no expression")
		}
		required := factors(uncapture(parsed.Simplify()))
		re := regexp.MustCompile("(?is)" + text)
		p := pattern{re: re, factors: required}
		for range 20 {
			subject := []byte(drawText(t, textPieces, 8))
			if re.Match(subject) && !p.possible(appendFold(nil, subject)) {
				t.Fatalf("%q matches %q, which holds none of %q", text, subject, required)
			}
		}
	})
}

func TestFactorsAreGood(t *testing.T) {
	for _, test := range []struct {
		pattern string
		want    []string
	}{
		{`paypal[a-z0-9-]+\.com$`, []string{"paypal"}},
		{`(^|[.-])login[.-]`, []string{"login-", "login."}},
		{`\d+(foo|quux)\d+`, []string{"foo", "quux"}},
		{`(abc)+\d`, []string{"abc"}},
		{`[ab]?.cd[ef]\d+`, []string{"cde", "cdf"}},
		{`[a-z]+x?`, nil},
		{`(abc\d+|[a-z])`, nil},
	} {
		parsed, err := syntax.Parse(test.pattern, flags)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range factors(uncapture(parsed.Simplify())) {
			got = append(got, string(f))
		}
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.pattern, diff)
		}
	}
}

// TestGramIndex files and removes texts, and compares what a scan finds with a search for each.
func TestGramIndex(t *testing.T) {
	letters := rapid.SliceOfN(rapid.SampledFrom([]byte("ab.c")), 1, 7)
	rapid.Check(t, func(t *rapid.T) {
		var index gramIndex
		var nodes []*node
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				n := &node{pattern: &pattern{glob: letters.Draw(t, "text")}}
				nodes = append(nodes, n)
				index.add(n.pattern.glob, n)
			},
			"remove": func(t *rapid.T) {
				if len(nodes) == 0 {
					t.Skip("nothing to remove")
				}
				i := rapid.IntRange(0, len(nodes)-1).Draw(t, "which")
				index.remove(nodes[i].pattern.glob, nodes[i])
				nodes = slices.Delete(nodes, i, i+1)
			},
			"": func(t *rapid.T) {
				text := slices.Concat(letters.Draw(t, "text"), letters.Draw(t, "more"))
				found := map[*node]bool{}
				index.scan(text, func(n *node) { found[n] = true })
				for _, n := range nodes {
					if want := bytes.Contains(text, n.pattern.glob); found[n] != want {
						t.Fatalf("%q in %q: found %v, want %v", n.pattern.glob, text, found[n], want)
					}
					delete(found, n)
				}
				if len(found) > 0 {
					t.Fatal("something is found that is not there any more")
				}
			},
		})
		for _, n := range nodes {
			index.remove(n.pattern.glob, n)
		}
		for i, l := range index.lengths {
			if l.files != nil || l.sieve != nil {
				t.Errorf("length %d keeps memory", i+1)
			}
		}
	})
}

func TestEachSuffix(t *testing.T) {
	for _, test := range []struct {
		name    string
		longest int
		want    []string
	}{
		{"a.b.com", 253, []string{"com", "b.com", "a.b.com"}},
		{"a.b.com.", 253, []string{"com", "b.com", "a.b.com"}},
		{"a.b.com", 5, []string{"com", "b.com"}},
		{"com", 253, []string{"com"}},
		{"", 253, []string{""}},
		{"a..b", 253, []string{"b", ".b", "a..b"}},
	} {
		var got []string
		eachSuffix([]byte(test.name), test.longest, func(s []byte) bool { got = append(got, string(s)); return true })
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q: %s", test.name, diff)
		}
	}
}

// TestSamplesAreCopies sees that what trials use is not borrowed, and comes from what was matched.
func TestSamplesAreCopies(t *testing.T) {
	var k sampler
	if n := len(k.samples()); n != 1 {
		t.Errorf("%d samples before the first record, want the typical one", n)
	}
	name := []byte("first.example")
	for i := range 3 * sampleEvery * sampleSize {
		k.offer(&Subject{Domains: [][]byte{name}, Issuer: []byte(fmt.Sprint(i))})
	}
	name[0] = 'X'
	list := k.samples()
	if len(list) != sampleSize {
		t.Errorf("%d samples, want %d", len(list), sampleSize)
	}
	for _, s := range list {
		if string(s.Domains[0]) != "first.example" {
			t.Errorf("a sample changed to %s", s.Domains[0])
		}
	}
}

func TestFilterIsShownAsWritten(t *testing.T) {
	f := compile(t, Query{Domain: Values{`Login.*\d+`}, Suffix: Values{"b.example,a.example"}, Mode: "any"})
	if got := f.String(); got != `domain=Login.%2A%5Cd%2B&mode=any&suffix=b.example%2Ca.example` {
		t.Errorf("shown as %s", got)
	}
	long := compile(t, Query{Domain: Values{string(bytes.Repeat([]byte("a"), 250))}})
	if len(long.String()) > maxText+len("…") || len(long.String()) < maxText {
		t.Errorf("shown in %d bytes", len(long.String()))
	}
}
