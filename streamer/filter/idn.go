package filter

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// idnProfile maps case and width as browsers do, and takes the underscores and wildcards that certificates have.
var idnProfile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.StrictDomainName(false))

// aLabels returns a name in the form certificates have it, its IDN labels as A-labels; ok is false when it has none, or not
// valid ones.
func aLabels(name []byte) (_ []byte, ok bool) {
	if isASCII(name) {
		return nil, false
	}
	ascii, err := idnProfile.ToASCII(string(name))
	return []byte(ascii), err == nil && ascii != ""
}

func isASCII(text []byte) bool {
	return bytes.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

// globALabels turns the labels of a glob's text into A-labels.
func globALabels(g []byte) (_ []byte, ok bool) {
	var out []byte
	for len(g) > 0 {
		n := textLength(g)
		text := g[:n]
		if ascii, converted := aLabels(text); converted {
			text, ok = ascii, true
		}
		out = append(out, text...)
		if n < len(g) {
			out = append(out, g[n])
			n++
		}
		g = g[n:]
	}
	return out, ok
}

// textLength is how far it is to a glob's first byte that is not text.
func textLength(g []byte) int {
	for i, c := range g {
		if c >= textBegin {
			return i
		}
	}
	return len(g)
}

// withALabels adds, for every pattern of text with an IDN, the one that certificates can hold.
func withALabels(patterns []*pattern) []*pattern {
	var globs [][]byte
	for _, p := range patterns {
		if p.re != nil {
			continue
		}
		if g, ok := globALabels(p.glob); ok {
			globs = append(globs, g)
		}
	}
	return append(patterns, globPatterns(globs)...)
}
