package ctlog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	_ "golang.org/x/crypto/x509roots/fallback" // roots for images that have none
	"golang.org/x/net/http/httpproxy"
)

// TransportOptions say how logs, and log lists, are reached.
type TransportOptions struct {
	// HTTP1 keeps to HTTP/1.1: for operators whose limits count per connection.
	HTTP1 bool
	// Proxy is the proxy's URL, NoProxy the hosts reached without it. If both are empty, HTTPS_PROXY, HTTP_PROXY and NO_PROXY of
	// the environment hold.
	Proxy, NoProxy string
	// CABundle is a PEM file of roots that hold beside the system's. It is read again when it changes.
	CABundle string
	// AllowPrivate admits loopback and private addresses; link-local ones are never dialled. AllowHTTP admits http URLs.
	AllowPrivate, AllowHTTP bool
	// InsecureSkipVerify accepts any TLS certificate: signatures and roots still authenticate what a log serves.
	InsecureSkipVerify bool
	// Logger is told when the bundle cannot be read again (default: none).
	Logger *slog.Logger
}

// Transport is an http.RoundTripper for logs: HTTP/2, a policy of addresses that is applied when dialling, a proxy, roots of
// one's own. It is safe for concurrent use.
type Transport struct {
	o      TransportOptions
	policy addressPolicy

	current atomic.Pointer[http.Transport]

	mu      sync.Mutex // guards what follows
	checked time.Time
	bundle  fileStamp
}

// fileStamp tells one version of a file from another.
type fileStamp struct {
	modified time.Time
	size     int64
}

// NewTransport makes a Transport. It fails where the proxy's URL or the bundle cannot be read.
func NewTransport(o TransportOptions) (*Transport, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Transport{o: o, policy: addressPolicy{allowPrivate: o.AllowPrivate}, checked: time.Now()}
	t.bundle = stamp(o.CABundle)
	inner, err := t.build()
	if err != nil {
		return nil, err
	}
	t.current.Store(inner)
	return t, nil
}

// build makes the http.Transport for the options and the bundle as it is now.
func (t *Transport) build() (*http.Transport, error) {
	proxy, err := t.o.proxy()
	if err != nil {
		return nil, err
	}
	roots, err := readRoots(t.o.CABundle)
	if err != nil {
		return nil, err
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(!t.o.HTTP1)
	return &http.Transport{
		Proxy:       proxy.ProxyFunc(),
		DialContext: t.dial(proxy),
		TLSClientConfig: &tls.Config{
			RootCAs: roots, MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.o.InsecureSkipVerify, // a setting
		},
		Protocols:              &protocols,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		TLSHandshakeTimeout:    15 * time.Second,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true, // log requests do it themselves
		MaxResponseHeaderBytes: 64 << 10,
	}, nil
}

const dialTimeout = 15 * time.Second

// dial makes a DialContext that asks the policy, except for the proxies' own addresses.
func (t *Transport) dial(p proxies) func(ctx context.Context, network, address string) (net.Conn, error) {
	exempt := net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	checked := exempt
	checked.Control = t.policy.control
	own := p.addresses()
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if own[address] {
			return exempt.DialContext(ctx, network, address)
		}
		return checked.DialContext(ctx, network, address)
	}
}

// proxies is what x/net/http/httpproxy makes of the settings.
type proxies struct {
	*httpproxy.Config
}

// ProxyFunc is for http.Transport.
func (p proxies) ProxyFunc() func(*http.Request) (*url.URL, error) {
	choose := p.Config.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }
}

func (o TransportOptions) proxy() (proxies, error) {
	config := httpproxy.FromEnvironment()
	if o.Proxy != "" || o.NoProxy != "" {
		config = &httpproxy.Config{HTTPProxy: o.Proxy, HTTPSProxy: o.Proxy, NoProxy: o.NoProxy}
	}
	for _, s := range []string{config.HTTPProxy, config.HTTPSProxy} {
		if u, err := url.Parse(s); s != "" && (err != nil || u.Host == "") {
			return proxies{}, errors.New("proxy: want a URL such as http://proxy.example:3128")
		}
	}
	return proxies{config}, nil
}

// addresses are those of the proxies themselves, as http.Transport dials them.
func (p proxies) addresses() map[string]bool {
	out := map[string]bool{}
	for _, s := range []string{p.HTTPProxy, p.HTTPSProxy} {
		if u, err := url.Parse(s); err == nil && u.Host != "" {
			out[proxyAddress(u)] = true
		}
	}
	return out
}

func proxyAddress(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	if port == "" {
		port = "80"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// readRoots are the system's roots, or the embedded ones where there are none, and those of the bundle.
func readRoots(bundle string) (*x509.CertPool, error) {
	if bundle == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(bundle)
	if err != nil {
		return nil, fmt.Errorf("CA bundle: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA bundle %s: no certificate in it (want PEM)", bundle)
	}
	return roots, nil
}

func stamp(path string) fileStamp {
	info, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{info.ModTime(), info.Size()}
}

// bundleInterval is how often the bundle is looked at.
const bundleInterval = 10 * time.Second

// refresh takes up a changed bundle. A bundle that cannot be read leaves the one before in force.
func (t *Transport) refresh() {
	if t.o.CABundle == "" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.checked) < bundleInterval {
		return
	}
	t.checked = time.Now()
	now := stamp(t.o.CABundle)
	if now == t.bundle {
		return
	}
	inner, err := t.build()
	if err != nil {
		t.o.Logger.Warn("keeping the CA bundle read before", "error", err)
		return
	}
	t.bundle = now
	t.current.Swap(inner).CloseIdleConnections()
	t.o.Logger.Info("CA bundle read again", "file", t.o.CABundle)
}

// RoundTrip makes a request, if its URL is allowed.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !t.o.AllowHTTP {
		return nil, fmt.Errorf("%w: plain %s (allow_http admits it)", errRefused, r.URL.Scheme)
	}
	if err := t.policy.checkHost(r.URL); err != nil {
		return nil, err
	}
	t.refresh()
	return t.current.Load().RoundTrip(r)
}

// CloseIdleConnections closes connections that no request uses.
func (t *Transport) CloseIdleConnections() { t.current.Load().CloseIdleConnections() }
