package ctlog

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// What a request is for, as Hooks are told.
const (
	whatHead        = "head"
	whatEntries     = "entries"
	whatTile        = "tile"
	whatPartialTile = "partial_tile"
	whatIssuer      = "issuer"
	whatProof       = "proof"
)

// maxSmall bounds answers that hold no entries: tree heads, proofs, hash tiles, issuers.
const maxSmall = 1 << 20

// maxDrained is how much of a refusal is read to its end for the sake of the connection: an error page, no more.
const maxDrained = 64 << 10

type freshKey struct{}

// Fresh makes requests under this context go past caches (Cache-Control: no-cache): for the second try after an answer that did
// not fit (rows 7, 14, 20 of the failure catalogue).
func Fresh(ctx context.Context) context.Context { return context.WithValue(ctx, freshKey{}, true) }

// ErrNoProof is wrapped by errors of Kind NoProof: the protocol or this log does not offer it.
var ErrNoProof = errors.New("the log does not offer this")

var (
	errSlow       = errors.New("the answer came in too slowly")
	errNoHeaders  = errors.New("no answer within the header timeout")
	errTooLarge   = errors.New("the answer is too large")
	errRefused    = errors.New("address not allowed")
	errCrossHosts = errors.New("redirected to another host")
)

// client makes the requests of one log.
type client struct {
	o    Options
	http *http.Client
	base *url.URL
}

// prepare checks options and makes of them what every kind of log needs.
func prepare(o Options) (*client, verifier, error) {
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, verifier{}, err
	}
	v, err := o.verifier()
	if err != nil {
		return nil, verifier{}, err
	}
	c, err := newClient(o)
	return c, v, err
}

func newClient(o Options) (*client, error) {
	base, err := url.Parse(strings.TrimSuffix(o.URL, "/") + "/")
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	own := *o.Client
	own.CheckRedirect = sameHost
	own.Timeout = 0 // slow answers are ended by throughput, see watchdog
	return &client{o: o, http: &own, base: base}, nil
}

// sameHost follows at most three redirects, and none that leaves the host or TLS.
func sameHost(r *http.Request, via []*http.Request) error {
	if first := via[0].URL; r.URL.Host != first.Host || r.URL.Scheme != first.Scheme || len(via) > 3 {
		return fmt.Errorf("%w: %.100s", errCrossHosts, r.URL.Redacted())
	}
	return nil
}

// request is one GET.
type request struct {
	what string
	// op is for people: "get-entries 0-255".
	op string
	// path is relative to the log's prefix, with its query.
	path string
	// limit bounds the body, on the wire.
	limit int64
	// missing are statuses that mean: not yet.
	missing []int
}

// answer is the body of a 200. It must be given back with free.
type answer struct {
	*buffer
	gzipped bool // by Content-Encoding
}

func (c *client) get(ctx context.Context, r request) (answer, error) {
	if c.o.Hooks.Before != nil {
		if err := c.o.Hooks.Before(ctx, Request{What: r.what}); err != nil {
			return answer{}, &Error{Kind: Network, Op: r.op, Err: err}
		}
	}
	begin := c.o.Now()
	a, err := c.do(ctx, r)
	outcome := Outcome{Request: Request{What: r.what}, Status: http.StatusOK, Duration: c.o.Now().Sub(begin)}
	if a.buffer != nil {
		outcome.Bytes = len(a.b)
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		outcome.Kind, outcome.Status, outcome.RetryAfter = e.Kind, e.Status, e.RetryAfter
	}
	if c.o.Hooks.After != nil {
		c.o.Hooks.After(outcome)
	}
	return a, err
}

func (c *client) do(ctx context.Context, r request) (answer, error) {
	ctx, dog := watch(ctx, c.o.HeaderTimeout, c.o.MinThroughput)
	defer dog.stop()
	resp, err := c.send(ctx, r)
	if err != nil {
		return answer{}, c.transportError(ctx, r, err)
	}
	defer func() { _ = resp.Body.Close() }()
	dog.body()
	if resp.StatusCode != http.StatusOK {
		return answer{}, c.statusError(r, resp)
	}
	buf := newBuffer()
	err = buf.readAll(&watched{resp.Body, dog}, r.limit, resp.ContentLength)
	if err == nil {
		err = context.Cause(ctx) // a body that ends as we give up on it need not be whole
	}
	if err != nil {
		buf.free()
		if errors.Is(err, errTooLarge) {
			return answer{}, &Error{Kind: Malformed, Op: r.op, Status: resp.StatusCode, Err: err}
		}
		c.http.CloseIdleConnections() // so that the next try is likely to take a new connection
		return answer{}, c.transportError(ctx, r, err)
	}
	return answer{buffer: buf, gzipped: strings.EqualFold(resp.Header.Get("Content-Encoding"), "gzip")}, nil
}

func (c *client) send(ctx context.Context, r request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.String()+r.path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", c.o.UserAgent)
	req.Header.Set("Accept-Encoding", "gzip") // ours to undo: tiles may come packed without being asked
	if fresh, _ := ctx.Value(freshKey{}).(bool); fresh {
		req.Header.Set("Cache-Control", "no-cache")
		req.Header.Set("Pragma", "no-cache")
	}
	return c.http.Do(req)
}

