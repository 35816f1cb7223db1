// Command testlog serves growing CT logs inside a test cluster: two of RFC 6962 and a static one.
//
//	testlog ADDRESS BASE-URL ENTRIES-PER-SECOND-AND-LOG
//
// GET /list.json is their log list, GET /sizes the number of entries of each by name; for logs that lie see liars.go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: testlog ADDRESS BASE-URL ENTRIES-PER-SECOND-AND-LOG")
	}
	rate, err := strconv.ParseFloat(args[2], 64)
	if err != nil {
		return fmt.Errorf("entries per second: %w", err)
	}
	logs := map[string]*testlog.Log{
		"one":    testlog.New(testlog.Options{Name: "Test One", Operator: "Operator A"}),
		"two":    testlog.New(testlog.Options{Name: "Test Two", Operator: "Operator B", Align: true}),
		"static": testlog.New(testlog.Options{Name: "Test Static", Operator: "Operator C", Static: true}),
	}
	source := testlog.Cycle(testlog.NewCA("End-to-end CA").Pool(200))
	var growing sync.WaitGroup
	defer growing.Wait()
	for path, l := range logs {
		l.SetURL(args[1] + "/" + path + "/")
		l.Append(source())
		l.Publish()
		growing.Go(func() { l.Grow(ctx, rate, source) })
	}
	mux := handler(logs)
	(&liars{ctx: ctx, base: args[1], rate: rate, source: source, growing: &growing}).register(mux)
	server := &http.Server{Addr: args[0], Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	growing.Go(func() {
		<-ctx.Done()
		_ = server.Close()
	})
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func handler(logs map[string]*testlog.Log) *http.ServeMux {
	mux := http.NewServeMux()
	var all []*testlog.Log
	for path, l := range logs {
		all = append(all, l)
		mux.Handle("/"+path+"/", http.StripPrefix("/"+path, l.Handler()))
	}
	mux.HandleFunc("GET /list.json", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(testlog.LogList(all...)) })
	mux.HandleFunc("GET /sizes", func(w http.ResponseWriter, _ *http.Request) {
		sizes := map[string]uint64{}
		for _, l := range all {
			sizes[l.Name()] = l.Head().Size
		}
		_ = json.NewEncoder(w).Encode(sizes)
	})
	return mux
}
