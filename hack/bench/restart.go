package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gorilla/websocket"
)

// collector notes which entries of which logs a client has heard of.
type collector struct {
	seen   map[string]map[uint64]int
	cursor string
}

// heardEntry is what matters of a message.
type heardEntry struct {
	Type   string `json:"message_type"`
	Cursor string `json:"cursor"`
	Data   struct {
		Index  uint64 `json:"cert_index"`
		Source struct {
			URL string `json:"url"`
		} `json:"source"`
	} `json:"data"`
}

// listen reads a stream for a while, or until the server ends. It returns when the first message came.
func (c *collector) listen(address string, d time.Duration) (first time.Time, err error) {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+address+"/?since="+url.QueryEscape(c.cursor), nil)
	if err != nil {
		return first, fmt.Errorf("connecting: %w", err)
	}
	defer func() { _ = ws.Close() }()
	for end := time.Now().Add(d); ; {
		_ = ws.SetReadDeadline(end)
		_, text, err := ws.ReadMessage()
		if err != nil {
			return first, nil
		}
		if first.IsZero() {
			first = time.Now()
		}
		var h heardEntry
		if err := json.Unmarshal(text, &h); err != nil {
			return first, fmt.Errorf("reading a message: %w", err)
		}
		if h.Type == "certificate_update" {
			if c.seen[h.Data.Source.URL] == nil {
				c.seen[h.Data.Source.URL] = map[uint64]int{}
			}
			c.seen[h.Data.Source.URL][h.Data.Index]++
			c.cursor = h.Cursor
		}
	}
}

// count is how many entries came, how many are missing between the first and the last of a log, and how many came again.
func (c *collector) count() (entries, missing, repeated int) {
	for _, indices := range c.seen {
		low, high := ^uint64(0), uint64(0)
		for index, times := range indices {
			low, high = min(low, index), max(high, index)
			repeated += times - 1
		}
		entries += len(indices)
		missing += int(high-low) + 1 - len(indices)
	}
	return entries, missing, repeated
}

// restartRow kills the whole streamer and starts it again: how long until it serves, and what a client that resumes misses.
func restartRow(ctx context.Context, o *options) (string, error) {
	logs := logsParams{Logs: 60, Rate: 1600, Held: 100}
	stop, err := startLogs(ctx, &logs)
	if err != nil {
		return "", err
	}
	defer stop()
	state := filepath.Join(logs.Dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	whole := wholeParams{List: logs.list(), More: fmt.Sprintf("state: {dir: %q, interval: 1s}\nretention: {max_bytes: 1GiB}\n", state)}
	s, err := start(ctx, "whole", whole)
	if err != nil {
		return "", err
	}
	var address string
	if err := s.ask("address", &address); err != nil {
		return "", err
	}
	c := &collector{seen: map[string]map[uint64]int{}}
	time.AfterFunc(3*time.Second+o.time, func() { _ = s.cmd.Process.Kill() })
	if _, err := c.listen(address, time.Minute); err != nil {
		return "", err
	}
	s.stop()
	before, _, _ := c.count()
	begin := time.Now()
	if s, err = start(ctx, "whole", whole); err != nil {
		return "", err
	}
	defer s.stop()
	if err := s.ask("address", &address); err != nil {
		return "", err
	}
	first, err := c.listen(address, o.time)
	if err != nil {
		return "", err
	}
	entries, missing, repeated := c.count()
	return fmt.Sprintf("kill -9 after %d entries: the first message after %.2f s; %d entries in all, %d missing, %d repeated (a checkpoint "+
		"every second, %d/s)", before, first.Sub(begin).Seconds(), entries, missing, repeated, logs.Rate), nil
}
