package access

import (
	"fmt"
	"net/url"
	"strings"
)

// originSet is which web pages may connect. The empty set admits all: there are no cookies that a page could misuse.
type originSet []originRule

// originRule is an origin, or all those whose host is below one.
type originRule struct {
	scheme, host string // scheme empty: any
	below        bool
}

// parseOrigins reads origins: https://example.com, https://*.example.com, example.com (any scheme), or * for all.
func parseOrigins(texts []string) (originSet, error) {
	var set originSet
	for _, text := range texts {
		if text == "*" {
			return nil, nil
		}
		rule, ok := parseOrigin(text)
		if !ok {
			return nil, fmt.Errorf("%q is no origin; give https://example.com, https://*.example.com or *", text)
		}
		set = append(set, rule)
	}
	return set, nil
}

func parseOrigin(text string) (originRule, bool) {
	scheme, host, ok := strings.Cut(strings.ToLower(text), "://")
	if !ok {
		scheme, host = "", scheme
	}
	host, below := strings.CutPrefix(host, "*.")
	if host == "" || strings.ContainsAny(host, "/*?#@ ") {
		return originRule{}, false
	}
	return originRule{scheme, host, below}, true
}

// allows says whether a page of the origin may connect. Clients that are no browsers send none.
func (set originSet) allows(origin string) bool {
	if origin == "" || len(set) == 0 {
		return true
	}
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil || u.Host == "" {
		return false
	}
	for _, rule := range set {
		if rule.scheme != "" && rule.scheme != u.Scheme {
			continue
		}
		if !rule.below && rule.host == u.Host || rule.below && strings.HasSuffix(u.Host, "."+rule.host) {
			return true
		}
	}
	return false
}
