package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Stream is a stream kind.
type Stream string

// The stream kinds. The zero value is whatever the URL's path says, lite for a bare address.
const (
	Full    Stream = "full"    // certificates with DER and chain
	Lite    Stream = "lite"    // certificates without DER and chain
	Domains Stream = "domains" // names only
)

// Options say what to read, and how. Only URL is needed.
type Options struct {
	// URL is the server's: ws:// or wss:// for WebSocket, http:// or https:// for SSE, tcp:// or tls:// for raw TCP. A path beside
	// "/" is taken as it is; else Stream chooses it. An address without a scheme is a WebSocket's.
	URL string
	// Stream is the stream kind.
	Stream Stream
	// Filter narrows the stream. Of servers that send no cursors, and so know no such filters, the client evaluates it itself.
	Filter Filter
	// Dedup asks for each certificate once only, on servers that can.
	Dedup Dedup
	// Since is where to begin: a cursor, to go on after it; a time as in RFC 3339 ("2026-07-01T12:00:00Z"); or how far to go back
	// ("15m"). What the server does not hold any more is told as a *Gap. Default: with what is new.
	Since string
	// Token is sent as a bearer token: in the header, or in the TCP stream's first line. TokenInQuery sends it as `?token=`, for
	// servers or proxies that want it there.
	Token        string
	TokenInQuery bool
	// TokenHeader is the HTTP header that carries the token, for servers that want it in another. Default: Authorization.
	TokenHeader string
	// TLS is for wss://, https:// and tls://. Default: the system's roots.
	TLS *tls.Config
	// Dial makes connections in place of a net.Dialer and of the environment's proxies, for servers behind a tunnel. It gets the
	// URL's host and port.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// UserAgent names the program. Default: certstream-operator.
	UserAgent string
	// MinBackoff and MaxBackoff bound the wait between attempts: doubled each time, with jitter, and begun anew after a
	// connection that held. What a server asks for goes before. Defaults: 500 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// IdleTimeout is how long a connection may be without a sign of life before it is given up. WebSocket pings count.
	// Default: 60 s.
	IdleTimeout time.Duration
	// MaxMessage bounds a message in bytes, and with that the memory a server can make the client take: some four times as much
	// while the message is read and decoded. A longer one ends the iteration. Default: 64 MiB, which holds any certificate with
	// its chain, and so may take 250 MB. Who bounds memory more tightly sets less.
	MaxMessage int
}

// Dedup says whether a server sends a certificate that it has sent already, as it comes from several logs, and as precertificate
// and as final certificate.
type Dedup string

// What can be asked for. The zero value leaves it to the server's configuration.
const (
	DedupOn  Dedup = "1"
	DedupOff Dedup = "0"
)

const defaultMaxMessage = 64 << 20

func (o Options) withDefaults() Options {
	if o.TokenHeader == "" {
		o.TokenHeader = "Authorization"
	}
	if o.UserAgent == "" {
		o.UserAgent = "certstream-operator"
	}
	if o.MinBackoff <= 0 {
		o.MinBackoff = 500 * time.Millisecond
	}
	if o.MaxBackoff < o.MinBackoff {
		o.MaxBackoff = max(30*time.Second, o.MinBackoff)
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = time.Minute
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = defaultMaxMessage
	}
	if o.Stream == "domains-only" { // as the server calls it
		o.Stream = Domains
	}
	return o
}

// check says what of the options cannot be.
func (o Options) check() error {
	switch o.Stream {
	case "", Full, Lite, Domains:
	default:
		return fmt.Errorf("stream kind %q: want full, lite or domains", o.Stream)
	}
	switch o.Dedup {
	case "", DedupOn, DedupOff:
	default:
		return fmt.Errorf("dedup %q: want 1, 0 or nothing", o.Dedup)
	}
	return nil
}

func parseURL(s string) (*url.URL, error) {
	if !strings.Contains(s, "://") {
		s = "ws://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("URL: %w", err)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("URL %q names no host: want for example ws://127.0.0.1:8080", s)
	}
	return u, nil
}

// parameters are what is asked for beside the stream: the filter and dedup. Every one but mode and dedup is a list.
func (c *Client) parameters() url.Values {
	v := c.options.Filter.values()
	if c.options.Dedup != "" {
		v.Set("dedup", string(c.options.Dedup))
	}
	return v
}

// streamURL is the address to connect to: path, filters, cursor and, if asked for, the token.
func (c *Client) streamURL(paths map[Stream]string, since string) *url.URL {
	u := *c.url
	if u.Path == "" || u.Path == "/" {
		u.Path = paths[c.options.Stream]
	}
	q := u.Query()
	for name, list := range c.parameters() {
		q[name] = list
	}
	if since != "" {
		q.Set("since", since)
	}
	if c.options.Token != "" && c.options.TokenInQuery {
		q.Set("token", c.options.Token)
	}
	u.RawQuery = q.Encode()
	return &u
}
