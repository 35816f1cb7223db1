package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// liars are logs that can be made to lie. Each test makes its own: what a log has once signed stays signed.
//
//	POST /liars          makes one that grows, and answers with a log list of it alone
//	POST /liars/N/split  has it show every other request another tree
type liars struct {
	ctx     context.Context // of the logs' growth
	base    string
	rate    float64
	source  func() *testlog.Entry
	growing *sync.WaitGroup

	mu   sync.Mutex
	logs []*testlog.Log
}

func (l *liars) register(mux *http.ServeMux) {
	mux.HandleFunc("POST /liars", l.add)
	mux.HandleFunc("POST /liars/{n}/split", l.with(func(log *testlog.Log, w http.ResponseWriter, _ *http.Request) {
		fork := log.Fork(log.Head().Size)
		for range 500 {
			fork.Append(l.source())
		}
		fork.Publish()
		log.SplitView(fork)
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.HandleFunc("/liars/{n}/", l.with(func(log *testlog.Log, w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/liars/"+r.PathValue("n"), log.Handler()).ServeHTTP(w, r)
	}))
}

func (l *liars) add(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.logs)
	log := testlog.New(testlog.Options{Name: fmt.Sprintf("Test Liar %d", n), Operator: "Operator D"})
	log.SetURL(fmt.Sprintf("%s/liars/%d/", l.base, n))
	log.Append(l.source())
	log.Publish()
	l.logs = append(l.logs, log)
	l.growing.Go(func() { log.Grow(l.ctx, l.rate, l.source) })
	_, _ = w.Write(testlog.LogList(log)) // the reader is gone
}

// with finds the log that a path names.
func (l *liars) with(do func(*testlog.Log, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		logs := l.logs
		l.mu.Unlock()
		for n, log := range logs {
			if r.PathValue("n") == fmt.Sprint(n) {
				do(log, w, r)
				return
			}
		}
		http.Error(w, "there is no such log: "+strings.TrimSpace(r.PathValue("n")), http.StatusNotFound)
	}
}
