package filter

import (
	"bytes"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// A glob is the part of RE2 that needs no automaton: folded text with these bytes, which no UTF-8 holds, in between.
const (
	anyRune   = 0xff // .
	anyRun    = 0xfe // .*
	textEnd   = 0xfd // $, last only
	textBegin = 0xfc // ^, first only
)

// maxGlobs is how many globs an expression may stand for, so that (a|b)\.(com|net) does not need an automaton either.
const maxGlobs = 16

// globs returns the globs that together match what re matches; ok is false when there are none or too many.
func globs(re *syntax.Regexp) (list [][]byte, ok bool) {
	list = expand(re)
	for i, g := range list {
		if list[i], ok = normalise(g); !ok {
			return nil, false
		}
	}
	return list, len(list) > 0
}

// expand returns the globs of re, unnormalised; nil when it cannot.
func expand(re *syntax.Regexp) [][]byte {
	switch re.Op {
	case syntax.OpEmptyMatch:
		return [][]byte{nil}
	case syntax.OpLiteral:
		return expandLiteral(re)
	case syntax.OpCharClass:
		return expandClass(re)
	case syntax.OpAnyChar:
		return [][]byte{{anyRune}}
	case syntax.OpBeginText:
		return [][]byte{{textBegin}}
	case syntax.OpEndText:
		return [][]byte{{textEnd}}
	case syntax.OpCapture:
		return expand(re.Sub[0])
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		return expandRepeated(re)
	case syntax.OpConcat:
		return expandConcat(re.Sub)
	case syntax.OpAlternate:
		return expandAlternate(re.Sub)
	}
	return nil
}

// expandLiteral folds a literal, unless (?-i) made its case matter.
func expandLiteral(re *syntax.Regexp) [][]byte {
	var text []byte
	for _, r := range re.Rune {
		if re.Flags&syntax.FoldCase == 0 && hasCase(r) {
			return nil
		}
		text = utf8.AppendRune(text, foldRune(r))
	}
	return [][]byte{text}
}

// expandClass lists a class of few runes, if it holds all cases of each.
func expandClass(re *syntax.Regexp) [][]byte {
	var list [][]byte
	for i := 0; i+1 < len(re.Rune); i += 2 {
		low, high := re.Rune[i], re.Rune[i+1]
		if high-low > 4*maxGlobs {
			return nil
		}
		for r := low; r <= high; r++ {
			if !closedUnderCase(re.Rune, r) {
				return nil
			}
			if folded := foldRune(r); folded == r {
				list = append(list, utf8.AppendRune(nil, r))
			}
			if len(list) > maxGlobs {
				return nil
			}
		}
	}
	return list
}

// closedUnderCase says whether ranges hold r in all its cases.
func closedUnderCase(ranges []rune, r rune) bool {
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		if !inRanges(ranges, f) {
			return false
		}
	}
	return true
}

func inRanges(ranges []rune, r rune) bool {
	for i := 0; i+1 < len(ranges); i += 2 {
		if ranges[i] <= r && r <= ranges[i+1] {
			return true
		}
	}
	return false
}

// expandRepeated handles .* .+ and x?.
func expandRepeated(re *syntax.Regexp) [][]byte {
	sub := re.Sub[0]
	switch {
	case re.Op == syntax.OpQuest:
		return expandAlternate([]*syntax.Regexp{{Op: syntax.OpEmptyMatch}, sub})
	case sub.Op != syntax.OpAnyChar:
		return nil
	case re.Op == syntax.OpStar:
		return [][]byte{{anyRun}}
	}
	return [][]byte{{anyRune, anyRun}}
}

func expandConcat(subs []*syntax.Regexp) [][]byte {
	list := [][]byte{nil}
	for _, sub := range subs {
		if list = product(list, expand(sub)); list == nil {
			return nil
		}
	}
	return list
}

