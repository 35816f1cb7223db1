package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/streaming/pkg/httpstream"
)

// forwarder connects to pods through the API server.
type forwarder struct{ config *rest.Config }

// deniedError says that the user has not the right to something: another attempt would end the same.
type deniedError struct{ error }

// Unwrap gives the cause.
func (e deniedError) Unwrap() error { return e.error }

// dial connects to a port of a pod by a port-forward of its own, which ends with the connection.
func (f forwarder) dial(ctx context.Context, pod *corev1.Pod, port int32) (net.Conn, error) {
	t := &tunnel{}
	if err := f.prepare(t, pod); err != nil {
		return nil, err
	}
	life, stop := context.WithCancel(logr.NewContext(context.WithoutCancel(ctx), logr.New(&t.said)))
	ready := make(chan struct{})
	ports := []string{fmt.Sprintf("0:%d", port)}
	forward, err := portforward.NewOnAddressesForStreamingWithContext(life, t, []string{"127.0.0.1"}, ports, ready, io.Discard, io.Discard)
	if err != nil {
		stop()
		return nil, err
	}
	t.stop = stop
	t.running.Go(func() {
		defer stop()
		t.err = forward.ForwardPorts()
	})
	select {
	case <-ready:
		return t.connect(ctx, forward)
	case <-ctx.Done():
		stop() // and no wait: what it dials cannot be interrupted, and ends when the server answers or the process does
		return nil, fmt.Errorf("port-forward to pod %s: %w", pod.Name, context.Cause(ctx))
	case <-life.Done():
		t.running.Wait()
		return nil, fmt.Errorf("port-forward to pod %s: %w", pod.Name, t.failure())
	}
}

// prepare makes a tunnel speak WebSocket, and SPDY where a server or a proxy before it does not understand that.
func (f forwarder) prepare(t *tunnel, pod *corev1.Pod) error {
	address, err := f.address(pod)
	if err != nil {
		return err
	}
	transport, upgrader, err := spdy.RoundTripperFor(f.config)
	if err != nil {
		return err
	}
	t.transport = transport
	old := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: t}, http.MethodPost, address)
	tunnelling, err := portforward.NewSPDYOverWebsocketDialerForStreaming(address, f.config)
	if err != nil {
		return err
	}
	t.dialer = portforward.NewFallbackDialerForStreaming(tunnelling, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	return nil
}

// address is the URL of the pod's port-forward.
func (f forwarder) address(pod *corev1.Pod) (*url.URL, error) {
	base, _, err := rest.DefaultServerUrlFor(f.config)
	if err != nil {
		return nil, err
	}
	return base.JoinPath("api", "v1", "namespaces", pod.Namespace, "pods", pod.Name, "portforward"), nil
}

// tunnel is one port-forward.
type tunnel struct {
	dialer httpstream.Dialer
	// transport carries SPDY's request; answer is the status it got.
	transport http.RoundTripper
	answer    int
	stop      context.CancelFunc
	running   sync.WaitGroup
	// refused is the server's own error, which the forwarder passes on as a text only; err is the forwarder's, said what it logs.
	refused, err error
	said         notes
}

// Dial notes why it failed.
func (t *tunnel) Dial(protocols ...string) (httpstream.Connection, string, error) {
	conn, protocol, err := t.dialer.Dial(protocols...)
	t.refused = err
	return conn, protocol, err
}

// RoundTrip notes the status of the answer, which SPDY's error does not tell.
func (t *tunnel) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := t.transport.RoundTrip(request)
	if err == nil {
		t.answer = response.StatusCode
	}
	return response, err
}

// connect makes the one connection through the tunnel.
func (t *tunnel) connect(ctx context.Context, forward *portforward.PortForwarder) (net.Conn, error) {
	ports, err := forward.GetPorts()
	if err != nil {
		t.close()
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", ports[0].Local))
	if err != nil {
		t.close()
		return nil, err
	}
	return &tunnelled{Conn: conn, tunnel: t}, nil
}

func (t *tunnel) close() {
	t.stop()
	t.running.Wait()
}

// failure is why there is no tunnel; it may be asked once the tunnel is closed.
func (t *tunnel) failure() error {
	err := cmp.Or(t.refused, t.err)
	if t.answer == http.StatusForbidden || t.answer == http.StatusUnauthorized {
		return deniedError{err}
	}
	return err
}

// tunnelled is a connection through a tunnel of its own.
type tunnelled struct {
	net.Conn
	tunnel *tunnel
	once   sync.Once
}

// Read says, where the pod's side ended the connection, what the port-forward knows of the reason.
func (c *tunnelled) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if said := c.tunnel.said.err(); err != nil && said != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, plainly(said)
	}
	return n, err
}

// plainly says in a few words what container runtimes say in many.
func plainly(err error) error {
	if strings.Contains(err.Error(), "connection refused") {
		return errors.New("nothing answers on the port in the pod: connection refused")
	}
	return err
}

// Close ends the tunnel too.
func (c *tunnelled) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.tunnel.close)
	return err
}

// notes is where the forwarder's log goes: the first error is kept, which says why a connection ended.
type notes struct {
	mu    sync.Mutex
	first error
}

// Init is nothing to us.
func (*notes) Init(logr.RuntimeInfo) {}

// Enabled says that nothing but errors is wanted.
func (*notes) Enabled(int) bool { return false }

// Info is not wanted.
func (*notes) Info(int, string, ...any) {}

// Error keeps the first.
func (n *notes) Error(err error, _ string, _ ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.first == nil {
		n.first = err
	}
}

// WithValues changes nothing.
func (n *notes) WithValues(...any) logr.LogSink { return n }

// WithName changes nothing.
func (n *notes) WithName(string) logr.LogSink { return n }

func (n *notes) err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.first
}
