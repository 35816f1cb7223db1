package filter

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// naive decides by the contract's words, with nothing but the standard library. It keeps what it has compiled.
type naive map[string]*regexp.Regexp

func (n naive) match(q Query, s *Subject) bool {
	source := [][]byte{[]byte(s.Source.Name), []byte(s.Source.Operator), []byte(s.Source.URL)}
	if n.anyMatches(q.ExcludeDomain, s.Domains) || n.anyMatches(q.ExcludeIssuer, [][]byte{s.Issuer}) {
		return false
	}
	var results []bool
	for _, part := range []struct {
		values Values
		texts  [][]byte
	}{{q.Domain, s.Domains}, {q.Issuer, [][]byte{s.Issuer}}, {q.Source, source}} {
		if len(part.values) > 0 {
			results = append(results, n.anyMatches(part.values, part.texts))
		}
	}
	if len(q.Suffix) > 0 {
		results = append(results, anySuffix(q.Suffix, s.Domains))
	}
	hits := 0
	for _, r := range results {
		if r {
			hits++
		}
	}
	return hits == len(results) || q.Mode == "any" && hits > 0
}

func (n naive) anyMatches(values Values, texts [][]byte) bool {
	for _, v := range values {
		re := n[v]
		if re == nil {
			re = regexp.MustCompile("(?is)" + v)
			n[v] = re
		}
		for _, text := range texts {
			if re.Match(text) {
				return true
			}
		}
	}
	return false
}

func anySuffix(values Values, names [][]byte) bool {
	for _, suffix := range strings.Split(strings.Join(values, ","), ",") {
		for _, name := range names {
			n := strings.ToLower(string(name))
			if n == suffix || strings.HasSuffix(n, "."+suffix) {
				return true
			}
		}
	}
	return false
}

// Few letters, so that patterns and texts meet.
var (
	patternPieces = []string{
		"a", "b", "ab", "ba", "abba", "example", `\.`, ".", ".*", ".+", "a*", "b+", "(ab)?", "(a|b|ab)", "[ab]", "[a-z]", "[^a]", `\d`,
		`\bab`, "^", "$", "(?-i:A)", "(?-s:.)", "x{2,3}", "(^a|b$)", "()", "[^\\x00-\\x{10FFFF}]", "k", "S",
		"\u017f", "\u212a", "\u00e9", "\U0001f600",
	}
	nonASCII   = 4 // of them, the last ones
	textPieces = []string{
		"a", "b", "A", "B", "ab", "ba", ".", "-", "1", "example", "EXAMPLE", "com", "xx", "s", "k", "K",
		"\u017f", "\u212a", "\u00c9", "\u00e9", "\n", "\xff", "\U0001f600",
	}
	suffixes = []string{"com", "a.com", "b.com", "ab.com", "example.com", "b", "ab.b"}
)

func drawText(t *rapid.T, pieces []string, most int) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, most).Draw(t, "pieces"), "")
}

func drawPatterns(t *rapid.T, pieces []string) Values {
	var values Values
	for range rapid.IntRange(0, 2).Draw(t, "values") {
		pattern := drawText(t, pieces, 5)
		if _, err := regexp.Compile("(?is)" + pattern); err == nil {
			values = append(values, pattern)
		}
	}
	return values
}

func drawQuery(t *rapid.T) Query {
	// Domain patterns with IDNs stand for their A-labels too; TestIDN looks at those.
	ascii := patternPieces[:len(patternPieces)-nonASCII]
	q := Query{Mode: rapid.SampledFrom([]string{"", "all", "any"}).Draw(t, "mode")}
	q.Domain = drawPatterns(t, ascii)
	q.Issuer = drawPatterns(t, patternPieces)
	q.Source = drawPatterns(t, patternPieces)
	if rapid.Bool().Draw(t, "excludes") {
		q.ExcludeDomain = drawPatterns(t, ascii)
		q.ExcludeIssuer = drawPatterns(t, patternPieces)
	}
	if rapid.Bool().Draw(t, "suffixes") {
		q.Suffix = rapid.SliceOfN(rapid.SampledFrom(suffixes), 1, 3).Draw(t, "suffix")
	}
	return q
}

func drawSubject(t *rapid.T) *Subject {
	s := subject(drawText(t, textPieces, 8))
	for range rapid.IntRange(0, 3).Draw(t, "names") {
		name := drawText(t, textPieces, 6)
		if rapid.Bool().Draw(t, "under a suffix") {
			name += "." + rapid.SampledFrom(suffixes).Draw(t, "parent")
		}
		s.Domains = append(s.Domains, bytes.TrimRight([]byte(name), "."))
	}
	return s
}

// TestModel adds and removes filters at random, and compares what a set and each filter say with the naive evaluation.
func TestModel(t *testing.T) {
	model := naive{}
	rapid.Check(t, func(t *rapid.T) {
		set := NewSet(Options{RegexpBudget: 1e9})
		type entry struct {
			query Query
			class *Class
		}
		var entries []entry
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				q := drawQuery(t)
				f, err := Compile(q, Limits{})
				if err != nil {
					t.Fatalf("Compile(%+q): %v", q, err)
				}
				if f == nil {
					return
				}
				c, err := set.Add(f)
				if err != nil {
					t.Fatal(err)
				}
				entries = append(entries, entry{q, c})
			},
			"remove": func(t *rapid.T) {
				if len(entries) == 0 {
					t.Skip("nothing to remove")
				}
				i := rapid.IntRange(0, len(entries)-1).Draw(t, "which")
				set.Remove(entries[i].class)
				entries = append(entries[:i], entries[i+1:]...)
			},
			"": func(t *rapid.T) {
				s := drawSubject(t)
				matched := map[*Class]bool{}
				for _, c := range set.Match(s, nil) {
					if matched[c] {
						t.Fatalf("%q comes twice", c.Key())
					}
					matched[c] = true
				}
				for _, e := range entries {
					want := model.match(e.query, s)
					if matched[e.class] != want || e.class.Filter().Match(s) != want {
						t.Fatalf("query %+q, key %q, names %q, issuer %q: set %v, filter %v, want %v",
							e.query, e.class.Key(), s.Domains, s.Issuer, matched[e.class], e.class.Filter().Match(s), want)
					}
				}
				for c := range matched {
					if !slices.ContainsFunc(entries, func(e entry) bool { return e.class == c }) {
						t.Fatalf("%q matches, which nobody uses", c.Key())
					}
				}
			},
		})
	})
}
