package controllers

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
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

// maxTokenBytes is how long the streamer lets a token be.
const maxTokenBytes = 4096

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
		token := strings.TrimSpace(string(data[key]))
		switch {
		case strings.HasPrefix(key, "."):
			return fmt.Sprintf("the key %q begins with a dot, and is not read: rename it", key)
		case token == "":
			return fmt.Sprintf("the token %q is empty", key)
		case len(token) > maxTokenBytes:
			return fmt.Sprintf("the token %q has %d bytes, more than %d", key, len(token), maxTokenBytes)
		case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
			return fmt.Sprintf("the token %q has spaces, line ends or other characters that no header can carry: one key is one token", key)
		}
	}
	return ""
}

// tokenOrigins are the fields that tokens come from, by their names, where the names are the keys of whole Secrets. (The names of
// single keys are in the spec, and checked with it.)
type tokenOrigins map[string]string

// add refuses a Secret with a token of a name that there is already: one of the two would be hidden by the other.
func (o tokenOrigins) add(ref build.Reference, secret *corev1.Secret) error {
	for _, name := range slices.Sorted(maps.Keys(secret.Data)) {
		if field, taken := o[name]; taken && field != ref.Field {
			return stalled(v1alpha1.ReasonSecretInvalid,
				"The token %q is in the Secrets of both %s and %s: rename one of the keys", name, field, ref.Field)
		}
		o[name] = ref.Field
	}
	return nil
}
