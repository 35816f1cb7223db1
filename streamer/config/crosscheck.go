package config

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"
)

// reservedPaths are URL paths that streams cannot have.
var reservedPaths = []string{
	"/health", "/livez", "/readyz", "/metrics", "/status", "/api", "/latest.json", "/example.json", "/debug",
}

func (k *checker) listeners() {
	c := k.c
	if c.Host == "" || strings.ContainsAny(c.Host, "/ ") || strings.Contains(c.Host, ":") && net.ParseIP(c.Host) == nil {
		k.problem("host", "want an address without a port, such as 0.0.0.0, ::1 or localhost", "%s is not an address", quote(c.Host))
	}
	if c.Protocols.TCP && c.Protocols.TCPPort == c.Port && c.Port != 0 {
		k.problem("protocols.tcp_port", "take another", "%d is the port of HTTP already", c.Port)
	}
	if c.Admin.Enabled {
		k.admin()
	}
	k.paths()
}

func (k *checker) admin() {
	c := k.c
	_, port, err := net.SplitHostPort(c.Admin.Address)
	if err != nil || port == "" || strings.Trim(port, "0123456789") != "" {
		k.problem("admin.address", "want host:port, such as 127.0.0.1:9090 or :9090", "%s is not an address", quote(c.Admin.Address))
		return
	}
	if port != "0" && (port == fmt.Sprint(c.Port) || c.Protocols.TCP && port == fmt.Sprint(c.Protocols.TCPPort)) {
		k.problem("admin.address", "take another port", "port %s is a public one already", port)
	}
}

func (k *checker) paths() {
	p := k.c.Protocols.Paths
	seen := make(map[string]string)
	for _, s := range []struct{ key, path string }{
		{"lite", p.Lite}, {"full", p.Full}, {"domains_only", p.DomainsOnly}, {"sse", p.SSE},
	} {
		key, clean := "protocols.paths."+s.key, path.Clean(s.path)
		switch {
		case !isPlainPath(s.path):
			k.problem(key, "want a path such as /full-stream", "%s is not a plain URL path", quote(s.path))
		case seen[clean] != "":
			k.problem(key, "take another", "%s is the path of %s already", s.path, seen[clean])
		case isReserved(clean):
			k.problem(key, "take another", "%s belongs to an endpoint", s.path)
		}
		seen[clean] = s.key
	}
}

// isPlainPath says whether a URL path means what it says: absolute, clean but for a slash at its end, and without patterns.
func isPlainPath(p string) bool {
	clean := path.Clean(p) == strings.TrimRight(p, "/") || p == "/"
	return strings.HasPrefix(p, "/") && clean && !strings.ContainsAny(p, "?#{} %")
}

func isReserved(p string) bool {
	for _, r := range reservedPaths {
		if p == r || strings.HasPrefix(p, r+"/") {
			return true
		}
	}
	return false
}

func (k *checker) tls() {
	switch c := k.c; {
	case c.TLSCert != "" && c.TLSKey == "":
		k.problem("tls_cert", "set tls_key to the file with its private key", "is set, but tls_key is not")
	case c.TLSCert == "" && c.TLSKey != "":
		k.problem("tls_key", "set tls_cert to the file with the certificate", "is set, but tls_cert is not")
	}
}

func (k *checker) addresses() {
	for i, s := range k.c.TrustedProxies {
		if _, err := ParsePrefix(s); err != nil {
			k.problem(fmt.Sprintf("trusted_proxies[%d]", i), "want an address or a network, such as 10.0.0.0/8", "%s is neither", quote(s))
		}
	}
	for i, s := range k.c.AllowedOrigins {
		u, err := url.Parse(s)
		if s != "*" && s != "null" && (err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != s) {
			k.problem(fmt.Sprintf("allowed_origins[%d]", i), "want scheme and host, such as https://example.com",
				"%s is not an origin", quote(s))
		}
	}
	proxy := k.c.Network.Proxy.Reveal()
	if u, err := url.Parse(proxy); proxy != "" && (err != nil || u.Host == "") {
		k.problem("network.proxy", "want a URL such as http://proxy.example:3128", "is not a URL")
	}
	if contact := k.c.Network.UserAgentContact; strings.ContainsFunc(contact, isControl) {
		k.problem("network.user_agent_contact", "want one line", "has control characters")
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// ParsePrefix reads a network, or an address as the network of it alone.
func ParsePrefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%s is neither an address nor a network", quote(s))
	}
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
}

