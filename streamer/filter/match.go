package filter

import "slices"

// Match decides on one record, alone: for a client that is being caught up. It is safe for concurrent use.
func (f *Filter) Match(s *Subject) bool {
	if f == nil {
		return true
	}
	var matched field
	var buffer [256]byte
	for _, c := range f.clauses {
		if matchesAny(c.patterns, c.field, s, buffer[:0]) {
			matched |= c.field
		}
	}
	if f.matchesSuffix(s, buffer[:0]) {
		matched |= suffixField
	}
	return f.decide(matched)
}

// matchesAny says whether any pattern matches any text of the field.
func matchesAny(patterns []*pattern, f field, s *Subject, buffer []byte) bool {
	test := func(text []byte) bool {
		folded := appendFold(buffer, text)
		return slices.ContainsFunc(patterns, func(p *pattern) bool { return p.match(text, folded) })
	}
	switch f {
	case domainField, excludeDomainField:
		return slices.ContainsFunc(s.Domains, test)
	case issuerField, excludeIssuerField:
		return test(s.Issuer)
	}
	return s.Source != nil && (test([]byte(s.Source.Name)) || test([]byte(s.Source.Operator)) || test([]byte(s.Source.URL)))
}

func (f *Filter) matchesSuffix(s *Subject, buffer []byte) bool {
	if len(f.suffixes) == 0 {
		return false
	}
	for _, name := range s.Domains {
		found := false
		eachSuffix(appendFold(buffer, name), maxName, func(suffix []byte) bool {
			_, found = slices.BinarySearchFunc(f.suffixes, suffix, func(a string, b []byte) int { return compare(a, b) })
			return !found
		})
		if found {
			return true
		}
	}
	return false
}

func compare(a string, b []byte) int {
	switch text := string(b); {
	case a < text:
		return -1
	case a > text:
		return 1
	}
	return 0
}
