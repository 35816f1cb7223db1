package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// server is a running log server.
type server struct {
	name string
	// url is where the server is reached; submission is the prefix that its origin is made of, where that is another: TesseraCT takes no
	// address with a port for a name.
	url, submission string
	key             []byte
	static          bool
	close           func()

	mu       sync.Mutex
	accepted map[ctlog.Hash]bool // SHA-256 of what was submitted and taken
	refused  int
}

func selfSigned(der []byte) bool {
	c, err := x509.ParseCertificate(der)
	return err == nil && bytes.Equal(c.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(c) == nil
}

// listen opens a port on loopback and serves what handler makes of it until stop.
func listen(handler func(base string) (http.Handler, error)) (base string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	base = "http://" + listener.Addr().String()
	h, err := handler(base)
	if err != nil {
		_ = listener.Close()
		return "", nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	var done sync.WaitGroup
	done.Go(func() { _ = s.Serve(listener) })
	return base, func() { _ = s.Close(); done.Wait() }, nil
}

// submit adds entries with a few clients at once, each with its chain.
func (s *server) submit(ctx context.Context, entries []*testlog.Entry) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for _, e := range entries {
		g.Go(func() error { return s.add(ctx, e) })
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("%s: submitting: %w", s.name, err)
	}
	return nil
}

func (s *server) add(ctx context.Context, e *testlog.Entry) error {
	path := "ct/v1/add-chain"
	if e.Precert {
		path = "ct/v1/add-pre-chain"
	}
	body, err := json.Marshal(map[string][][]byte{"chain": append([][]byte{e.DER}, e.Chain...)})
	if err != nil {
		return err
	}
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
			s.mu.Lock()
			s.accepted[sha256.Sum256(e.DER)] = true
			s.mu.Unlock()
			return nil
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			time.Sleep(200 * time.Millisecond)
		case http.StatusBadRequest: // a kind of certificate that this server does not take
			s.mu.Lock()
			s.refused++
			s.mu.Unlock()
			return nil
		default:
			return fmt.Errorf("HTTP %d: %s", resp.StatusCode, text)
		}
	}
}
