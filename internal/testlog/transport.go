package testlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// Transport is an http.RoundTripper that reaches some logs, each under its URL, without a network: for tests under
// testing/synctest, whose time would stand still while a socket is waited for.
func Transport(logs ...*Log) http.RoundTripper { return memory(logs) }

type memory []*Log

// RoundTrip runs the log's handler in a goroutine, which ends when the answer is complete or its body closed.
func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	for _, l := range m {
		path, ok := strings.CutPrefix(r.URL.String(), l.URL())
		if !ok {
			continue
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		inner := r.Clone(ctx)
		inner.URL.Path, _, _ = strings.Cut("/"+path, "?")
		return exchange(ctx, cancel, l.Handler(), inner)
	}
	return nil, fmt.Errorf("no test log at %s", r.URL)
}

var errReset = errors.New("connection reset by the test log")

func exchange(ctx context.Context, cancel context.CancelCauseFunc, h http.Handler, r *http.Request) (*http.Response, error) {
	body, out := io.Pipe()
	w := &pipeWriter{header: http.Header{}, out: out, ready: make(chan struct{})}
	stop := context.AfterFunc(ctx, func() { body.CloseWithError(context.Cause(ctx)) })
	go func() {
		defer stop()
		defer func() {
			if recover() != nil { // http.ErrAbortHandler: the connection breaks
				out.CloseWithError(errReset)
				cancel(errReset)
				return
			}
			w.WriteHeader(http.StatusOK)
			_ = out.Close()
		}()
		h.ServeHTTP(w, r)
	}()
	select {
	case <-w.ready:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: &pipeBody{body, cancel}, ContentLength: -1, Request: r,
	}, nil
}

// pipeBody ends the handler when the client is done with the body.
type pipeBody struct {
	*io.PipeReader
	cancel context.CancelCauseFunc
}

func (b *pipeBody) Close() error {
	b.cancel(context.Canceled)
	return b.PipeReader.Close()
}

// pipeWriter is the handler's side of an exchange.
type pipeWriter struct {
	header, sent http.Header
	out          *io.PipeWriter
	status       int
	once         sync.Once
	ready        chan struct{}
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.out.Write(b)
}

// FlushError is for http.ResponseController: a pipe holds nothing back.
func (w *pipeWriter) FlushError() error { return nil }
