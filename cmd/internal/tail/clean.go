package tail

import (
	"fmt"
	"slices"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/certstream-operator/certstream-operator/internal/terminal"
)

// cleanError is an error whose text may be a server's: nothing in it is left that a terminal would obey.
type cleanError struct{ error }

// Error is the text as a terminal may have it.
func (e cleanError) Error() string { return terminal.Clean(e.error.Error()) }

// Unwrap gives the error itself.
func (e cleanError) Unwrap() error { return e.error }

// cleanJSON writes what a terminal would obey, or show as nothing, as JSON's escapes: the same JSON in one line.
func cleanJSON(raw []byte) []byte {
	if !slices.ContainsFunc(raw, func(c byte) bool { return c < ' ' || c > '~' }) {
		return raw
	}
	out := make([]byte, 0, len(raw)+16)
	for _, r := range string(raw) {
		switch {
		case r == '\n', r == '\r', r == '\t':
			out = append(out, ' ') // between the tokens: strings have none
		case unicode.IsPrint(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}
