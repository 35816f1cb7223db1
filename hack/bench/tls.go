package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// serverTLS is a certificate of its own making, P-256 as most are today.
func serverTLS() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"http/1.1"},
		MinVersion: tls.VersionTLS12}, nil
}

// cost is what one connection and one delivery take.
type cost struct {
	connect, deliver time.Duration
	memory           int
	flow             *flow
}

// tlsRow compares WebSocket under TLS with plain WebSocket.
func tlsRow(ctx context.Context, o *options) (string, error) {
	plain, err := measureCost(ctx, o, false)
	if err != nil {
		return "", err
	}
	secure, err := measureCost(ctx, o, true)
	if err != nil {
		return "", err
	}
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	return fmt.Sprintf("a delivery %.2f µs CPU, plain %.2f: %.1f ×; a connection %.0f µs CPU and %.1f KiB, plain %.0f µs and %.1f KiB; "+
		"p50 %s p99 %s, plain %s and %s; %d dropped", us(secure.deliver), us(plain.deliver),
		float64(secure.deliver)/float64(plain.deliver), us(secure.connect), float64(secure.memory)/1024, us(plain.connect),
		float64(plain.memory)/1024, round(secure.flow.latency.P50), round(secure.flow.latency.P99), round(plain.flow.latency.P50),
		round(plain.flow.latency.P99), secure.flow.dropped(tlsClients)), nil
}

const tlsClients = 500

func measureCost(ctx context.Context, o *options, secure bool) (*cost, error) {
	server := serverParams{Kind: message.Lite, Size: 1496, Rate: 400, Batch: 1, Window: 32 << 20, TLS: secure, Profile: o.profile}
	p, err := startServer(ctx, "server", server, loadParams{Protocol: "websocket", Path: "/", Clients: tlsClients, TLS: secure})
	if err != nil {
		return nil, err
	}
	defer p.stop()
	var before, after usage
	var n int
	if err := first(p.server.ask("settle", &before), p.load.ask("connect", &n), p.server.ask("settle", &after)); err != nil {
		return nil, err
	}
	c := &cost{connect: (after.CPU - before.CPU) / tlsClients}
	if c.flow, err = p.run(o); err != nil {
		return nil, err
	}
	c.deliver = time.Duration(c.flow.cores / c.flow.rate * 1e9)
	if err := p.server.ask("settle", &after); err != nil {
		return nil, err
	}
	c.memory = (after.Heap + after.Stack - before.Heap - before.Stack) / tlsClients
	return c, nil
}
