package filter

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// flags is how expressions are read: RE2, case-insensitive, and a dot is any character, since names have one line.
const flags = syntax.Perl | syntax.FoldCase | syntax.DotNL

// pattern is one predicate over a text. Equal patterns have equal keys.
type pattern struct {
	key string
	// glob is the predicate over folded text, unless re is set.
	glob []byte
	// re is the predicate over the text itself, of about weight instructions.
	re     *regexp.Regexp
	weight int
	// factors: a text that matches holds, folded, at least one of them. None means that nothing is known.
	factors [][]byte
}

// match decides on a text, given with its folded form.
func (p *pattern) match(text, folded []byte) bool {
	if p.re == nil {
		return matchGlob(p.glob, folded)
	}
	return p.possible(folded) && p.re.Match(text)
}

// possible says whether the factors leave room for a match.
func (p *pattern) possible(folded []byte) bool {
	for _, f := range p.factors {
		if bytes.Contains(folded, f) {
			return true
		}
	}
	return len(p.factors) == 0
}

// literal says whether finding its only factor is a match already.
func (p *pattern) literal() bool {
	return p.re == nil && len(p.factors) == 1 && len(p.factors[0]) == len(p.glob)
}

// parsePattern reads an expression; several patterns of which any may match come back where that spares an automaton.
func parsePattern(param, text string, limits Limits) ([]*pattern, error) {
	if text == "" {
		return nil, &Error{param, "is empty; leave it out or give an expression"}
	}
	if len(text) > limits.PatternBytes {
		return nil, &Error{param, fmt.Sprintf("has an expression of %d bytes; shorten it to %d", len(text), limits.PatternBytes)}
	}
	parsed, err := syntax.Parse(text, flags)
	if err != nil {
		return nil, &Error{param, fmt.Sprintf("is not an RE2 expression: %s; put \\ before characters meant as they are", reason(err))}
	}
	n := instructions(parsed)
	tooLarge := &Error{param, fmt.Sprintf("has an expression of %d instructions, more than %d; use fewer or smaller repetitions",
		n, limits.ProgramSize)}
	if n > max(limits.ProgramSize, limits.PatternBytes) { // before repetitions are written out: that can take 100 MB
		return nil, tooLarge
	}
	re := trim(uncapture(parsed.Simplify()))
	if list, ok := globs(re); ok {
		return globPatterns(list), nil
	}
	if n > limits.ProgramSize {
		return nil, tooLarge
	}
	compiled, err := regexp.Compile("(?is)" + text)
	if err != nil {
		return nil, &Error{param, fmt.Sprintf("cannot be compiled: %s", reason(err))}
	}
	return []*pattern{{key: regexpKey(re), re: compiled, weight: n, factors: factors(re)}}, nil
}

// maxWideRanges bounds ranges like [a-\x{ffff}] in a query: to read one, the parser looks at the case of every character in it.
const maxWideRanges = 8

// wideRanges counts what may be the end of such a range.
func wideRanges(values Values) int {
	n := 0
	for _, text := range values {
		for i := 0; i+2 < len(text); i++ {
			if text[i] == '-' && (text[i+1] >= utf8.RuneSelf || text[i+1:i+3] == `\x`) {
				n++
			}
		}
	}
	return n
}

// reason is what the parser of expressions complains about, cut to a length fit for an answer.
func reason(err error) string {
	text := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
	if len(text) > 120 {
		text = strings.ToValidUTF8(text[:120], "") + "…"
	}
	return text
}

func globPatterns(list [][]byte) []*pattern {
	patterns := make([]*pattern, len(list))
	for i, g := range list {
		patterns[i] = &pattern{key: "=" + string(g), glob: g}
		if f := longestText(g); len(f) > 0 {
			patterns[i].factors = [][]byte{f}
		}
	}
	return patterns
}

// instructions is about how many an expression compiles to; large classes count for several, by the memory they take.
func instructions(re *syntax.Regexp) int {
	n := 1
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		n += len(re.Rune) / 16
	}
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(1, re.Min, re.Max)
	}
	return n
}

// regexpKey is short whatever the expression's length.
func regexpKey(re *syntax.Regexp) string {
	sum := sha256.Sum256(appendKey(nil, re))
	return "~" + hex.EncodeToString(sum[:16])
}