func (k *checker) auth() {
	a := k.c.Auth
	if a.Enabled && len(a.Tokens) == 0 && a.TokensDir == "" && a.TokensFile == "" {
		k.problem("auth.enabled", "set auth.tokens, auth.tokens_dir or auth.tokens_file",
			"is true, but there is no token, so nobody could connect")
	}
	if a.HeaderName == "" || strings.ContainsFunc(a.HeaderName, notHeaderRune) {
		k.problem("auth.header_name", "want a name such as Authorization or X-API-Key", "%s cannot be a header", quote(a.HeaderName))
	}
	names, values := make(map[string]bool), make(map[Secret]bool)
	for i, t := range a.Named() {
		key := fmt.Sprintf("auth.tokens[%d]", i)
		switch {
		case t.Token == "":
			k.problem(key, "write the token, or leave the entry out", "is empty")
		case strings.ContainsFunc(t.Token.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f }):
			k.problem(key, "use visible ASCII characters only", "has characters that cannot be sent in a header")
		case names[t.Name]:
			k.problem(key, "name it otherwise", "the name %s is taken already", quote(t.Name))
		case values[t.Token]:
			k.problem(key, "leave one out", "is the same token as one before")
		case len(t.Name) > 64 || strings.ContainsFunc(t.Name, isControl):
			k.problem(key, "take a short, plain name", "%s cannot be a name", quote(t.Name))
		}
		names[t.Name], values[t.Token] = true, true
	}
}

func notHeaderRune(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	digit := r >= '0' && r <= '9'
	return !letter && !digit && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// Named are the tokens, those without a name named `token-1`, `token-2` by their place in the list.
func (a Auth) Named() []Token {
	named := make([]Token, len(a.Tokens))
	for i, t := range a.Tokens {
		if named[i] = t; t.Name == "" {
			named[i].Name = fmt.Sprintf("token-%d", i+1)
		}
	}
	return named
}

func (k *checker) logs() {
	c := k.c
	if c.CTLogsURL != "" {
		k.location("ct_logs_url", c.CTLogsURL, true)
	}
	if key := c.LogList.Key; strings.Contains(key, "-----BEGIN") && !isKey(key) {
		k.problem("log_list.key", "want a PEM block of type PUBLIC KEY", "holds no public key that can be read")
	}
	s := c.Logs
	for i, id := range s.LogIDs {
		if _, err := ParseLogID(id); err != nil {
			k.problem(fmt.Sprintf("logs.log_ids[%d]", i), "want the 32 bytes in base64 or hex", "%s is not a log id", quote(id))
		}
	}
	if !s.ExpiresFrom.IsZero() && !s.ExpiresUntil.IsZero() && !s.ExpiresFrom.Before(s.ExpiresUntil.Time) {
		k.problem("logs.expires_until", "want a later time", "is not after expires_from")
	}
}

// ParseLogID reads a log id in base64, as log lists have it, or hex.
func ParseLogID(s string) (id [32]byte, err error) {
	raw, err := base64.StdEncoding.DecodeString(s)
	if len(s) == 64 {
		raw, err = hex.DecodeString(s)
	}
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("%s is not a log id", quote(s))
	}
	return [32]byte(raw), nil
}

// location checks a URL of a log or, where files are allowed, of a log list.
func (k *checker) location(key, text string, files bool) {
	u, err := url.Parse(text)
	shown := quote(text)
	if err == nil && u.User != nil {
		shown = quote(u.Redacted())
	}
	switch {
	case files && (err != nil || u.Scheme == "" || u.Scheme == "file"):
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		k.problem(key, "want a URL such as https://ct.example.com/log", "%s is not a URL to fetch", shown)
	case u.RawQuery != "" && !files || u.Fragment != "":
		k.problem(key, "leave out what begins with ? or #", "%s has a query or a fragment", shown)
	case u.Scheme == "http" && !k.c.Network.AllowHTTP:
		k.problem(key, "use https, or set network.allow_http: true", "%s is plain http", shown)
	}
}

