package clients

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/client"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// startStreamer follows a log from its first entry, and keeps as little in memory as it can.
func startStreamer(t *testing.T, log *testlog.Log) *streamer.Streamer {
	t.Helper()
	server, err := testlog.Serve("127.0.0.1:0", nil, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	c := config.Default()
	c.Host, c.Port, c.LogList.Source = "127.0.0.1", 0, "none"
	c.CustomLogs = []config.CustomLog{{
		Name: log.Name(), Operator: "Tests", URL: log.URL(), SubmissionURL: log.URL(), Protocol: "rfc6962",
		Key: base64.StdEncoding.EncodeToString(log.Key()), MMD: c.LogList.RefreshInterval,
	}}
	c.Network.AllowHTTP, c.Network.AllowPrivateAddresses = true, true
	c.CTLog.PollIntervalMS, c.CTLog.RequestsPerSecond, c.CTLog.CatchUpRate = 100, 10000, 1e6
	c.Window.Size = 1 << 20
	c.HotReload.Enabled = false
	s, err := streamer.New(streamer.Options{Config: &config.Loaded{Config: c}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// A loop that stops reading for a while holds up nothing, is told exactly how many messages it missed and which, and goes on: what
// it got and what it missed are all there was.
func TestASlowLoopIsToldWhatItMissed(t *testing.T) {
	const entries = 30_000 // some 40 MB as messages: far more than sockets and the window hold
	log := testlog.New(testlog.Options{Name: "Log", MaxGetEntries: 1000})
	source := testlog.Cycle(testlog.NewCA("CA").Pool(64))
	s := startStreamer(t, log)
	c, err := client.New(client.Options{URL: "ws://" + s.HTTPAddr().String(), MinBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var at, missed, gaps uint64
	begun := false
	for event, err := range c.Events(ctx) {
		if err != nil {
			t.Fatalf("at %d of %d: %v", at, entries, err)
		}
		switch e := event.(type) {
		case *client.Certificate:
			if offset := number(t, e.Cursor); offset != at+1 {
				t.Fatalf("after %d came %d", at, offset)
			}
			at++
		case *client.Gap:
			from, to := number(t, e.From), number(t, e.To)
			if e.Reason != client.GapSlow || from != at || to <= from || e.Missed != int64(to-from) {
				t.Fatalf("at %d: %+v", at, e)
			}
			at, missed, gaps = to, missed+to-from, gaps+1
		}
		if !begun {
			begun = true // there is a place in the stream; now the loop takes its time
			for range entries {
				log.Append(source())
			}
			log.Publish()
			waitForHead(ctx, t, s, entries)
		}
		if at == entries {
			break
		}
	}
	if gaps == 0 || missed == 0 || missed == entries {
		t.Errorf("%d gaps, %d of %d missed", gaps, missed, entries)
	}
	t.Logf("%d messages came, %d were missed in %d gaps", entries-missed, missed, gaps)
}

func number(t *testing.T, cursor string) uint64 {
	t.Helper()
	_, digits, _ := strings.Cut(cursor, "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		t.Fatal(fmt.Errorf("cursor %q: %w", cursor, err))
	}
	return n
}

func waitForHead(ctx context.Context, t *testing.T, s *streamer.Streamer, head uint64) {
	t.Helper()
	for s.Status().Head < head {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the streamer is at %d of %d", s.Status().Head, head)
		}
	}
}
