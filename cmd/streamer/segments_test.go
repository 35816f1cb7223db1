package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// keepSome writes segments with n entries, one seen each minute up to now, into a state directory.
func keepSome(t *testing.T, state string, n int) {
	t.Helper()
	issuers := engine.NewIssuers(1<<20, message.AppendChainElement)
	window := engine.NewWindow(engine.WindowOptions{MaxBytes: engine.MinWindow, Numbering: engine.Numbering{Epoch: "e1"}})
	segments, err := engine.NewSegments(engine.SegmentOptions{Dir: filepath.Join(state, engine.SegmentsDir),
		Limits: engine.SegmentLimits{MaxBytes: 1 << 30}, Window: window, Issuers: issuers, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { segments.Run(ctx) })
	ca := testlog.NewCA("Test CA")
	source := &engine.Source{Name: "Test log", Operator: "Tests", URL: "https://log.example", Protocol: engine.RFC6962}
	for i := range n {
		name := "even.example.org"
		if i%2 == 1 {
			name = "odd.example.net"
		}
		issued := ca.Issue(testlog.Shape{DNS: []string{name}})
		e := engine.Entry{Source: source, Index: uint64(i), Seen: time.Now().Add(time.Duration(i-n+1) * time.Minute).UnixMilli(),
			DER: issued.DER, Chain: []engine.Fingerprint{issuers.Intern(issued.Chain[0])}}
		if _, _, err := window.Append(ctx, []engine.Entry{e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := segments.Sync(ctx, window.Head()); err != nil {
		t.Fatal(err)
	}
	cancel()
	wait.Wait()
}

func TestSegments(t *testing.T) {
	state := t.TempDir()
	keepSome(t, state, 20)
	list := runProgram(t, program(t, nil, "segments", "list", "--dir", state))
	if list.code != 0 || !strings.Contains(list.out, "\n1 segment, 20 entries, ") || !strings.Contains(list.out, " open\n") {
		t.Errorf("list: %+v", list)
	}
	var rows []struct{ Entries int }
	asJSON := runProgram(t, program(t, nil, "segments", "list", "--dir", state, "--json"))
	if err := json.Unmarshal([]byte(asJSON.out), &rows); err != nil || len(rows) != 1 || rows[0].Entries != 20 {
		t.Errorf("list --json: %+v, %v", asJSON, err)
	}
	verify := runProgram(t, program(t, nil, "segments", "verify", "--dir", state))
	if verify.code != 0 || verify.out != "20 entries in 1 segment, 0 damaged\n" {
		t.Errorf("verify: %+v", verify)
	}
	for _, c := range []struct {
		args  []string
		lines int
	}{
		{nil, 20},
		{[]string{"--filter", "suffix=example.net"}, 10},
		{[]string{"--from", "5m30s"}, 6},
		{[]string{"--from", "10m30s", "--to", "5m30s", "--stream", "domains-only"}, 5},
		{[]string{"--from", "10m30s", "--to", "5m30s", "--stream", "domains"}, 5},
		{[]string{"--stream", "full", "--filter", "domain=even"}, 10},
	} {
		got := runProgram(t, program(t, nil, append([]string{"segments", "export", "--dir", state}, c.args...)...))
		if n := strings.Count(got.out, "\n"); got.code != 0 || n != c.lines {
			t.Errorf("export %q: %d lines, want %d; code %d, %s", c.args, n, c.lines, got.code, got.errs)
		}
		for line := range strings.Lines(got.out) {
			if !json.Valid([]byte(line)) || !strings.Contains(line, `"cursor":"e1-`) {
				t.Errorf("export %q: %s", c.args, line)
			}
		}
		if strings.Contains(strings.Join(c.args, " "), "full") && !strings.Contains(got.out, "Test CA") {
			t.Error("the full stream has no chain")
		}
	}
	for _, args := range [][]string{{"--from", "yesterday"}, {"--stream", "many"}, {"--filter", "domain=("},
		{"--from", "1m", "--to", "2m"}, {"--from", "2026-07-01T12:00:00Z", "--to", "2026-07-01T12:00:00Z"}} {
		got := runProgram(t, program(t, nil, append([]string{"segments", "export", "--dir", state}, args...)...))
		if got.code != 2 || got.out != "" {
			t.Errorf("export %q: %+v", args, got)
		}
	}
	damage(t, state)
	if got := runProgram(t, program(t, nil, "segments", "verify", "--dir", state)); got.code != 1 || !strings.Contains(got.errs, "damaged") {
		t.Errorf("verify of a damaged one: %+v", got)
	}
	if got := runProgram(t, program(t, nil, "segments", "list")); got.code != 2 || !strings.Contains(got.errs, "state.dir") {
		t.Errorf("list of nowhere: %+v", got)
	}
}

// TestSegmentsWhereNothingIsKept: a state directory whose streamer never had retention has no folder of segments.
func TestSegmentsWhereNothingIsKept(t *testing.T) {
	state := t.TempDir()
	for _, command := range []string{"list", "verify", "export"} {
		got := runProgram(t, program(t, nil, "segments", command, "--dir", state))
		if got.code != 1 || !strings.Contains(got.errs, "retention.max_bytes") || strings.Contains(got.errs, "no such file") {
			t.Errorf("%s: %+v", command, got)
		}
	}
}

func TestSegmentWords(t *testing.T) {
	if got := [2]string{segmentCount(1), segmentCount(2)}; got != [2]string{"1 segment", "2 segments"} {
		t.Errorf("%q", got)
	}
	if got := condition(&engine.SegmentFile{Full: true}); got != "closed" {
		t.Errorf("a complete segment is %q", got)
	}
}

// damage changes a byte in the middle of the first segment.
func damage(t *testing.T, state string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(state, engine.SegmentsDir, "e1", "*.segment"))
	if err != nil || len(files) == 0 {
		t.Fatalf("segments %q, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(files[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
}
