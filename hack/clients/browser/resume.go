package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// report is added to a page that shows certificates: its function handle tells the program of each, one after the other.
const report = `<script>
let told = Promise.resolve();
handle = certificate => {
  const line = certificate.source.url + " " + certificate.cert_index + "\n";
  told = told.then(() => fetch("/seen", {method: "POST", body: line}));
};
</script>`

// resume opens a page that reads a stream for ever, and prints a line for each certificate that it handled: the log's URL and the
// entry's index.
func resume(ctx context.Context, program, address, file string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(append(page, report...))
	})
	mux.HandleFunc("POST /seen", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(os.Stdout, io.LimitReader(r.Body, 10_000)) // whoever reads it misses what does not arrive
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()

	failures := make(chan error, 1)
	query := url.Values{"server": {"http://" + address}}
	stop, err := browse(ctx, program, "http://"+listener.Addr().String()+"/?"+query.Encode(), failures)
	if err != nil {
		return err
	}
	defer stop()
	select {
	case err := <-failures:
		return err
	case <-ctx.Done():
		return nil
	}
}
