package filter

import (
	"fmt"
	"slices"
	"strings"
)

// paramNames are the parameters of a Query.
var paramNames = [...]string{"domain", "issuer", "source", "exclude_domain", "exclude_issuer", "suffix", "mode", "dedup"}

// CheckNames looks at the names of a client's parameters, of which others are known besides those of filters. One that is nearly
// a known one is an *Error: left out in silence, a filter that is misspelt would let everything through. Those that are like none
// are returned, sorted.
func CheckNames(names []string, others ...string) (unknown []string, err error) {
	known := append(paramNames[:len(paramNames):len(paramNames)], others...)
	for _, name := range slices.Sorted(slices.Values(names)) {
		if slices.Contains(known, name) {
			continue
		}
		if i := slices.IndexFunc(known, func(k string) bool { return near(name, k) }); i >= 0 {
			return nil, &Error{fmt.Sprintf("%.40q", name), fmt.Sprintf("is not known; did you mean %s?", known[i])}
		}
		unknown = append(unknown, name)
	}
	return unknown, nil
}

// near says whether a name was probably meant to be a known one: written in another way, or with a slip. Of a long name two slips
// are forgiven, of one of four letters none, for it takes few to get from there to another word.
func near(name, known string) bool {
	if len(name) > 40 {
		return false
	}
	plain := strings.NewReplacer("_", "", "-", "", ".", "", "[]", "", " ", "")
	a, b := plain.Replace(strings.ToLower(name)), plain.Replace(known)
	if a == b || a == b+"s" || a == b+"es" {
		return true
	}
	return distance(a, b) <= min(2, (len(b)-1)/4)
}

// distance is the number of letters to insert, delete, change or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
