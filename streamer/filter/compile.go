package filter

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Limits bound one client's filter. A zero field means its default.
type Limits struct {
	// Values is the number of expressions in all fields together; default 100.
	Values int
	// Suffixes is the number of domain suffixes; default 1,000.
	Suffixes int
	// PatternBytes is the length of an expression; default 256.
	PatternBytes int
	// ProgramSize is the number of instructions that an expression may compile to; default 400.
	ProgramSize int
	// Regexps is the number of expressions that need the regular expression engine; default 10. Plain text, anchors, "." and
	// ".*", and small alternatives of them do not.
	Regexps int
}

// DefaultLimits are those that hold where nothing else is configured.
func DefaultLimits() Limits {
	return Limits{Values: 100, Suffixes: 1000, PatternBytes: 256, ProgramSize: 400, Regexps: 10}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits()
	for _, field := range []struct{ have, want *int }{
		{&l.Values, &d.Values}, {&l.Suffixes, &d.Suffixes}, {&l.PatternBytes, &d.PatternBytes},
		{&l.ProgramSize, &d.ProgramSize}, {&l.Regexps, &d.Regexps},
	} {
		if *field.have <= 0 {
			*field.have = *field.want
		}
	}
	return l
}

// field is a bit for each part of a query.
type field uint8

const (
	domainField field = 1 << iota
	issuerField
	sourceField
	suffixField
	excludeDomainField
	excludeIssuerField
)

const excludes = excludeDomainField | excludeIssuerField

// clause is one field's patterns.
type clause struct {
	field    field
	patterns []*pattern
}

// Filter is a compiled query. It is immutable. The nil Filter is the empty one: it matches everything.
type Filter struct {
	key      string
	text     string
	any      bool
	needs    field // the positive fields that are given
	plain    field // those of them without regular expressions
	clauses  []clause
	suffixes []string
	regexps  int
	dedup    bool
}

// Compile checks a query and makes it a filter, nil when the query is empty: one that asks for each certificate once
// is not. Its errors are of type *Error.
func Compile(q Query, limits Limits) (*Filter, error) {
	limits = limits.withDefaults()
	f := &Filter{}
	if err := f.setMode(q.Mode); err != nil {
		return nil, err
	}
	wide := 0
	for _, part := range q.parts() {
		if wide += wideRanges(part.values); wide > maxWideRanges {
			return nil, &Error{part.param, fmt.Sprintf("has more than %d ranges that end beyond ASCII; use classes like \\pL",
				maxWideRanges)}
		}
		if err := f.addClause(part, limits); err != nil {
			return nil, err
		}
	}
	if err := f.setSuffixes(q.Suffix, limits); err != nil {
		return nil, err
	}
	f.dedup = q.Dedup == On
	if f.All() && !f.dedup {
		return nil, nil
	}
	f.key, f.plain, f.text = f.canonical(), f.plainFields(), q.text()
	return f, nil
}

// part is one field of a query.
type part struct {
	field  field
	param  string
	values Values
}

func (q Query) parts() []part {
	return []part{
		{domainField, "domain", q.Domain},
		{issuerField, "issuer", q.Issuer},
		{sourceField, "source", q.Source},
		{excludeDomainField, "exclude_domain", q.ExcludeDomain},
		{excludeIssuerField, "exclude_issuer", q.ExcludeIssuer},
	}
}

// paramNames are the names of fields, as queries have them.
func (f field) param() string {
	for _, p := range (Query{}).parts() {
		if p.field == f {
			return p.param
		}
	}
	return "suffix"
}

func (f *Filter) setMode(mode string) error {
	switch strings.ToLower(mode) {
	case "", "all":
	case "any":
		f.any = true
	default:
		return &Error{"mode", fmt.Sprintf("is %.20q; give all or any", mode)}
	}
	return nil
}

