package serve

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// maxHello bounds the line that a TCP client may say first.
const maxHello = 16 << 10

// hello is the JSON line with which a TCP client may begin.
type hello struct {
	Stream string `json:"stream"`
	Token  string `json:"token"`
	Since  string `json:"since"`
	filter.Query
}

// ServeTCP accepts raw TCP clients until ctx ends or accepting fails for good. The listener may be a TLS one.
func (s *Server) ServeTCP(ctx context.Context, ln net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	for {
		nc, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if isTemporary(err) {
				pause(ctx, nil, 5*time.Millisecond) // out of descriptors
				continue
			}
			return fmt.Errorf("accepting TCP clients on %s: %w", ln.Addr(), err)
		}
		if !s.shake(nc, true) {
			_ = nc.Close()
			continue
		}
		go s.serveTCP(ctx, nc)
	}
}

// isTemporary says that accepting may work again: the process or the system is out of something.
func isTemporary(err error) bool {
	var e interface{ Temporary() bool }
	return errors.As(err, &e) && e.Temporary()
}

// shake notes, with the goroutine that is to serve it, or forgets a connection that has not said what it wants. It returns
// false when the server is closed.
func (s *Server) shake(nc net.Conn, begins bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if begins && !s.closed {
		s.handshakes[nc] = struct{}{}
		s.goroutines.Add(1)
	} else {
		delete(s.handshakes, nc)
	}
	return !s.closed
}

// isTimeout says that a deadline has passed.
func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func (s *Server) serveTCP(ctx context.Context, nc net.Conn) {
	defer s.goroutines.Done()
	v, token, err := s.greet(nc)
	if open := s.shake(nc, false); !open || v == nil {
		_ = nc.Close()
		return
	}
	peer, _ := netip.ParseAddrPort(nc.RemoteAddr().String()) // limits cannot tell apart those without an address
	req := access.Request{Peer: peer.Addr()}
	if token != "" {
		req.Tokens = []string{token}
	}
	var refusal *access.Refusal
	if err != nil {
		refusal = s.gate.Refuse(access.BadRequest, err.Error())
	} else {
		refusal = s.enter(ctx, v, req)
	}
	if refusal != nil {
		s.sayAndClose(nc, refusal.Line())
		return
	}
	c := s.add(nc, v)
	if c == nil {
		_ = nc.Close()
		v.turnAway()
		return
	}
	c.begin(v)
	go c.readTCP()
}

// sayAndClose gives a refused client time to read why.
func (s *Server) sayAndClose(nc net.Conn, line []byte) {
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(s.patience.linger))
	if _, err := nc.Write(line); err != nil {
		return
	}
	if half, ok := nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_, _ = io.CopyN(io.Discard, nc, lingerMax)
	}
}

// greet reads what a client says first. The visit is nil when the connection is gone; the error is for the client.
func (s *Server) greet(nc net.Conn) (v *visit, token string, err error) {
	if t, ok := nc.(*tls.Conn); ok {
		_ = nc.SetDeadline(time.Now().Add(2 * s.patience.hello))
		if t.Handshake() != nil {
			return nil, "", nil
		}
		_ = nc.SetDeadline(time.Time{})
	}
	v = &visit{kind: message.Lite, framing: feed.Lines}
	_ = nc.SetReadDeadline(time.Now().Add(s.patience.hello))
	var first [1]byte
	n, err := nc.Read(first[:])
	if n == 0 {
		if !errors.Is(err, io.EOF) && !isTimeout(err) {
			return nil, "", nil
		}
		return v, "", nc.SetReadDeadline(time.Time{})
	}
	switch first[0] {
	case 'f':
		v.kind = message.Full
	case 'd':
		v.kind = message.Domains
	case '{':
		_ = nc.SetReadDeadline(time.Now().Add(s.patience.hello))
		line, err := readLine(nc)
		if err != nil {
			return v, "", err
		}
		token, err = v.parseHello(line)
		return v, token, errors.Join(err, nc.SetReadDeadline(time.Time{}))
	}
	return v, "", nc.SetReadDeadline(time.Time{})
}

// readLine reads the rest of a line that began with {.
func readLine(r io.Reader) ([]byte, error) {
	line := []byte{'{'}
	var buf [512]byte
	for {
		n, err := r.Read(buf[:])
		if end := bytes.IndexByte(buf[:n], '\n'); end >= 0 {
			return append(line, buf[:end]...), nil
		}
		if line = append(line, buf[:n]...); len(line) > maxHello {
			return nil, fmt.Errorf("the first line is longer than %d bytes", maxHello)
		}
		switch {
		case errors.Is(err, io.EOF):
			return line, nil
		case err != nil:
			return nil, errors.New("the first line does not end; end it with \\n")
		}
	}
}

// parseHello reads the JSON line.
func (v *visit) parseHello(line []byte) (token string, err error) {
	h, err := decodeHello(line)
	if err != nil {
		return "", err
	}
	if h.Stream != "" {
		if v.kind, err = message.ParseKind(h.Stream); err != nil {
			return "", err
		}
	}
	if h.Since != "" {
		if v.since, err = parseSince(h.Since, time.Now()); err != nil {
			return "", fmt.Errorf("since is %w", err)
		}
	}
	v.query = h.Query
	return h.Token, nil
}

// decodeHello reads the JSON line a field at a time, so that what is wrong is said of the field. It refuses fields that nobody
// here knows: the line is for this server alone.
func decodeHello(line []byte) (h hello, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return h, fmt.Errorf("the first line is not the JSON object expected: %w", err)
	}
	names := slices.Sorted(maps.Keys(fields))
	unknown, err := filter.CheckNames(names, "stream", "token", "since")
	if err == nil && len(unknown) > 0 {
		err = fmt.Errorf("%.40q is not known; known are stream, token, since and the filters", unknown[0])
	}
	if err != nil {
		return h, err
	}
	for _, name := range names {
		value := fields[name]
		if err := json.Unmarshal(fmt.Appendf(nil, `{%q:%s}`, name, value), &h); err != nil {
			return h, fmt.Errorf("%s in the first line is %.40s; give %s", name, value, helloWants(name))
		}
	}
	return h, nil
}

// helloWants is what a field's value has to be.
func helloWants(name string) string {
	switch name {
	case "stream", "token", "mode":
		return "a string"
	case "since":
		return `a string such as "15m"`
	case "dedup":
		return "1 or 0"
	}
	return "a string or a list of strings"
}

// readTCP waits until the client has gone. One that has only closed its own side is still served: `nc host 8081 </dev/null`.
func (c *conn) readTCP() {
	if err := c.discard(); !errors.Is(err, io.EOF) {
		c.abort(whyGone(err))
	}
	c.doneReading()
}

// discard reads and forgets what the client sends, which is of no interest, until it sends no more.
func (c *conn) discard() (err error) {
	var buf [64]byte
	for err == nil {
		_, err = c.Read(buf[:])
	}
	return err
}

// whyGone is the reason for which a connection ends when reading from it has failed.
func whyGone(err error) string {
	if errors.Is(err, errFlood) {
		return reasonProtocol
	}
	return reasonClient
}
