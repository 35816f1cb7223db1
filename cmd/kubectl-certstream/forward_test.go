package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// apiServer forwards ports over SPDY alone, as servers before WebSocket did, to what answers each line with itself.
type apiServer struct {
	t *testing.T
	// refuse is what it answers instead, fails what it says of each connection instead.
	refuse int
	fails  string

	mu       sync.Mutex
	requests []string
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.requests = append(a.requests, r.Method+" "+r.URL.Path)
	a.mu.Unlock()
	if a.refuse != 0 {
		http.Error(w, `pods "p" is forbidden`, a.refuse)
		return
	}
	if r.Method != http.MethodPost {
		http.Error(w, "no WebSocket here", http.StatusBadRequest)
		return
	}
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		a.t.Error(err)
		return
	}
	// The pair of streams of a connection begins with the one for errors.
	var failures httpstream.Stream
	var running sync.WaitGroup
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, replied <-chan struct{}) error {
		if s.Headers().Get("streamType") == "error" {
			failures = s
			return nil
		}
		if port := s.Headers().Get("port"); port != "9090" {
			a.t.Errorf("port %s", port)
		}
		running.Go(func() { a.connection(s, failures, replied) })
		return nil
	})
	if conn == nil {
		a.t.Error("no upgrade")
		return
	}
	<-conn.CloseChan()
	running.Wait()
}

func (a *apiServer) connection(data, failures io.WriteCloser, replied <-chan struct{}) {
	<-replied
	defer failures.Close()
	defer data.Close()
	if a.fails != "" {
		_, _ = io.WriteString(failures, a.fails)
		return
	}
	_, _ = io.Copy(data, data.(io.Reader))
}

// forwarding is a forwarder to that server.
func forwarding(t *testing.T, a *apiServer) forwarder {
	a.t = t
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	return forwarder{&rest.Config{Host: server.URL}}
}

func TestForwardFallsBackToSPDY(t *testing.T) {
	a := &apiServer{}
	f := forwarding(t, a)
	for i := range 2 {
		conn, err := f.dial(t.Context(), podOf("main", "p", true, 0), 9090)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("line %d\n", i)
		if _, err := io.WriteString(conn, line); err != nil {
			t.Fatal(err)
		}
		if got, err := bufio.NewReader(conn).ReadString('\n'); err != nil || got != line {
			t.Errorf("got %q, %v", got, err)
		}
		if err := errors.Join(conn.Close()); err != nil {
			t.Error(err)
		}
	}
	path := "/api/v1/namespaces/ct/pods/p/portforward"
	if got, want := strings.Join(a.requests, ", "), "GET "+path+", POST "+path+", GET "+path+", POST "+path; got != want {
		t.Errorf("asked %s", got)
	}
}

// What the pod's side says of a connection is what its reader learns, without the names that only the runtime knows.
func TestForwardTellsWhyAConnectionFailed(t *testing.T) {
	for said, want := range map[string]string{
		"the sandbox is gone": "the sandbox is gone",
		"failed to connect to localhost:9090 inside namespace \"5e03\", IPv4: dial tcp4 127.0.0.1:9090: connect: connection refused": "nothing answers on the port in the pod: connection refused",
	} {
		conn, err := forwarding(t, &apiServer{fails: said}).dial(t.Context(), podOf("main", "p", true, 0), 9090)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "5e03") {
			t.Errorf("got %v, want %s", err, want)
		}
		_ = conn.Close()
	}
}

func TestForwardIsRefused(t *testing.T) {
	for status, isDenied := range map[int]bool{http.StatusForbidden: true, http.StatusUnauthorized: true, http.StatusInternalServerError: false} {
		_, err := forwarding(t, &apiServer{refuse: status}).dial(t.Context(), podOf("main", "p", true, 0), 9090)
		if err == nil || denied(err) != isDenied || !strings.Contains(err.Error(), "port-forward to pod p: ") {
			t.Errorf("%d: %v, denied %v", status, err, denied(err))
		}
	}
}

func TestForwardGivesUpWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := silent.Accept()
			if err != nil {
				return
			}
			cancel()
			<-done
			_ = conn.Close()
		}
	})
	f := forwarder{&rest.Config{Host: "http://" + silent.Addr().String()}}
	if _, err := f.dial(ctx, podOf("main", "p", true, 0), 9090); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(done)
	_ = silent.Close()
	accepting.Wait()
}
