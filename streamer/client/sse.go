package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

var ssePaths = map[Stream]string{"": "/sse", Lite: "/sse", Full: "/sse", Domains: "/sse"}

// errSilent ends a connection that no sign of life has come from.
var errSilent = errors.New("the server has been silent for too long")

// eventStream is a server-sent events connection.
type eventStream struct {
	response *http.Response
	lines    *bufio.Scanner
	ctx      context.Context
	watchdog *time.Timer
	idle     time.Duration
	retry    time.Duration
	max      int
	cancel   context.CancelCauseFunc
	once     sync.Once
}

func (c *Client) dialSSE(ctx context.Context, since string) (transport, error) {
	u := c.streamURL(ssePaths, since)
	if c.options.Stream != "" {
		q := u.Query()
		q.Set("stream", string(c.options.Stream))
		u.RawQuery = q.Encode()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	// The watchdog covers connecting as well as silence: it ends the request whatever it waits for.
	watchdog := time.AfterFunc(c.options.IdleTimeout, func() { cancel(errSilent) })
	response, err := c.get(ctx, u.String())
	if err != nil {
		watchdog.Stop()
		cancel(nil)
		return nil, err
	}
	return &eventStream{ctx: ctx, response: response, lines: c.lines(response.Body), watchdog: watchdog, idle: c.options.IdleTimeout, cancel: cancel,
		max: c.options.MaxMessage}, nil
}

func (c *Client) get(ctx context.Context, address string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.url.Host, err)
	}
	request.Header = c.header()
	request.Header.Set("Accept", "text/event-stream")
	// A transport per connection, so that closing the stream leaves nothing behind.
	transport := &http.Transport{
		Proxy: c.proxy(), DialContext: c.options.Dial, TLSClientConfig: c.options.TLS, DisableKeepAlives: true,
	}
	if user := request.URL.User; user != nil && request.Header.Get("Authorization") == "" {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	// No http.Client: it would follow redirects, with the token.
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.url.Host, err)
	}
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		defer func() { _ = response.Body.Close() }()
		return nil, refusedBy(response)
	}
	return response, nil
}

// next joins the data lines of an event, as the standard says. Names and ids of events are in the messages themselves. While
// nobody reads, silence is not the server's.
func (s *eventStream) next() ([]byte, error) {
	s.watchdog.Reset(s.idle)
	defer s.watchdog.Stop()
	var data []byte
	for s.lines.Scan() {
		s.watchdog.Reset(s.idle)
		line := s.lines.Bytes()
		if len(line) == 0 && data != nil {
			return data, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(name) {
		case "data":
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, value...)
		case "retry":
			s.retry = retryTime(value)
		}
		if len(data) > s.max {
			return nil, ErrTooLong
		}
	}
	return nil, s.end()
}

// retryTime reads milliseconds.
func retryTime(value []byte) time.Duration {
	ms, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(min(ms, uint64(maxRetryAfter/time.Millisecond))) * time.Millisecond
}

// end is why there is no more.
func (s *eventStream) end() error {
	if err := endOf(s.lines); err != nil {
		if errors.Is(context.Cause(s.ctx), errSilent) {
			return errSilent
		}
		return err
	}
	return &Closed{RetryAfter: s.retry}
}

func (s *eventStream) close() {
	s.once.Do(func() {
		s.watchdog.Stop()
		s.cancel(nil)
		_ = s.response.Body.Close() // nothing to lose: it is only read
	})
}