func (f *Filter) addClause(p part, limits Limits) error {
	if len(p.values) == 0 {
		return nil
	}
	if len(p.values) > limits.Values {
		return &Error{p.param, fmt.Sprintf("has %d values, more than %d; split them over several connections",
			len(p.values), limits.Values)}
	}
	var all []*pattern
	engines := map[string]bool{}
	for _, value := range p.values {
		patterns, err := parsePattern(p.param, value, limits)
		if err != nil {
			return err
		}
		if patterns[0].re != nil {
			engines[patterns[0].key] = true
		}
		if n := f.regexps + len(engines); n > limits.Regexps { // to read the others would be work for nothing
			return &Error{p.param, fmt.Sprintf("asks for %d regular expressions, more than the %d a client may have; "+
				"use suffix= or plain text", n, limits.Regexps)}
		}
		if p.field&(domainField|excludeDomainField) != 0 {
			if strings.Contains(value, " ") {
				return &Error{p.param, "holds a space, which no name does; in a URL, write + as %2B"}
			}
			patterns = withALabels(patterns)
		}
		all = append(all, patterns...)
	}
	slices.SortFunc(all, func(a, b *pattern) int { return strings.Compare(a.key, b.key) })
	all = slices.CompactFunc(all, func(a, b *pattern) bool { return a.key == b.key })
	for _, pattern := range all {
		if pattern.re != nil {
			f.regexps++
		}
	}
	f.clauses = append(f.clauses, clause{p.field, all})
	f.needs |= p.field &^ excludes
	return nil
}

func (f *Filter) setSuffixes(values Values, limits Limits) error {
	suffixes, err := parseSuffixes(values, limits.Suffixes)
	if err != nil || len(suffixes) == 0 {
		return err
	}
	f.suffixes = suffixes
	f.needs |= suffixField
	return nil
}

// plainFields are the positive fields that are decided without the engine.
func (f *Filter) plainFields() field {
	plain := f.needs
	for _, c := range f.clauses {
		if slices.ContainsFunc(c.patterns, func(p *pattern) bool { return p.re != nil }) {
			plain &^= c.field
		}
	}
	return plain
}

// canonical makes the key: the same for filters that mean the same by the rules of this package.
func (f *Filter) canonical() string {
	var key strings.Builder
	if f.any && f.needs&(f.needs-1) != 0 {
		key.WriteString("mode=any")
	}
	write := func(param, value string) {
		if key.Len() > 0 {
			key.WriteByte('&')
		}
		key.WriteString(param + "=" + url.QueryEscape(value))
	}
	for _, c := range f.clauses {
		for _, p := range c.patterns {
			write(c.field.param(), p.key)
		}
	}
	for _, suffix := range f.suffixes {
		write("suffix", suffix)
	}
	if f.dedup {
		write("dedup", "1")
	}
	return key.String()
}

// Key is the canonical form: filters with equal keys match the same records. It is empty for the empty filter.
func (f *Filter) Key() string {
	if f == nil {
		return ""
	}
	return f.key
}

// maxText is how much of a query String shows.
const maxText = 200

// text is the query as a URL has it, cut.
func (q Query) text() string {
	values := url.Values{}
	for _, p := range append(q.parts(), part{param: "suffix", values: q.Suffix}) {
		if len(p.values) > 0 {
			values[p.param] = p.values
		}
	}
	if q.Mode != "" {
		values.Set("mode", q.Mode)
	}
	if q.Dedup == On {
		values.Set("dedup", "1")
	}
	text := values.Encode()
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return text
}

// String is the filter as the first client wrote it, cut: for people.
func (f *Filter) String() string {
	if f == nil {
		return ""
	}
	return f.text
}

// Regexps is how many expressions need the regular expression engine: 0 for plain text and suffixes.
func (f *Filter) Regexps() int {
	if f == nil {
		return 0
	}
	return f.regexps
}

// All says that the filter leaves nothing out, other than copies.
func (f *Filter) All() bool { return f == nil || len(f.clauses) == 0 && len(f.suffixes) == 0 }

// Dedup says whether the filter's clients want each certificate once.
func (f *Filter) Dedup() bool { return f != nil && f.dedup }

// decide says whether a record matches, given the fields of which some value matched it.
func (f *Filter) decide(matched field) bool {
	positive := matched &^ excludes
	switch {
	case matched&excludes != 0:
		return false
	case f.any:
		return positive != 0 || f.needs == 0
	}
	return positive == f.needs
}

// size is about the memory that the filter takes: the number of patterns and suffixes, regular expressions by their instructions.
func (f *Filter) size() int {
	n := len(f.suffixes)
	for _, c := range f.clauses {
		for _, p := range c.patterns {
			n += max(1, p.weight)
		}
	}
	return n
}

// regexpsOnly is the filter's expressions that need the engine, alone.
func (f *Filter) regexpsOnly() *Filter {
	only := &Filter{any: true}
	for _, c := range f.clauses {
		patterns := slices.DeleteFunc(slices.Clone(c.patterns), func(p *pattern) bool { return p.re == nil })
		only.clauses = append(only.clauses, clause{c.field, patterns})
	}
	return only
}
