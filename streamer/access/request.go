package access

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Subprotocol is what a browser names, followed by its token, in Sec-WebSocket-Protocol, and what the server answers then.
const Subprotocol = "bearer"

// maxPresented bounds how many tokens of one request are looked at.
const maxPresented = 4

// Request is what is known of somebody who wants to be let in.
type Request struct {
	// Peer is the address at the socket's other end; Forwarded are the lines of X-Forwarded-For.
	Peer      netip.Addr
	Forwarded []string
	// Origin is the header of this name, empty outside browsers.
	Origin string
	// Tokens are the secrets presented; any good one will do.
	Tokens []string
}

// FromHTTP takes what concerns access out of an HTTP request. It removes the parameter token from the request's URL, whether
// it is accepted there or not, so that nothing that logs the URL can show it.
func (g *Gate) FromHTTP(r *http.Request) Request {
	auth := g.state.Load().options.Auth
	fromQuery := stripToken(r)
	presented := headerTokens(r.Header, auth.Header)
	if auth.QueryToken {
		presented = append(presented, fromQuery...)
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // no address is one that no proxy has and no limit tells apart
	return Request{
		Peer:      peer.Addr(),
		Forwarded: r.Header.Values("X-Forwarded-For"),
		Origin:    r.Header.Get("Origin"),
		Tokens:    presented[:min(len(presented), maxPresented)],
	}
}

// headerTokens finds tokens in the header of the name given, with or without "Bearer", and in the WebSocket's subprotocols.
func headerTokens(h http.Header, name string) []string {
	var list []string
	for _, value := range h.Values(name) {
		scheme, rest, ok := strings.Cut(value, " ")
		if ok && strings.EqualFold(scheme, "Bearer") {
			value = rest
		}
		if value = strings.TrimSpace(value); value != "" {
			list = append(list, value)
		}
	}
	if token, ok := subprotocolToken(h); ok {
		list = append(list, token)
	}
	return list
}

// subprotocolToken reads `bearer, T`.
func subprotocolToken(h http.Header) (string, bool) {
	first, second, ok := strings.Cut(strings.Join(h.Values("Sec-WebSocket-Protocol"), ","), ",")
	if !ok || !strings.EqualFold(strings.TrimSpace(first), Subprotocol) {
		return "", false
	}
	token, _, _ := strings.Cut(second, ",")
	token = strings.TrimSpace(token)
	return token, token != ""
}

// OffersSubprotocol says whether the client offers the subprotocol bearer, so that the upgrade has to answer with it.
func OffersSubprotocol(h http.Header) bool {
	_, ok := subprotocolToken(h)
	return ok
}

// stripToken takes every parameter token out of the URL and returns their values.
func stripToken(r *http.Request) []string {
	if r.URL.RawQuery == "" {
		return nil
	}
	var values, kept []string
	for _, pair := range strings.Split(r.URL.RawQuery, "&") {
		rest, found := stripPair(pair)
		values = append(values, found...)
		if rest != "" {
			kept = append(kept, rest)
		}
	}
	r.URL.RawQuery = strings.Join(kept, "&")
	r.RequestURI = r.URL.RequestURI()
	return values
}

// stripPair takes a parameter token off what stands between two &; semicolons are an old way to separate parameters.
func stripPair(pair string) (rest string, values []string) {
	var kept []string
	for _, part := range strings.Split(pair, ";") {
		key, value, _ := strings.Cut(part, "=")
		if decoded, err := url.QueryUnescape(key); err != nil || !strings.EqualFold(decoded, "token") {
			kept = append(kept, part)
			continue
		}
		if decoded, err := url.QueryUnescape(value); err == nil && decoded != "" {
			values = append(values, decoded)
		}
	}
	return strings.Join(kept, ";"), values
}
