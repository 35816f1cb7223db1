package filter

import (
	"fmt"
	"slices"
	"strings"
)

// maxName is the length of the longest domain name in text form.
const maxName = 253

// parseSuffixes reads comma lists of domain names: sorted, as certificates have them, without those below another.
func parseSuffixes(values Values, limit int) ([]string, error) {
	var all []string
	for _, value := range values {
		for _, name := range strings.Split(value, ",") {
			suffixes, err := parseSuffix(strings.TrimSpace(name))
			if err != nil {
				return nil, err
			}
			if all = append(all, suffixes...); len(all) > limit {
				return nil, &Error{"suffix", fmt.Sprintf("has more than %d names; split them over several connections", limit)}
			}
		}
	}
	slices.Sort(all)
	return dropCovered(slices.Compact(all)), nil
}

// parseSuffix reads one name, which may begin with "*." or ".". An IDN gives two, since few certificates hold it unencoded.
func parseSuffix(text string) ([]string, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(text, "*"), ".")
	name = strings.TrimSuffix(name, ".")
	folded := appendFold(nil, []byte(name))
	suffixes := []string{string(folded)}
	if ascii, ok := aLabels(folded); ok {
		suffixes = append(suffixes, string(ascii))
	}
	for _, suffix := range suffixes {
		switch {
		case suffix == "":
			return nil, &Error{"suffix", fmt.Sprintf("holds %.20q, which is no name; give names as in example.com,example.org", text)}
		case len(suffix) > maxName:
			return nil, &Error{"suffix", fmt.Sprintf("holds a name of %d bytes; names have at most %d", len(suffix), maxName)}
		case strings.ContainsAny(suffix, " /\\@:\"'()[]{}?+|^$") || strings.Contains(suffix, "..") || suffix[0] == '.':
			return nil, &Error{"suffix", fmt.Sprintf("holds %.60q, which is no domain name; for expressions use domain=", text)}
		}
	}
	return suffixes, nil
}

// dropCovered leaves out names that are below another of the list.
func dropCovered(names []string) []string {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return slices.DeleteFunc(names, func(name string) bool {
		for {
			_, parent, ok := strings.Cut(name, ".")
			if !ok {
				return false
			}
			if set[parent] {
				return true
			}
			name = parent
		}
	})
}

// eachSuffix calls yield with a folded name and each name above it, the shortest first, none longer than longest.
func eachSuffix(name []byte, longest int, yield func(suffix []byte) bool) {
	if n := len(name); n > 0 && name[n-1] == '.' {
		name = name[:n-1]
	}
	for i := len(name) - 1; i >= -1 && len(name)-i-1 <= longest; i-- {
		if (i == -1 || name[i] == '.') && !yield(name[i+1:]) {
			return
		}
	}
}