// statusError makes an Error of an answer that is not 200.
func (c *client) statusError(r request, resp *http.Response) error {
	excerpt, _ := io.ReadAll(io.LimitReader(resp.Body, 160)) // for people only
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained)       // so that the connection can be used again
	e := &Error{
		Kind: ServerError, Op: r.op, Status: resp.StatusCode, Detail: quote(excerpt),
		RetryAfter: parseRetryAfter(resp.Header.Get("Retry-After"), c.o.Now()),
	}
	switch s := resp.StatusCode; {
	case s == http.StatusTooManyRequests, s == http.StatusForbidden && e.RetryAfter > 0:
		e.Kind = RateLimited
	case slices.Contains(r.missing, s):
		e.Kind = NotYet
	case s == http.StatusForbidden:
		e.Kind, e.Detail = Forbidden, "the server refuses us: check User-Agent and address; "+e.Detail
	case s >= 300 && s < 400:
		e.Kind = Redirected
	}
	return e
}

// quote makes a log's bytes harmless and short: at most 200 bytes.
func quote(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	s := fmt.Sprintf("%.80q", b)
	return s[:min(len(s), 200)]
}

// transportError makes an Error of a request that got no whole answer.
func (c *client) transportError(ctx context.Context, r request, err error) error {
	e := &Error{Kind: Network, Op: r.op, Err: shorten(err)}
	cause := context.Cause(ctx)
	var timeout net.Error
	switch {
	case errors.Is(cause, errSlow), errors.Is(cause, errNoHeaders):
		e.Kind, e.Err = Timeout, cause
	case errors.Is(err, errCrossHosts):
		e.Kind = Redirected
	case errors.Is(err, errRefused):
		e.Kind = Refused
	case isTLS(err):
		e.Kind = TLS
	case ctx.Err() == nil && errors.As(err, &timeout) && timeout.Timeout():
		e.Kind = Timeout
	}
	return e
}

// shorten drops the URL that net/http puts in front.
func shorten(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

func isTLS(err error) bool {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verify) || errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &unknown) ||
		errors.As(err, &host) || errors.As(err, &invalid) || errors.Is(err, http.ErrSchemeMismatch)
}

// watchdogPeriod is over what time a body's throughput is averaged.
const watchdogPeriod = 10 * time.Second

// watchdog ends a request whose headers or body do not come. There is no total timeout: a large answer may take its time.
type watchdog struct {
	cancel context.CancelCauseFunc
	least  int64 // bytes per period
	read   atomic.Int64

	mu      sync.Mutex
	timer   *time.Timer
	inBody  bool
	stopped bool
	before  int64
}

func watch(ctx context.Context, headers time.Duration, bytesPerSecond int64) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	d := &watchdog{cancel: cancel, least: bytesPerSecond * int64(watchdogPeriod/time.Second)}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timer = time.AfterFunc(headers, d.bark)
	return ctx, d
}

// body says that the headers have come.
func (d *watchdog) body() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inBody = true
	d.timer.Reset(watchdogPeriod)
}

func (d *watchdog) bark() {
	d.mu.Lock()
	defer d.mu.Unlock()
	read := d.read.Load()
	switch {
	case d.stopped:
	case !d.inBody:
		d.cancel(errNoHeaders)
	case read-d.before < d.least:
		d.cancel(errSlow)
	default:
		d.before = read
		d.timer.Reset(watchdogPeriod)
	}
}

func (d *watchdog) stop() {
	d.mu.Lock()
	d.stopped = true
	d.timer.Stop()
	d.mu.Unlock()
	d.cancel(nil)
}

// watched tells the watchdog what is read.
type watched struct {
	io.Reader
	dog *watchdog
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.dog.read.Add(int64(n))
	return n, err
}

// buffer is pooled memory for an answer. Its first headroom bytes are kept free, for the hash prefix of the first leaf.
type buffer struct {
	b   []byte
	all []byte
}

const (
	headroom = 8
	// maxPooled is the largest buffer that is kept for reuse: giant entries are rare.
	maxPooled = 8 << 20
)

var buffers = sync.Pool{New: func() any { return &buffer{all: make([]byte, 64<<10)} }}

func newBuffer() *buffer {
	buf := buffers.Get().(*buffer)
	buf.b = buf.all[headroom:headroom]
	return buf
}

func (buf *buffer) free() {
	if buf == nil || cap(buf.all) > maxPooled {
		return
	}
	buf.b = nil
	buffers.Put(buf)
}

// grow makes room for at least n more bytes.
func (buf *buffer) grow(n int) {
	if cap(buf.b)-len(buf.b) >= n {
		return
	}
	all := make([]byte, headroom+max(2*cap(buf.b), len(buf.b)+n))
	copy(all[headroom:], buf.b)
	buf.all, buf.b = all, all[headroom:headroom+len(buf.b)]
}

// readAll reads up to limit bytes; the size, where known, is only a hint.
func (buf *buffer) readAll(r io.Reader, limit, size int64) error {
	if size > limit {
		return errTooLarge
	}
	if size > 0 && size <= maxPooled {
		buf.grow(int(size) + bytes.MinRead)
	}
	for {
		buf.grow(bytes.MinRead)
		n, err := r.Read(buf.b[len(buf.b):cap(buf.b)])
		buf.b = buf.b[:len(buf.b)+n]
		if int64(len(buf.b)) > limit {
			return errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
