package ctlog

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

func TestAddressPolicy(t *testing.T) {
	for _, c := range []struct {
		addresses               string
		byDefault, allowPrivate bool
	}{
		{"8.8.8.8 2606:4700::1111 1.1.1.1 172.32.0.1 100.128.0.1", true, true},
		{"127.0.0.1 ::1 10.1.2.3 172.16.0.1 172.31.255.255 192.168.1.1 fd12::1 100.64.0.1 ::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1::",
			false, true},
		{"169.254.169.254 ::ffff:169.254.169.254 fe80::1 fe80::1%eth0 0.0.0.0 :: 224.0.0.1 ff02::1 255.255.255.255 240.0.0.1 fd00:ec2::254 " +
			"64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 2001:db8::1 100::1", false, false},
	} {
		for _, s := range strings.Fields(c.addresses) {
			a := netip.MustParseAddr(s)
			if err := (addressPolicy{}).check(a); (err == nil) != c.byDefault {
				t.Errorf("%s by default: %v", s, err)
			}
			if err := (addressPolicy{allowPrivate: true}).check(a); (err == nil) != c.allowPrivate {
				t.Errorf("%s with private addresses allowed: %v", s, err)
			}
		}
	}
}

// tlsServer serves one log with TLS for 127.0.0.1 and localhost.
func tlsServer(t *testing.T, config *tls.Config) *testlog.Log {
	t.Helper()
	l := filled(testlog.Options{Name: "log"}, 3)
	s, err := testlog.Serve("127.0.0.1:0", config, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return l
}

func bundle(t *testing.T, pem []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// headVia asks for the head through a transport of some options, and gives the error's kind.
func headVia(t *testing.T, l *testlog.Log, url string, o TransportOptions) Kind {
	t.Helper()
	transport, err := NewTransport(o)
	if err != nil {
		t.Fatal(err)
	}
	return headWith(t, l, url, transport)
}

func headWith(t *testing.T, l *testlog.Log, url string, transport http.RoundTripper) Kind {
	t.Helper()
	log, err := NewRFC6962(Options{URL: url, Key: l.Key(), Client: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	_, err = log.Head(context.Background())
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Kind
	}
	if err != nil {
		t.Errorf("an error that is no *Error: %v", err)
	}
	return ""
}

func TestTransportFailures(t *testing.T) {
	ca := testlog.NewCA("Test")
	good := tlsServer(t, ca.TLSConfig(0, "127.0.0.1", "localhost"))
	expired := tlsServer(t, ca.TLSConfig(-time.Minute, "127.0.0.1"))
	plain := tlsServer(t, nil)
	roots := bundle(t, ca.RootPEM())
	local := strings.Replace(good.URL(), "127.0.0.1", "localhost", 1)
	for _, c := range []struct {
		name string
		l    *testlog.Log
		url  string
		o    TransportOptions
		want Kind
	}{
		{"own roots", good, good.URL(), TransportOptions{AllowPrivate: true, CABundle: roots}, ""},
		{"HTTP/1.1", good, good.URL(), TransportOptions{AllowPrivate: true, CABundle: roots, HTTP1: true}, ""},
		{"row 33: unknown root", good, good.URL(), TransportOptions{AllowPrivate: true}, TLS},
		{"row 33: expired", expired, expired.URL(), TransportOptions{AllowPrivate: true, CABundle: roots}, TLS},
		{"row 33: wrong name", expired, strings.Replace(expired.URL(), "127.0.0.1", "localhost", 1),
			TransportOptions{AllowPrivate: true, CABundle: roots}, TLS},
		{"row 33: accepted", expired, expired.URL(), TransportOptions{AllowPrivate: true, InsecureSkipVerify: true}, ""},
		{"not TLS", plain, strings.Replace(plain.URL(), "http:", "https:", 1), TransportOptions{AllowPrivate: true}, TLS},
		{"loopback", good, good.URL(), TransportOptions{CABundle: roots}, Refused},
		{"a name that leads to loopback", good, local, TransportOptions{CABundle: roots}, Refused},
		{"the same, allowed", good, local, TransportOptions{AllowPrivate: true, CABundle: roots}, ""},
		{"plain http", plain, plain.URL(), TransportOptions{AllowPrivate: true}, Refused},
		{"plain http, allowed", plain, plain.URL(), TransportOptions{AllowPrivate: true, AllowHTTP: true}, ""},
		{"metadata service", plain, "http://169.254.169.254/", TransportOptions{AllowPrivate: true, AllowHTTP: true}, Refused},
		{"nobody there", plain, "http://127.0.0.1:1/", TransportOptions{AllowPrivate: true, AllowHTTP: true}, Network},
	} {
		if got := headVia(t, c.l, c.url, c.o); got != c.want {
			t.Errorf("%s: kind %q, want %q", c.name, got, c.want)
		}
	}
}

// TestNamesThatDoNotResolve has DNS fail (row 32), without asking any.
func TestNamesThatDoNotResolve(t *testing.T) {
	l := filled(testlog.Options{Name: "log"}, 1)
	for want, cause := range map[Kind]error{
		Network: &net.DNSError{Err: "no such host", Name: "log.example", IsNotFound: true},
		Timeout: &net.DNSError{Err: "i/o timeout", Name: "log.example", IsTimeout: true},
	} {
		failing := roundTripper(func(*http.Request) (*http.Response, error) { return nil, &net.OpError{Op: "dial", Err: cause} })
		if got := headWith(t, l, l.URL(), failing); got != want {
			t.Errorf("%v is of kind %q, want %q", cause, got, want)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestProtocolVersions(t *testing.T) {
	ca := testlog.NewCA("Test")
	l := tlsServer(t, ca.TLSConfig(0, "127.0.0.1"))
	roots := bundle(t, ca.RootPEM())
	for http1, want := range map[bool]int{false: 2, true: 1} {
		transport, err := NewTransport(TransportOptions{AllowPrivate: true, CABundle: roots, HTTP1: http1})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: transport}).Get(l.URL() + "ct/v1/get-sth")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		transport.CloseIdleConnections()
		if resp.ProtoMajor != want {
			t.Errorf("HTTP1 %v: HTTP/%d", http1, resp.ProtoMajor)
		}
	}
}

// TestBrokenStreamsOverHTTP2 breaks HTTP/2 streams in mid-body (row 29).
func TestBrokenStreamsOverHTTP2(t *testing.T) {
	l := tlsServer(t, testlog.NewCA("Test").TLSConfig(0, "127.0.0.1"))
	l.Faults.Add(testlog.Fault{Kind: testlog.GetSTH, Times: 1, Do: testlog.Reset(10)})
	transport, err := NewTransport(TransportOptions{AllowPrivate: true, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Kind{Network, ""} {
		if got := headWith(t, l, l.URL(), transport); got != want {
			t.Errorf("kind %q, want %q", got, want)
		}
	}
}

func TestRedirectsStayOnTheHost(t *testing.T) {
	l := tlsServer(t, nil)
	o := TransportOptions{AllowPrivate: true, AllowHTTP: true}
	u, err := url.Parse(l.URL())
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]Kind{
		u.Path + "ct/v1/get-sth?again": "", l.URL() + "ct/v1/get-sth?again": "",
		strings.Replace(l.URL(), "127.0.0.1", "localhost", 1) + "ct/v1/get-sth": Redirected, "": Redirected,
	} {
		l.Faults.Clear()
		l.Faults.Add(testlog.Fault{Times: 1, Do: testlog.Redirect(target)})
		if got := headVia(t, l, l.URL(), o); got != want {
			t.Errorf("to %q: kind %q, want %q", target, got, want)
		}
	}
	l.Faults.Clear()
	l.Faults.Add(testlog.Fault{Do: testlog.Redirect(u.Path + "ct/v1/get-sth")})
	if got := headVia(t, l, l.URL(), o); got != Redirected {
		t.Errorf("a loop is of kind %q", got)
	}
}

// TestProxyIsExempt reaches a name through a proxy on loopback, where loopback itself is not allowed.
func TestProxyIsExempt(t *testing.T) {
	l := filled(testlog.Options{Name: "log"}, 3)
	l.SetURL("http://log.example/")
	proxied := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied++
		l.Handler().ServeHTTP(w, r)
	}))
	defer proxy.Close()
	o := TransportOptions{Proxy: proxy.URL, AllowHTTP: true}
	if got := headVia(t, l, l.URL(), o); got != "" || proxied != 1 {
		t.Errorf("kind %q, %d proxied", got, proxied)
	}
	for _, address := range []string{"http://10.0.0.1/", "http://169.254.169.254/", "http://[::ffff:10.0.0.1]/"} {
		if got := headVia(t, l, address, o); got != Refused {
			t.Errorf("%s through the proxy: kind %q", address, got)
		}
	}
	o.NoProxy = "127.0.0.1"
	if got := headVia(t, l, strings.Replace(proxy.URL, "127.0.0.1", "localhost", 1), o); got != Refused || proxied != 1 {
		t.Errorf("without the proxy: kind %q, %d proxied", got, proxied)
	}
}

func TestProxyAddresses(t *testing.T) {
	for s, want := range map[string]string{
		"http://proxy.example": "proxy.example:80", "https://proxy.example": "proxy.example:443", "http://p:3128/": "p:3128",
		"socks5://[::1]": "[::1]:1080",
	} {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := proxyAddress(u); got != want {
			t.Errorf("%s is dialled at %s, want %s", s, got, want)
		}
	}
	if _, err := NewTransport(TransportOptions{Proxy: "::"}); err == nil {
		t.Error("a proxy that is no URL passes")
	}
}

func TestCABundleIsReadAgain(t *testing.T) {
	ca := testlog.NewCA("Test")
	l := tlsServer(t, ca.TLSConfig(0, "127.0.0.1"))
	path := bundle(t, testlog.NewCA("Other").RootPEM())
	transport, err := NewTransport(TransportOptions{AllowPrivate: true, CABundle: path})
	if err != nil {
		t.Fatal(err)
	}
	write := func(pem []byte) {
		if err := os.WriteFile(path, pem, 0o600); err != nil {
			t.Fatal(err)
		}
		transport.mu.Lock()
		transport.checked = time.Time{} // as if the interval had passed
		transport.bundle.modified = time.Time{}
		transport.mu.Unlock()
	}
	if got := headWith(t, l, l.URL(), transport); got != TLS {
		t.Errorf("with another root: kind %q", got)
	}
	write(ca.RootPEM())
	if got := headWith(t, l, l.URL(), transport); got != "" {
		t.Errorf("with the bundle replaced: kind %q", got)
	}
	write([]byte("half a fi"))
	if got := headWith(t, l, l.URL(), transport); got != "" {
		t.Errorf("with a bundle that cannot be read: kind %q", got)
	}
	for _, o := range []TransportOptions{{CABundle: path}, {CABundle: path + ".missing"}} {
		if _, err := NewTransport(o); err == nil {
			t.Errorf("a transport with bundle %s", o.CABundle)
		}
	}
}
