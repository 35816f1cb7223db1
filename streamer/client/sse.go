package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

var ssePaths = map[Stream]string{"": "/sse", Lite: "/sse", Full: "/sse", Domains: "/sse"}

// eventStream is a server-sent events connection.
type eventStream struct {
	response *http.Response
	lines    *bufio.Scanner
	watchdog *time.Timer
	idle     time.Duration
	cancel   context.CancelFunc
	once     sync.Once
}

func (c *Client) dialSSE(ctx context.Context, since string) (transport, error) {
	u := c.streamURL(ssePaths, since)
	if c.options.Stream != "" {
		q := u.Query()
		q.Set("stream", string(c.options.Stream))
		u.RawQuery = q.Encode()
	}
	ctx, cancel := context.WithCancel(ctx)
	// The watchdog covers connecting as well as silence: it ends the request whatever it waits for.
	watchdog := time.AfterFunc(c.options.IdleTimeout, cancel)
	response, err := c.get(ctx, u.String())
	if err != nil {
		watchdog.Stop()
		cancel()
		return nil, err
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 0, 64<<10), maxMessage)
	return &eventStream{response: response, lines: lines, watchdog: watchdog, idle: c.options.IdleTimeout, cancel: cancel}, nil
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
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.url.Host, errors.Unwrap(err)) // the outer error holds the URL
	}
	if response.StatusCode != http.StatusOK {
		defer func() { _ = response.Body.Close() }()
		return nil, refusedBy(response)
	}
	return response, nil
}

// next joins the data lines of an event, as the standard says. Names and ids of events are in the messages themselves.
func (s *eventStream) next() ([]byte, error) {
	var data []byte
	for s.lines.Scan() {
		s.watchdog.Reset(s.idle)
		line := s.lines.Bytes()
		if len(line) == 0 && data != nil {
			return data, nil
		}
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
		}
	}
	if err := s.lines.Err(); err != nil {
		return nil, err
	}
	return nil, errors.New("the server ended the stream")
}

func (s *eventStream) close() {
	s.once.Do(func() {
		s.watchdog.Stop()
		s.cancel()
		_ = s.response.Body.Close() // nothing to lose: it is only read
	})
}
