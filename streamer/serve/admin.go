package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"
)

// Admin returns the handler of the admin listener: everything, without tokens, but not for web pages.
func (e *Endpoints) Admin() http.Handler {
	mux := http.NewServeMux()
	for path, point := range e.routes {
		if !point.public {
			mux.Handle(path, point.handler)
		}
	}
	if e.options.Pprof {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writeError(w, http.StatusNotFound, "Not Found") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, fromPage := r.Header["Origin"]; fromPage {
			writeError(w, http.StatusForbidden, "web pages have no access here")
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/debug/pprof/") { // those take as long as they are asked to
			limitTime(w)
		}
		if readOnly(w, r) {
			mux.ServeHTTP(w, r)
		}
	})
}

// HTTPOptions bound requests.
type HTTPOptions struct {
	// HeaderTimeout is the time for a client to send its request's header, HandshakeTimeout that for a TLS handshake, if shorter.
	HeaderTimeout, HandshakeTimeout time.Duration
	// MaxHeaderBytes bounds the header.
	MaxHeaderBytes int
}

// idleTimeout is how long a connection may wait for its next request.
const idleTimeout = 60 * time.Second

// NewHTTPServer makes an HTTP/1.1 server that no client can hold up. net/http bounds handshakes by its shortest timeout; the one
// for writes serves for nothing else, since streams leave its reach and endpoints set their own.
func NewHTTPServer(handler http.Handler, o HTTPOptions, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            o.HeaderTimeout,
		WriteTimeout:                 o.HandshakeTimeout,
		MaxHeaderBytes:               o.MaxHeaderBytes,
		IdleTimeout:                  idleTimeout,
		Protocols:                    protocols,
		DisableGeneralOptionsHandler: true,
		// What clients do wrong in handshakes and headers is not worth more.
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// adminShutdown is how long requests to the admin listener have to end.
const adminShutdown = 2 * time.Second

// RunAdmin serves the admin listener until ctx ends. It closes the listener.
func RunAdmin(ctx context.Context, listener net.Listener, e *Endpoints, o HTTPOptions, log *slog.Logger) error {
	o.HandshakeTimeout = 0 // there are none, and profiles take their time
	server := NewHTTPServer(e.Admin(), o, log)
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.Background(), adminShutdown)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close() // the requests left are cut
		}
	})
	err := server.Serve(listener)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("admin listener: %w", err)
}
