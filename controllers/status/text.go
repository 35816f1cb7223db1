package status

import (
	"strings"
	"unicode"
)

// Bounds of texts, in runes: of a condition, and of what others wrote in it. maxHandled is that of an annotation's value in the
// status, in bytes.
const (
	maxMessage = 1000
	maxQuoted  = 300
	maxHandled = 128
)

// cutBytes shortens a text to so many bytes, between two runes.
func cutBytes(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// cut shortens a text.
func cut(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// quoted is what others wrote, in one line and cut to size; other when there is nothing.
func quoted(s, other string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(s, ""))
	s = strings.TrimRight(strings.Join(strings.Fields(s), " "), ".")
	if s == "" {
		return other
	}
	return cut(s, maxQuoted)
}

// sentences joins messages, each said once.
func sentences(messages []string) string {
	var said []string
	seen := make(map[string]bool, len(messages))
	for _, m := range messages {
		if m != "" && !seen[m] {
			seen[m] = true
			said = append(said, m)
		}
	}
	return strings.Join(said, "; ")
}
