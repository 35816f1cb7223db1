// Browser opens a page in headless Chromium that reads a stream with the browser's own WebSocket and EventSource, from another
// origin, and prints what they got. With -page it opens that page in place of its own, and prints what it handles, for ever.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"sort"
	"strconv"
	"syscall"
	"time"
)

//go:embed page.html
var page []byte

func main() {
	address := flag.String("address", "127.0.0.1:8080", "host and port of the streamer")
	names := flag.Int("n", 5, "names to wait for")
	program := flag.String("chromium", "chromium", "the browser")
	file := flag.String("page", "", "a page with a function handle(certificate)")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	var err error
	if *file != "" {
		err = resume(ctx, *program, *address, *file)
	} else {
		ctx, cancel := context.WithTimeout(ctx, 75*time.Second)
		defer cancel()
		err = run(ctx, *program, *address, *names)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "browser:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program, address string, names int) error {
	results := make(chan map[string][]string, 1)
	failures := make(chan error, 16)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler(results, failures), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer func() { _ = server.Close() }()

	query := url.Values{"address": {address}, "n": {strconv.Itoa(names)}}
	stop, err := browse(ctx, program, "http://"+listener.Addr().String()+"/?"+query.Encode(), failures)
	if err != nil {
		return err
	}
	defer stop()
	select {
	case got := <-results:
		return show(got)
	case err := <-failures:
		return err
	case <-ctx.Done():
		return errors.New("the page did not get enough in time")
	}
}

// handler serves the page and takes what it reports.
func handler(results chan<- map[string][]string, failures chan<- error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(page)
	})
	mux.HandleFunc("POST /result", func(_ http.ResponseWriter, r *http.Request) {
		var got map[string][]string
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			failures <- fmt.Errorf("reading the page's result: %w", err)
			return
		}
		select {
		case results <- got:
		default: // the page reports again with each further message
		}
	})
	mux.HandleFunc("POST /error", func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(io.LimitReader(r.Body, 1000))
		select {
		case failures <- fmt.Errorf("in the page: %s", text):
		default:
		}
	})
	return mux
}

// browse starts the browser with a profile of its own. The function returned ends it.
func browse(ctx context.Context, program, address string, failures chan<- error) (stop func(), err error) {
	profile, err := os.MkdirTemp("", "browser-")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	command := exec.CommandContext(ctx, program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--user-data-dir="+profile, address)
	command.WaitDelay = 5 * time.Second
	if err := command.Start(); err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("starting %s: %w", program, err), os.RemoveAll(profile))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := command.Wait(); err != nil && ctx.Err() == nil {
			failures <- fmt.Errorf("%s ended: %w", program, err)
		}
	}()
	return func() {
		cancel()
		<-ended
		remove(profile)
	}, nil
}

// remove removes the profile, in the temporary folder, once the browser's other processes have stopped writing to it.
func remove(profile string) {
	for range 20 {
		_ = os.RemoveAll(profile) // what is written meanwhile makes it fail
		time.Sleep(100 * time.Millisecond)
		if _, err := os.Stat(profile); os.IsNotExist(err) {
			return
		}
	}
}

func show(got map[string][]string) error {
	kinds := make([]string, 0, len(got))
	for kind := range got {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	for _, kind := range kinds {
		fmt.Fprintf(os.Stdout, "%s: %q\n", kind, got[kind])
	}
	return nil
}
