package main

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tailed runs `streamer tail --json` and returns the cursors of the certificates that it printed.
func tailed(t *testing.T, args ...string) (cursors []string) {
	t.Helper()
	got := runProgram(t, program(t, nil, append([]string{"tail", "--json"}, args...)...))
	if got.code != 0 || got.errs != "" {
		t.Fatalf("tail %v: %+v", args, got)
	}
	for line := range strings.Lines(got.out) {
		var m struct {
			Type   string `json:"message_type"`
			Cursor string `json:"cursor"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if m.Type == "certificate_update" || m.Type == "dns_entries" {
			cursors = append(cursors, m.Cursor)
		}
	}
	return cursors
}

// offset is a cursor's number.
func offset(t *testing.T, cursor string) uint64 {
	t.Helper()
	_, digits, _ := strings.Cut(cursor, "-")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		t.Fatalf("cursor %q: %v", cursor, err)
	}
	return n
}

// Where to begin is a cursor, a time or a duration, the same on every protocol.
func TestTailSince(t *testing.T) {
	demo, address := startDemo(t)
	live := tailed(t, address, "-n", "10")
	for _, url := range []string{address, "http" + strings.TrimPrefix(address, "ws")} {
		again := tailed(t, url, "-n", "7", "--since", live[2])
		if !slices.Equal(again, live[3:]) {
			t.Errorf("%s after %s: %v, want %v", url, live[2], again, live[3:])
		}
		for _, since := range []string{"1h", time.Now().Add(-time.Hour).Format(time.RFC3339)} {
			if from := tailed(t, url, "-n", "1", "--since", since); offset(t, from[0]) != 1 {
				t.Errorf("%s since %s: begins at %s, want the first entry", url, since, from[0])
			}
		}
		if from := tailed(t, url, "-n", "1", "--since", "0s"); offset(t, from[0]) <= offset(t, live[9]) {
			t.Errorf("%s since now: begins at %s, which is not new", url, from[0])
		}
	}
	for _, flag := range []string{"--dedup", "--dedup=false"} {
		if once := tailed(t, address, "-n", "5", flag, "--since", "1h"); len(once) != 5 {
			t.Errorf("tail %s: %v", flag, once)
		}
	}
	got := runProgram(t, program(t, nil, "tail", address, "--since", "yesterday"))
	if got.code != exitUsage || !strings.Contains(got.errs, `since "yesterday": want a cursor such as`) {
		t.Errorf("%+v", got)
	}
	demo.stop(t, os.Interrupt)
}
