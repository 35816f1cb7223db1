package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// answerSamples is how many entries are timed; they come one at a time.
const answerSamples = 40

// answerToClient is the time from a log's last byte of a get-entries answer of one entry to a client's message of it. Log,
// streamer and client are one process, so that there is one clock.
func answerToClient(ctx context.Context, _ *options) (string, error) {
	log := testlog.New(testlog.Options{Name: "Log"})
	var answered atomic.Int64
	log.Faults.Add(testlog.Fault{Kind: testlog.GetEntries, Do: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		_ = http.NewResponseController(w).Flush() // what cannot be flushed is late, which is what is measured
		answered.Store(time.Now().UnixNano())
	}})
	server, err := testlog.Serve("127.0.0.1:0", nil, log)
	if err != nil {
		return "", err
	}
	defer server.Close()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := followOne(dir, log)
	if err != nil {
		return "", err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(running, running) }()
	took, err := timeAnswers(log, s.HTTPAddr().String(), &answered)
	stop()
	if err := first(err, <-ended); err != nil {
		return "", err
	}
	slices.Sort(took)
	return fmt.Sprintf("p50 %s, p90 %s of %d", round(took[len(took)/2]), round(took[len(took)*9/10]), len(took)), nil
}

// followOne makes a streamer that follows one log, whose list is put into a folder.
func followOne(dir string, log *testlog.Log) (*streamer.Streamer, error) {
	list := filepath.Join(dir, "logs.json")
	if err := os.WriteFile(list, testlog.LogList(log), 0o600); err != nil {
		return nil, fmt.Errorf("writing the log list: %w", err)
	}
	env := []string{"CERTSTREAM_HOST=127.0.0.1", "CERTSTREAM_PORT=0", "CERTSTREAM_CT_LOGS_URL=" + list,
		"CERTSTREAM_NETWORK_ALLOW_PRIVATE_ADDRESSES=true", "CERTSTREAM_NETWORK_ALLOW_HTTP=true",
		"CERTSTREAM_CT_LOG_POLL_INTERVAL_MS=100", "CERTSTREAM_CT_LOG_START=index:0"}
	load := config.Options{Search: []string{}, Env: env}
	loaded, err := config.Load(load)
	if err != nil {
		return nil, err
	}
	return streamer.New(streamer.Options{Config: loaded, Load: load, Logger: slog.New(slog.DiscardHandler)})
}

// timeAnswers appends entries one by one and times how long after the log's answer each arrives.
func timeAnswers(log *testlog.Log, address string, answered *atomic.Int64) ([]time.Duration, error) {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/", nil)
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = ws.Close() }()
	source := testlog.NewCA("Bench CA").Source(16)
	var took []time.Duration
	for len(took) < answerSamples {
		log.Append(source())
		log.Publish()
		for {
			_ = ws.SetReadDeadline(time.Now().Add(30 * time.Second))
			_, text, err := ws.ReadMessage()
			if err != nil {
				return nil, fmt.Errorf("reading: %w", err)
			}
			if strings.HasPrefix(string(text), `{"message_type":"certificate_update"`) {
				took = append(took, time.Duration(time.Now().UnixNano()-answered.Load()))
				break
			}
		}
	}
	return took, nil
}
