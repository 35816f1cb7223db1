package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// lineStream is a raw TCP connection: one JSON line out, messages in lines back.
type lineStream struct {
	conn  net.Conn
	lines *bufio.Scanner
	idle  time.Duration
	once  sync.Once
}

func (c *Client) dialTCP(ctx context.Context, since string) (transport, error) {
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", c.url.Host, err)
	}
	line, err := c.helloLine(since)
	if err == nil {
		_, err = conn.Write(line)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("asking %s for a stream: %w", c.url.Host, err), conn.Close())
	}
	lines := bufio.NewScanner(conn)
	lines.Buffer(make([]byte, 0, 64<<10), maxMessage)
	return &lineStream{conn: conn, lines: lines, idle: c.options.IdleTimeout}, nil
}

func (c *Client) connect(ctx context.Context) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	if c.url.Scheme == "tls" {
		return (&tls.Dialer{NetDialer: dialer, Config: c.options.TLS}).DialContext(ctx, "tcp", c.url.Host)
	}
	return dialer.DialContext(ctx, "tcp", c.url.Host)
}

// helloLine is the JSON line that says what is wanted.
func (c *Client) helloLine(since string) ([]byte, error) {
	hello := map[string]any{}
	for name, list := range c.options.Filter.values() {
		if name == "mode" {
			hello[name] = list[0]
			continue
		}
		hello[name] = list
	}
	for name, value := range map[string]string{"stream": string(c.options.Stream), "token": c.options.Token, "since": since} {
		if value != "" {
			hello[name] = value
		}
	}
	if len(hello) == 0 {
		hello["stream"] = string(Lite)
	}
	line, err := json.Marshal(hello)
	return append(line, '\n'), err
}

func (s *lineStream) next() ([]byte, error) {
	if err := s.conn.SetReadDeadline(time.Now().Add(s.idle)); err != nil {
		return nil, err
	}
	if s.lines.Scan() {
		return bytes.Clone(s.lines.Bytes()), nil
	}
	if err := s.lines.Err(); err != nil {
		return nil, err
	}
	return nil, errors.New("the server ended the stream")
}

func (s *lineStream) close() {
	s.once.Do(func() { _ = s.conn.Close() }) // nothing to lose: it is only read
}