func (k *checker) customLogs() {
	names, urls := make(map[string]bool), make(map[string]bool)
	for i, l := range k.c.CustomLogs {
		key := fmt.Sprintf("custom_logs[%d]", i)
		if l.Name == "" {
			k.problem(key+".name", "give the log a name", "is missing")
		} else if names[l.Name] {
			k.problem(key+".name", "name it otherwise", "%s is taken already", quote(l.Name))
		}
		if l.URL == "" {
			k.problem(key+".url", "give the log's URL", "is missing")
		} else {
			k.location(key+".url", l.URL, false)
		}
		if u := strings.TrimRight(l.URL, "/"); l.URL != "" && urls[u] {
			k.problem(key+".url", "leave one out", "%s is there already", quote(l.URL))
		} else {
			urls[u] = true
		}
		if l.SubmissionURL != "" {
			k.location(key+".submission_url", l.SubmissionURL, false)
		}
		if l.Key != "" && !isKey(l.Key) {
			k.problem(key+".key", "want the log's SubjectPublicKeyInfo in base64, as log lists have it, or PEM", "is not a public key")
		}
		names[l.Name] = true
	}
}

// isKey says whether a text is a public key in PEM or in base64 of its DER.
func isKey(text string) bool {
	der, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if block, _ := pem.Decode([]byte(text)); block != nil {
		der, err = block.Bytes, nil
	}
	if err != nil {
		return false
	}
	_, err = x509.ParsePKIXPublicKey(der)
	return err == nil
}

func (k *checker) following() {
	if l := k.c.CTLog; l.RetryInitialDelayMS > l.RetryMaxDelayMS {
		k.problem("ct_log.retry_max_delay_ms", "want at least retry_initial_delay_ms", "%d is less than the first wait of %d",
			l.RetryMaxDelayMS, l.RetryInitialDelayMS)
	}
	if _, ok := k.c.CTLog.Operators[""]; ok {
		k.problem("ct_log.operators", "write the operator's name as in the log list", "an operator has no name")
	}
}

// leastRetention holds some segments, so that the oldest can go while the newest is written.
const leastRetention = 16 << 20

func (k *checker) retention() {
	r := k.c.Retention
	if r.MaxBytes > 0 && r.MaxBytes < leastRetention {
		k.problem("retention.max_bytes", "want 0 or at least 16MiB", "%s is too small", r.MaxBytes)
	}
	if dir, _ := k.c.StateDir(); r.MaxBytes > 0 && dir == "" {
		k.problem("retention.max_bytes", "set state.dir", "is set, but there is no directory to keep entries in")
	}
	if r.MaxAge > 0 && r.MaxAge.Std() < time.Minute {
		k.problem("retention.max_age", "want 0s or at least 1m", "%s is too short", r.MaxAge)
	}
}

// warnings are what is allowed but probably not meant.
func (c *Config) warnings() []string {
	var all []string
	add := func(when bool, text string) {
		if when {
			all = append(all, text)
		}
	}
	p, s := c.Protocols, c.Streams
	add(!c.Auth.Enabled && len(c.Auth.Tokens) > 0, "auth.tokens are set, but auth.enabled is false: nobody is asked for one")
	add(!p.WebSocket && !p.SSE && !p.TCP, "protocols: WebSocket, SSE and TCP are all off: no stream is served")
	add(!s.Full && !s.Lite && !s.DomainsOnly, "streams: all are off: nothing is served")
	add(c.CTLog.StateFile != "" && c.State.Dir != "", "ct_log.state_file is ignored, because state.dir is set")
	add(c.Retention.MaxAge > 0 && c.Retention.MaxBytes == 0, "retention.max_age has no effect, because retention.max_bytes is 0")
	add(c.CTLogsURL != "" && c.LogList.Source != "google", "log_list.source is ignored, because ct_logs_url is set")
	add(c.LogList.Source == "none" && c.CTLogsURL == "" && len(c.CustomLogs) == 0,
		"log_list.source is none and there are no custom_logs: no log is followed")
	add(c.Network.InsecureSkipVerify, "network.insecure_skip_verify: TLS certificates of logs are not checked")
	for _, l := range c.CustomLogs {
		add(l.Key == "", fmt.Sprintf("custom_logs: %s has no key: its signatures cannot be checked", quote(l.Name)))
	}
	return all
}