// product joins each head with each tail; nil when there are none or too many.
func product(heads, tails [][]byte) [][]byte {
	if len(heads)*len(tails) > maxGlobs {
		return nil
	}
	var list [][]byte
	for _, head := range heads {
		for _, tail := range tails {
			list = append(list, slices.Concat(head, tail))
		}
	}
	return list
}

func expandAlternate(subs []*syntax.Regexp) [][]byte {
	var list [][]byte
	for _, sub := range subs {
		more := expand(sub)
		if more == nil || len(list)+len(more) > maxGlobs {
			return nil
		}
		list = append(list, more...)
	}
	return list
}

// normalise gives globs of equal meaning the same text, and refuses those whose anchors stand inside.
func normalise(g []byte) (_ []byte, ok bool) {
	begin, end := false, false
	for len(g) > 0 && g[0] == textBegin {
		begin, g = true, g[1:]
	}
	for len(g) > 0 && g[len(g)-1] == textEnd {
		end, g = true, g[:len(g)-1]
	}
	if bytes.IndexByte(g, textBegin) >= 0 || bytes.IndexByte(g, textEnd) >= 0 {
		return nil, false
	}
	var out []byte
	if begin {
		out = append(out, textBegin)
	}
	for i := 0; i < len(g); {
		n := wildcards(g[i:])
		if n == 0 {
			out = append(out, g[i])
			i++
			continue
		}
		runes, run := bytes.Count(g[i:i+n], []byte{anyRune}), bytes.IndexByte(g[i:i+n], anyRun) >= 0
		first, last := i == 0, i+n == len(g)
		if run && first { // ^.* is no anchor
			out = out[:0]
		}
		out = append(out, bytes.Repeat([]byte{anyRune}, runes)...)
		if run && last { // .*$ is none either
			end = false
		}
		if run && !first && !last {
			out = append(out, anyRun)
		}
		i += n
	}
	if end {
		out = append(out, textEnd)
	}
	return out, true
}

// wildcards is how many wildcards g begins with.
func wildcards(g []byte) int {
	n := 0
	for n < len(g) && g[n] >= anyRun {
		n++
	}
	return n
}

// matchGlob says whether folded text holds what the glob describes.
func matchGlob(g, text []byte) bool {
	begin := len(g) > 0 && g[0] == textBegin
	if begin {
		g = g[1:]
	}
	end := len(g) > 0 && g[len(g)-1] == textEnd
	if end {
		g = g[:len(g)-1]
	}
	for more := true; more; begin = false {
		var segment []byte
		segment, g, more = bytes.Cut(g, []byte{anyRun})
		n := findSegment(segment, text, begin, end && !more)
		if n < 0 {
			return false
		}
		text = text[n:]
	}
	return true
}

// findSegment finds the leftmost place of a segment in text, at its begin or up to its end if so asked, and returns where the
// segment ends; -1 when there is none.
func findSegment(segment, text []byte, begin, end bool) int {
	if !begin && !end && bytes.IndexByte(segment, anyRune) < 0 {
		if i := bytes.Index(text, segment); i >= 0 {
			return i + len(segment)
		}
		return -1
	}
	for at := 0; at <= len(text); {
		if n := matchSegment(segment, text[at:]); n >= 0 && (!end || at+n == len(text)) {
			return at + n
		}
		if begin || at == len(text) {
			break
		}
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return -1
}

// matchSegment returns how much of text's begin the segment takes, -1 if it does not match there.
func matchSegment(segment, text []byte) int {
	at := 0
	for _, c := range segment {
		switch {
		case at == len(text):
			return -1
		case c == anyRune:
			_, size := utf8.DecodeRune(text[at:])
			at += size
		case c != text[at]:
			return -1
		default:
			at++
		}
	}
	return at
}

// longestText is the longest run of a glob that is text: what anything that matches holds.
func longestText(g []byte) []byte {
	var best []byte
	for _, run := range bytes.FieldsFunc(g, func(r rune) bool { return r == utf8.RuneError }) {
		if len(run) > len(best) {
			best = run
		}
	}
	return best
}
