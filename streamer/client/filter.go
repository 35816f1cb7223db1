package client

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Filter says which certificates to send. Within a field any value matches; all fields given must match unless Any is set;
// exclusions win. The server evaluates it, so what does not match costs no bandwidth.
type Filter struct {
	// Suffix are names that match with all their subdomains.
	Suffix []string
	// Glob are patterns that match a whole name: "*" stands for any text, dots among it, "?" for any character.
	Glob []string
	// Domain, Issuer, Source, ExcludeDomain and ExcludeIssuer are RE2 expressions: unanchored, case-insensitive. Domain, as Glob,
	// is matched with each name of a certificate, Issuer with the issuer's Aggregated, Source with the log's name, operator and URL.
	Domain, Issuer, Source, ExcludeDomain, ExcludeIssuer []string
	// Any matches when one of the fields does.
	Any bool
}

// globExpression is a glob as an expression.
func globExpression(glob string) string {
	text := regexp.QuoteMeta(glob)
	return "^" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(text) + "$"
}

// domains are the expressions for names, globs among them.
func (f Filter) domains() []string {
	list := slices.Clone(f.Domain)
	for _, glob := range f.Glob {
		list = append(list, globExpression(glob))
	}
	return list
}

// values are the filter's query parameters.
func (f Filter) values() url.Values {
	v := url.Values{}
	for name, list := range map[string][]string{
		"domain": f.domains(), "issuer": f.Issuer, "source": f.Source,
		"exclude_domain": f.ExcludeDomain, "exclude_issuer": f.ExcludeIssuer,
	} {
		if len(list) > 0 {
			v[name] = list
		}
	}
	if len(f.Suffix) > 0 {
		v.Set("suffix", strings.Join(f.Suffix, ","))
	}
	if f.Any {
		v.Set("mode", "any")
	}
	return v
}

// predicate is a filter that the client evaluates itself, for servers that know none.
type predicate struct {
	suffix                                               []string
	domain, issuer, source, excludeDomain, excludeIssuer []*regexp.Regexp
	any                                                  bool
}

// compile makes the predicate, nil of an empty filter.
func (f Filter) compile() (*predicate, error) {
	p := &predicate{any: f.Any}
	for _, name := range f.Suffix {
		name = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(name), "*"), ".")
		if name = strings.ToLower(strings.TrimSuffix(name, ".")); name == "" {
			return nil, fmt.Errorf("filter suffix: an empty name; want a name such as example.com")
		}
		p.suffix = append(p.suffix, name)
	}
	for _, field := range []struct {
		name string
		from []string
		to   *[]*regexp.Regexp
	}{
		{"domain", f.domains(), &p.domain}, {"issuer", f.Issuer, &p.issuer}, {"source", f.Source, &p.source},
		{"exclude domain", f.ExcludeDomain, &p.excludeDomain}, {"exclude issuer", f.ExcludeIssuer, &p.excludeIssuer},
	} {
		for _, text := range field.from {
			expression, err := regexp.Compile("(?i)" + text)
			if err != nil {
				return nil, fmt.Errorf("filter %s %q: %w", field.name, text, err)
			}
			*field.to = append(*field.to, expression)
		}
	}
	if len(f.values()) == 0 {
		return nil, nil
	}
	return p, nil
}

// matches says whether an event is wanted. What an older server does not say of a certificate rules none out: its names-only
// streams tell neither issuer nor log.
func (p *predicate) matches(e Event) bool {
	var names []string
	var issuer, source []string
	switch e := e.(type) {
	case *Certificate:
		names, issuer = e.Leaf.AllDomains, []string{e.Leaf.Issuer.Aggregated}
		source = []string{e.Source.Name, e.Source.Operator, e.Source.URL}
	case *DomainNames:
		names = e.Names
	default:
		return true
	}
	if anyMatch(p.excludeDomain, names) || anyMatch(p.excludeIssuer, issuer) {
		return false
	}
	var results []bool
	if len(p.suffix) > 0 {
		results = append(results, slices.ContainsFunc(names, p.below))
	}
	if len(p.domain) > 0 {
		results = append(results, anyMatch(p.domain, names))
	}
	if len(p.issuer) > 0 && issuer != nil {
		results = append(results, anyMatch(p.issuer, issuer))
	}
	if len(p.source) > 0 && source != nil {
		results = append(results, anyMatch(p.source, source))
	}
	if len(results) == 0 {
		return true
	}
	if p.any {
		return slices.Contains(results, true)
	}
	return !slices.Contains(results, false)
}

// below says that a name is one of the suffixes or under one.
func (p *predicate) below(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(p.suffix, func(suffix string) bool {
		rest, ok := strings.CutSuffix(name, suffix)
		return ok && (rest == "" || strings.HasSuffix(rest, "."))
	})
}

func anyMatch(expressions []*regexp.Regexp, texts []string) bool {
	for _, e := range expressions {
		if slices.ContainsFunc(texts, e.MatchString) {
			return true
		}
	}
	return false
}
