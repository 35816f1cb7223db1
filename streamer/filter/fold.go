package filter

import (
	"unicode"
	"unicode/utf8"
)

// foldRune maps every rune to one representative of those that differ from it by case only, as (?i) in RE2 has it.
func foldRune(r rune) rune {
	if r >= utf8.RuneSelf {
		first := r
		for f := unicode.SimpleFold(first); f != first; f = unicode.SimpleFold(f) {
			r = min(r, f)
		}
	}
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

// hasCase says whether other runes differ from r by case only.
func hasCase(r rune) bool { return unicode.SimpleFold(r) != r }

// appendFold adds text to dst, each rune folded. What is not UTF-8 becomes U+FFFD, as regexp reads it.
func appendFold(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		dst = utf8.AppendRune(dst, foldRune(r))
		i += size
	}
	return dst
}