// appendKey writes what a simplified expression matches, in a form of our own: Regexp.String looks at every rune of a class,
// which for \pL are a hundred thousand.
func appendKey(dst []byte, re *syntax.Regexp) []byte {
	dst = append(dst, byte(re.Op))
	if re.Op == syntax.OpLiteral {
		dst = append(dst, byte(re.Flags&syntax.FoldCase))
	}
	for _, r := range re.Rune {
		dst = binary.AppendVarint(dst, int64(r))
	}
	dst = append(dst, '(')
	for _, sub := range re.Sub {
		dst = appendKey(dst, sub)
	}
	return append(dst, ')')
}

// uncapture makes groups plain: which part matched is of no interest.
func uncapture(re *syntax.Regexp) *syntax.Regexp {
	for re.Op == syntax.OpCapture {
		re = re.Sub[0]
	}
	for i, sub := range re.Sub {
		re.Sub[i] = uncapture(sub)
	}
	return re
}

// trim takes off what an unanchored search does not need: leading and trailing parts that may match nothing.
func trim(re *syntax.Regexp) *syntax.Regexp {
	if optional(re) {
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	}
	if re.Op != syntax.OpConcat {
		return re
	}
	subs := re.Sub
	for len(subs) > 0 && optional(subs[0]) {
		subs = subs[1:]
	}
	for len(subs) > 0 && optional(subs[len(subs)-1]) {
		subs = subs[:len(subs)-1]
	}
	switch len(subs) {
	case 0:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}
	case 1:
		return subs[0]
	}
	trimmed := *re
	trimmed.Sub = subs
	return &trimmed
}

func optional(re *syntax.Regexp) bool { return re.Op == syntax.OpStar || re.Op == syntax.OpQuest }

// maxFactors is how many alternatives a required text may have before it stops being worth looking for.
const maxFactors = 16

// factors returns texts of which any match holds at least one, folded; nil when none is known.
func factors(re *syntax.Regexp) [][]byte {
	switch re.Op {
	case syntax.OpConcat:
		return concatFactors(re.Sub)
	case syntax.OpPlus:
		return factors(re.Sub[0])
	case syntax.OpAlternate:
		var all [][]byte
		for _, sub := range re.Sub {
			some := factors(sub)
			if some == nil || len(all)+len(some) > maxFactors {
				return nil
			}
			all = append(all, some...)
		}
		return minimal(all)
	}
	return globFactors(expand(re))
}

// concatFactors takes the best factors of any part, and of runs of parts that are plain text.
func concatFactors(subs []*syntax.Regexp) [][]byte {
	var best, run [][]byte
	for _, sub := range subs {
		part := expand(sub)
		if part == nil {
			best = better(best, factors(sub))
		}
		if longer := product(run, part); longer != nil {
			run = longer
		} else {
			best, run = better(best, globFactors(run)), part
		}
	}
	return better(best, globFactors(run))
}

func globFactors(list [][]byte) [][]byte {
	var all [][]byte
	for _, g := range list {
		f := longestText(withoutAnchors(g))
		if len(f) == 0 {
			return nil
		}
		all = append(all, f)
	}
	return minimal(all)
}

// minimal leaves out texts that hold another one of the list.
func minimal(list [][]byte) [][]byte {
	slices.SortFunc(list, func(a, b []byte) int { return len(a) - len(b) })
	var kept [][]byte
	for _, text := range list {
		if !slices.ContainsFunc(kept, func(k []byte) bool { return bytes.Contains(text, k) }) {
			kept = append(kept, text)
		}
	}
	return kept
}

// withoutAnchors makes anchors, wherever they are, borders of text.
func withoutAnchors(g []byte) []byte {
	g = bytes.ReplaceAll(g, []byte{textBegin}, []byte{anyRun})
	return bytes.ReplaceAll(g, []byte{textEnd}, []byte{anyRun})
}

// better prefers the set whose shortest text is longer, then the smaller one.
func better(a, b [][]byte) [][]byte {
	switch x, y := shortest(a), shortest(b); {
	case y > x, y == x && len(b) < len(a):
		return b
	}
	return a
}

func shortest(list [][]byte) int {
	if len(list) == 0 {
		return 0
	}
	return len(slices.MinFunc(list, func(a, b []byte) int { return len(a) - len(b) }))
}
