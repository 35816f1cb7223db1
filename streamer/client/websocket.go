package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// readBuffer is for several messages at a time.
const readBuffer = 32 << 10

var webSocketPaths = map[Stream]string{"": "/", Lite: "/", Full: "/full-stream", Domains: "/domains-only"}

// webSocket is a WebSocket connection. It pings, so that a path that died in silence is noticed.
type webSocket struct {
	conn   *websocket.Conn
	idle   time.Duration
	once   sync.Once
	closed chan struct{}
	pinger sync.WaitGroup
}

func (c *Client) dialWebSocket(ctx context.Context, since string) (transport, error) {
	dialer := websocket.Dialer{
		Proxy: c.proxy(), NetDialContext: c.options.Dial, TLSClientConfig: c.options.TLS, HandshakeTimeout: 30 * time.Second,
		ReadBufferSize: readBuffer, WriteBufferSize: 512,
	}
	conn, resp, err := dialer.DialContext(ctx, c.streamURL(webSocketPaths, since).String(), c.header())
	if err != nil {
		return nil, c.dialError(resp, err)
	}
	conn.SetReadLimit(int64(c.options.MaxMessage))
	w := &webSocket{conn: conn, idle: c.options.IdleTimeout, closed: make(chan struct{})}
	conn.SetPongHandler(func(string) error { return w.alive() })
	answer := conn.PingHandler()
	conn.SetPingHandler(func(data string) error { return errors.Join(w.alive(), answer(data)) })
	w.pinger.Go(w.ping)
	return w, nil
}

// header has what every HTTP request of the client has.
func (c *Client) header() http.Header {
	h := http.Header{"User-Agent": {c.options.UserAgent}}
	if c.options.Token != "" && !c.options.TokenInQuery {
		h.Set(c.options.TokenHeader, "Bearer "+c.options.Token)
	}
	return h
}

// dialError makes a *Refused of an answer that is no upgrade. The URL is not in it: it may hold a token.
func (c *Client) dialError(resp *http.Response, err error) error {
	if resp == nil || !errors.Is(err, websocket.ErrBadHandshake) {
		return fmt.Errorf("connecting to %s: %w", c.url.Host, err)
	}
	return refusedBy(resp)
}

// refusedBy reads a refusal's reason.
func refusedBy(resp *http.Response) error {
	reason := reasonIn(resp)
	if location, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		reason = fmt.Sprintf("the stream is at %.200s", place(location))
	}
	return &Refused{Status: resp.StatusCode, Reason: reason, RetryAfter: retryAfter(resp.Header, time.Now())}
}

// place is an address without what may be secret in it: user and query, which may be the client's own.
func place(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

func (w *webSocket) alive() error { return w.conn.SetReadDeadline(time.Now().Add(w.idle)) }

func (w *webSocket) ping() {
	tick := time.NewTicker(max(w.idle/4, time.Second))
	defer tick.Stop()
	for {
		select {
		case <-w.closed:
			return
		case <-tick.C:
			if err := w.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(w.idle/4)); err != nil {
				return // the reader notices too, and says so
			}
		}
	}
}

// next reads a message, text or binary: older servers send either.
func (w *webSocket) next() ([]byte, error) {
	if err := w.alive(); err != nil {
		return nil, err
	}
	_, raw, err := w.conn.ReadMessage()
	var closed *websocket.CloseError
	switch {
	case errors.As(err, &closed):
		err = &Closed{Code: closed.Code, Reason: closed.Text}
	case errors.Is(err, websocket.ErrReadLimit):
		err = ErrTooLong
	}
	return raw, err
}

func (w *webSocket) close() {
	w.once.Do(func() {
		close(w.closed)
		goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = w.conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(100*time.Millisecond)) // a courtesy
		_ = w.conn.Close()                                                                             // nothing to lose: it is only read
	})
	w.pinger.Wait()
}
