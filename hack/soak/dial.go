package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Plain clients of the three protocols, as the contract has them. They share no code with streamer/client.

// stream is one connection.
type stream interface {
	// next returns a message; id is the SSE event's.
	next() (text []byte, id string, err error)
	close()
}

// idle is how long a stream may be silent: heartbeats come every second.
const idle = 20 * time.Second

// wish is what a collector asks for.
type wish struct {
	protocol string // ws, sse, tcp
	kind     string // full, lite, domains
	filtered bool
}

// where the streamer listens.
type where struct{ http, tcp string }

// dial opens a stream that goes on after a cursor.
func dial(ctx context.Context, at where, w wish, cursor string) (stream, error) {
	switch w.protocol {
	case "ws":
		return dialWebSocket(ctx, at, w, cursor)
	case "sse":
		return dialSSE(ctx, at, w, cursor)
	}
	return dialTCP(ctx, at, w, cursor)
}

type webSocket struct{ conn *websocket.Conn }

func dialWebSocket(ctx context.Context, at where, w wish, cursor string) (stream, error) {
	path := map[string]string{"full": "/full-stream", "lite": "/", "domains": "/domains-only"}[w.kind]
	query := url.Values{}
	if w.filtered {
		query.Set("suffix", "wanted.test")
	}
	if cursor != "" {
		query.Set("since", cursor)
	}
	conn, response, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+at.http+path+"?"+query.Encode(), nil)
	if response != nil {
		_ = response.Body.Close()
		if err != nil {
			return nil, refused(response)
		}
	}
	if err != nil {
		return nil, err
	}
	return &webSocket{conn}, nil
}

func (s *webSocket) next() ([]byte, string, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(idle))
	_, text, err := s.conn.ReadMessage()
	return text, "", err
}

func (s *webSocket) close() { _ = s.conn.Close() }

// errRefused is an answer that a streamer with a good state has no reason for.
var errRefused = errors.New("refused")

// refused turns a bad status into an error; 503 is what a streamer says that starts or stops.
func refused(r *http.Response) error {
	if r.StatusCode == http.StatusServiceUnavailable {
		return errors.New(r.Status)
	}
	return fmt.Errorf("%w: %s", errRefused, r.Status)
}

type eventSource struct {
	body   io.ReadCloser
	lines  *bufio.Reader
	timer  *time.Timer
	cancel context.CancelFunc
}

// dialSSE does what a browser does: always the same URL, and the last id in a header.
func dialSSE(ctx context.Context, at where, w wish, cursor string) (stream, error) {
	target := "http://" + at.http + "/sse?stream=" + w.kind
	if w.filtered {
		target += "&suffix=wanted.test"
	}
	ctx, cancel := context.WithCancel(ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		cancel()
		return nil, err
	}
	if cursor != "" {
		request.Header.Set("Last-Event-ID", cursor)
	}
	timer := time.AfterFunc(idle, cancel)
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err == nil && response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		err = refused(response)
	}
	if err != nil {
		timer.Stop()
		cancel()
		return nil, err
	}
	return &eventSource{response.Body, bufio.NewReaderSize(response.Body, 16<<10), timer, cancel}, nil
}

func (s *eventSource) next() (text []byte, id string, err error) {
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return nil, "", err
		}
		s.timer.Reset(idle)
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case field == "id":
			id = value
		case field == "data":
			text = []byte(value)
		case line == "\n" && text != nil:
			return text, id, nil
		}
	}
}

func (s *eventSource) close() {
	s.timer.Stop()
	s.cancel()
	_ = s.body.Close()
}

type lines struct {
	conn  net.Conn
	lines *bufio.Reader
}

func dialTCP(ctx context.Context, at where, w wish, cursor string) (stream, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", at.tcp)
	if err != nil {
		return nil, err
	}
	hello := map[string]any{"stream": w.kind}
	if w.filtered {
		hello["suffix"] = []string{"wanted.test"}
	}
	if cursor != "" {
		hello["since"] = cursor
	}
	line, err := json.Marshal(hello)
	if err == nil {
		_, err = conn.Write(append(line, '\n'))
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &lines{conn, bufio.NewReaderSize(conn, 16<<10)}, nil
}

func (s *lines) next() ([]byte, string, error) {
	_ = s.conn.SetReadDeadline(time.Now().Add(idle))
	line, err := s.lines.ReadBytes('\n')
	if err != nil {
		return nil, "", err // what came of a line that was cut is no message
	}
	return line, "", nil
}

func (s *lines) close() { _ = s.conn.Close() }
