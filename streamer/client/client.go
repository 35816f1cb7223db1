// Package client reads a certstream: this project's streamer over WebSocket, SSE or raw TCP, and the certstream servers that
// came before it over WebSocket. It reconnects by itself, and resumes by cursor where the server offers one.
//
//	c, err := client.New(client.Options{URL: "ws://127.0.0.1:8080", Stream: client.Domains})
//	for event, err := range c.Events(ctx) {
//		switch e := event.(type) {
//		case *client.DomainNames:
//			fmt.Println(e.Names)
//		case *client.Gap:
//			log.Printf("missed up to %d", e.Missed)
//		}
//	}
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"net"
	"net/http"
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

// Options say what to read, and how.
type Options struct {
	// URL is the server's: ws:// or wss:// for WebSocket, http:// or https:// for SSE, tcp:// or tls:// for raw TCP. A path beside
	// "/" is taken as it is; else Stream chooses it. An address without a scheme is a WebSocket's.
	URL string
	// Stream is the stream kind.
	Stream Stream
	// Filter narrows the stream, on servers that can.
	Filter Filter
	// Token is sent as a bearer token: in the header, or in the TCP stream's first line. TokenInQuery sends it as `?token=`, for
	// servers or proxies that want it there.
	Token        string
	TokenInQuery bool
	// TokenHeader is the HTTP header that carries the token, for servers that want it in another. Default: Authorization.
	TokenHeader string
	// Since is a cursor to resume after.
	Since string
	// TLS is for wss://, https:// and tls://. Default: the system's roots.
	TLS *tls.Config
	// Dial makes connections in place of a net.Dialer and of the environment's proxies, for servers behind a tunnel. It gets the
	// URL's host and port.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// UserAgent names the program. Default: certstream-operator.
	UserAgent string
	// MinBackoff and MaxBackoff bound the wait between attempts: doubled each time, with jitter, and begun anew after a message.
	// Defaults: 500 ms and 30 s.
	MinBackoff, MaxBackoff time.Duration
	// IdleTimeout is how long a connection may be without a sign of life before it is given up. WebSocket pings count.
	// Default: 60 s.
	IdleTimeout time.Duration
}

// Filter is a server-side filter. Within a field any value matches; all fields must match unless Any is set; exclusions win.
type Filter struct {
	// Suffix are names that match with all their subdomains.
	Suffix []string
	// Domain, Issuer, Source, ExcludeDomain and ExcludeIssuer are RE2 expressions: unanchored, case-insensitive.
	Domain, Issuer, Source, ExcludeDomain, ExcludeIssuer []string
	// Any matches when one of the fields does.
	Any bool
}

// values are the filter's query parameters.
func (f Filter) values() url.Values {
	v := url.Values{}
	for name, list := range map[string][]string{
		"domain": f.Domain, "issuer": f.Issuer, "source": f.Source,
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

// Client reads one stream. It may be used by one goroutine at a time.
type Client struct {
	options Options
	url     *url.URL
	dial    func(ctx context.Context, since string) (transport, error)
	cursor  string
}

// transport is one connection.
type transport interface {
	// next returns the next message; the bytes are the caller's.
	next() ([]byte, error)
	close()
}

// New checks the options. It does not connect.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	switch o.Stream {
	case "", Full, Lite, Domains:
	default:
		return nil, fmt.Errorf("stream kind %q: want full, lite or domains", o.Stream)
	}
	c := &Client{options: o, url: u, cursor: o.Since}
	switch u.Scheme {
	case "ws", "wss":
		c.dial = c.dialWebSocket
	case "http", "https":
		c.dial = c.dialSSE
	case "tcp", "tls":
		c.dial = c.dialTCP
	default:
		return nil, fmt.Errorf("URL %q: want ws, wss, http, https, tcp or tls before ://", o.URL)
	}
	return c, nil
}

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
	return o
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

// Cursor is the newest position that the server told, "" where it tells none: what Options.Since takes.
func (c *Client) Cursor() string { return c.cursor }

// Events yields what the server sends, decoded, and a *Reconnecting whenever the connection is lost. It goes on until ctx ends
// or the loop is left. An error is the last thing it yields: ctx's, or a refusal that no second attempt would change.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(m.Event(), nil) {
				return
			}
		}
	}
}

// Messages is Events without the decoding of what is inside: for those who pass messages on.
func (c *Client) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		retry := backoff{min: c.options.MinBackoff, max: c.options.MaxBackoff}
		for connected := false; ; {
			done, served, err := c.session(ctx, yield)
			if done {
				return
			}
			if served {
				connected = true
				retry.reset()
			}
			if ctx.Err() != nil || final(err, connected) {
				yield(Message{}, errors.Join(ctx.Err(), err))
				return
			}
			wait := retry.next(err)
			if !yield(Message{reconnecting: &Reconnecting{Err: err, After: wait}}, nil) {
				return
			}
			if !sleep(ctx, wait) {
				yield(Message{}, ctx.Err())
				return
			}
		}
	}
}

// session is one connection, from dialling to its end. done says that the consumer has had enough, served that a message came.
func (c *Client) session(ctx context.Context, yield func(Message, error) bool) (done, served bool, err error) {
	t, err := c.dial(ctx, c.cursor)
	if err != nil {
		return false, false, err
	}
	defer t.close()
	stop := context.AfterFunc(ctx, t.close)
	defer stop()
	for {
		raw, err := t.next()
		if err != nil {
			return false, served, fmt.Errorf("reading from %s: %w", c.url.Host, err)
		}
		m, err := parseMessage(raw)
		if err != nil {
			return false, served, fmt.Errorf("reading from %s: %w", c.url.Host, err)
		}
		if refusal := m.refusal(); refusal != nil {
			return false, served, refusal
		}
		served = true
		if m.Cursor != "" {
			c.cursor = m.Cursor
		}
		if !yield(m, nil) {
			return true, served, nil
		}
	}
}

// proxy is how HTTP connections find a proxy: not at all where the caller makes the connections.
func (c *Client) proxy() func(*http.Request) (*url.URL, error) {
	if c.options.Dial != nil {
		return nil
	}
	return http.ProxyFromEnvironment
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// streamURL is the address to connect to: path, filters, cursor and, if asked for, the token.
func (c *Client) streamURL(paths map[Stream]string, since string) *url.URL {
	u := *c.url
	if u.Path == "" || u.Path == "/" {
		u.Path = paths[c.options.Stream]
	}
	q := u.Query()
	for name, list := range c.options.Filter.values() {
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
