package client

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	return &lineStream{conn: conn, lines: c.lines(conn), idle: c.options.IdleTimeout}, nil
}

// lines reads lines of at most MaxMessage bytes.
func (c *Client) lines(r io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, min(readBuffer, c.options.MaxMessage)), c.options.MaxMessage)
	return lines
}

// endOf is the error that ended lines, nil at their regular end.
func endOf(lines *bufio.Scanner) error {
	err := lines.Err()
	if errors.Is(err, bufio.ErrTooLong) {
		return ErrTooLong
	}
	return err
}

func (c *Client) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	dial := c.options.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", c.url.Host)
	if err != nil || c.url.Scheme != "tls" {
		return conn, err
	}
	secure := tls.Client(conn, c.tlsConfig())
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secure, nil
}

// tlsConfig is the caller's, for the URL's host unless it says otherwise.
func (c *Client) tlsConfig() *tls.Config {
	config := c.options.TLS.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		config.ServerName = c.url.Hostname()
	}
	return config
}

// helloLine is the JSON line that says what is wanted.
func (c *Client) helloLine(since string) ([]byte, error) {
	hello := map[string]any{}
	for name, list := range c.parameters() {
		if name == "mode" || name == "dedup" {
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
	if err := endOf(s.lines); err != nil {
		return nil, err
	}
	return nil, &Closed{}
}

func (s *lineStream) close() {
	s.once.Do(func() { _ = s.conn.Close() }) // nothing to lose: it is only read
}
