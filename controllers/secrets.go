package controllers

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// wrongContent says what is wrong with the content of a Secret; empty when nothing is. It repeats nothing of it.
func wrongContent(ref build.Reference, data map[string][]byte) string {
	switch ref.Role {
	case build.RoleToken:
		return wrongTokens(ref, data)
	case build.RoleTLS:
		if _, err := tls.X509KeyPair(data["tls.crt"], data["tls.key"]); err != nil {
			return "tls.crt and tls.key are not a certificate and its private key in PEM"
		}
	case build.RoleProxy:
		u, err := url.Parse(strings.TrimSpace(string(data[ref.Keys[0]])))
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5"}, u.Scheme) {
			return fmt.Sprintf("key %q is not the URL of a proxy, such as http://user:password@proxy.example:3128", ref.Keys[0])
		}
	}
	return ""
}

// wrongTokens holds tokens to what a client can send in a header.
func wrongTokens(ref build.Reference, data map[string][]byte) string {
	keys := ref.Keys
	if len(keys) == 0 {
		keys = slices.Sorted(maps.Keys(data))
	}
	if len(keys) == 0 {
		return "it has no key: each key is a token's name, and its value the token"
	}
	for _, key := range keys {
		token := strings.TrimRight(string(data[key]), "\r\n")
		switch {
		case token == "":
			return fmt.Sprintf("the token %q is empty", key)
		case strings.ContainsFunc(token, func(r rune) bool { return r < ' ' || r > '~' }):
			return fmt.Sprintf("the token %q has line ends or other characters that no header can carry: one key is one token", key)
		}
	}
	return ""
}
