package access

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// maxPEM is the size of the largest certificate or key file.
const maxPEM = 1 << 20

// TLS is a server's certificate, read again when its files change. Its methods are safe for concurrent use.
type TLS struct {
	certFile, keyFile string
	log               *slog.Logger
	metrics           *telemetry.Access
	mu                sync.Mutex // held by whoever reloads
	certificate       atomic.Pointer[tls.Certificate]
}

// NewTLS reads a certificate chain and its key, both PEM.
func NewTLS(certFile, keyFile string, log *slog.Logger, metrics *telemetry.Access) (*TLS, error) {
	t := &TLS{certFile: certFile, keyFile: keyFile, log: log, metrics: metrics}
	if err := t.Reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// Config is for a server that speaks HTTP/1.1 or plain lines: WebSocket has no use for HTTP/2.
func (t *TLS) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return t.certificate.Load(), nil
		},
	}
}

// Reload reads the files again. On an error the last good certificate stays.
func (t *TLS) Reload() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	next, err := t.read()
	if err != nil {
		t.metrics.TLSReloads.Count(err)
		return fmt.Errorf("tls: %w", err)
	}
	if old := t.certificate.Load(); old != nil && slices.EqualFunc(old.Certificate, next.Certificate, slices.Equal) {
		return nil
	}
	t.certificate.Store(next)
	t.metrics.TLSReloads.Count(nil)
	t.metrics.TLSExpiry.Set(float64(next.Leaf.NotAfter.Unix()))
	t.log.Info("TLS certificate read", "file", t.certFile, "subject", next.Leaf.Subject.String(), "not_after", next.Leaf.NotAfter)
	if time.Now().After(next.Leaf.NotAfter) {
		t.log.Warn("the TLS certificate has expired", "file", t.certFile)
	}
	return nil
}

func (t *TLS) read() (*tls.Certificate, error) {
	chain, err := readAtMost(t.certFile, maxPEM)
	if err != nil {
		return nil, err
	}
	key, err := readAtMost(t.keyFile, maxPEM)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", t.certFile, t.keyFile, err)
	}
	if pair.Leaf == nil {
		return nil, errors.New(t.certFile + " holds no certificate")
	}
	return &pair, nil
}

// Run reads the files again whenever they change, until ctx ends.
func (t *TLS) Run(ctx context.Context) {
	w := watcher{
		log:    t.log,
		what:   "TLS certificate",
		paths:  func() []string { return []string{t.certFile, t.keyFile} },
		reload: t.Reload,
	}
	w.run(ctx)
}
