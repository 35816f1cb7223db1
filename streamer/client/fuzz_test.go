package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// peerMessages are what the older servers send, one file for each.
func peerMessages(tb testing.TB) map[string][]string {
	tb.Helper()
	files, err := filepath.Glob("testdata/peers/*.jsonl")
	if err != nil || len(files) < 6 {
		tb.Fatalf("%d files: %v", len(files), err)
	}
	all := map[string][]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			all[filepath.Base(file)] = append(all[filepath.Base(file)], string(line))
		}
	}
	return all
}

// FuzzMessage: whatever a server sends, decoding neither panics nor loses the cursor, and the quick way reads what
// encoding/json reads.
func FuzzMessage(f *testing.F) {
	for _, seed := range []string{ours, elixir, goServer, rustDomains, rustGap, `{"message_type":"error","data":{"code":429,"reason":"x"}}`,
		`{"message_type":"heartbeat","timestamp":1e300}`, `{"message_type":"gap","data":{"reason":"slow","to":"e-9"}}`} {
		f.Add([]byte(seed))
	}
	for _, messages := range peerMessages(f) {
		for _, m := range messages {
			f.Add([]byte(m))
		}
	}
	everything, err := Filter{Suffix: []string{"a"}, Domain: []string{"."}, Issuer: []string{"."}, ExcludeDomain: []string{"x"}}.compile()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseMessage(raw)
		if err != nil {
			return
		}
		event := m.Event()
		if c, ok := event.(*Certificate); ok && c.Cursor != m.Cursor {
			t.Errorf("cursor %q became %q", m.Cursor, c.Cursor)
		}
		everything.matches(event)
		_ = m.refusal()
		var p position
		if p.advance(&m); p.cursor != m.Cursor {
			t.Errorf("at %q after %q", p.cursor, m.Cursor)
		}
		var slow struct {
			Type   string          `json:"message_type"`
			Cursor string          `json:"cursor"`
			Data   json.RawMessage `json:"data"`
		}
		if quick, ok := cutMessage(raw); ok && json.Valid(quick.Data) {
			if err := json.Unmarshal(raw, &slow); err != nil || slow.Type != quick.Type || slow.Cursor != quick.Cursor ||
				!bytes.Equal(bytes.TrimSpace(slow.Data), bytes.TrimSpace(quick.Data)) {
				t.Errorf("%q: quick %+v, slow %+v, %v", raw, quick, slow, err)
			}
		}
	})
}

// FuzzEventStream: whatever the bytes of an event stream, reading them ends, holds no more than it may, and reads what a parser
// that looks at whole lines reads.
func FuzzEventStream(f *testing.F) {
	for _, seed := range []string{": hello\n\nretry: 100\n\nevent: heartbeat\nid: e-1\ndata: {}\n\n", "data:a\r\ndata: b\r\n\r\n",
		"data\n\ndata:\n\n", "retry: 99999999999999999999\n\n", "data: no end", "\n\n\ndata: x\n\n"} {
		f.Add([]byte(seed))
	}
	const most = 1 << 10
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := &Client{options: Options{MaxMessage: most}}
		ctx, cancel := context.WithCancelCause(t.Context())
		s := &eventStream{ctx: ctx, response: &http.Response{Body: io.NopCloser(nil)}, lines: c.lines(bytes.NewReader(raw)),
			watchdog: time.NewTimer(time.Hour), idle: time.Hour, max: most, cancel: cancel}
		var got [][]byte
		for {
			m, err := s.next()
			if err != nil {
				break
			}
			if len(m) == 0 || len(m) > most {
				t.Errorf("a message of %d bytes", len(m))
			}
			got = append(got, m)
		}
		s.close()
		if len(raw) >= most {
			return // where it ends depends on how it is cut up
		}
		want := wholeEvents(raw)
		if len(got) != len(want) {
			t.Fatalf("%q: %d events, want %d", raw, len(got), len(want))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("%q: event %d is %q, want %q", raw, i, got[i], want[i])
			}
		}
	})
}

// wholeEvents is the slow and plain way to read an event stream.
func wholeEvents(raw []byte) (events [][]byte) {
	var data [][]byte
	for line := range bytes.Lines(raw) {
		text := bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		name, value, _ := bytes.Cut(text, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch {
		case len(text) == 0 && len(data) > 0:
			events, data = append(events, bytes.Join(data, []byte("\n"))), nil
		case string(name) == "data" && len(data)+len(value) > 0:
			data = append(data, value)
		}
	}
	return events
}

// FuzzLines: whatever the bytes of a TCP stream, each line comes whole or the reading ends.
func FuzzLines(f *testing.F) {
	f.Add([]byte(ours + "\n" + goServer))
	f.Add([]byte("\r\n\n\n"))
	f.Add(bytes.Repeat([]byte("x"), 2000))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := &Client{options: Options{MaxMessage: 1 << 10}}
		lines := c.lines(bytes.NewReader(raw))
		n := 0
		for ; lines.Scan(); n++ {
			if len(lines.Bytes()) > 1<<10 || bytes.IndexByte(lines.Bytes(), '\n') >= 0 {
				t.Errorf("a line of %d bytes: %q", len(lines.Bytes()), lines.Bytes())
			}
		}
		want := bytes.Count(bytes.TrimSuffix(raw, []byte("\n")), []byte("\n")) + 1
		if err := endOf(lines); err == nil && len(raw) > 0 && n != want || err != nil && (!errors.Is(err, ErrTooLong) || len(raw) < 1<<10) {
			t.Errorf("%q: %d lines, want %d, %v", raw, n, want, err)
		}
	})
}

// FuzzRefusal: whatever answers in place of a stream, the reason is short, and the wait within bounds.
func FuzzRefusal(f *testing.F) {
	f.Add([]byte("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Type: application/json\r\n\r\n{\"error\":\"full\"}"))
	f.Add([]byte("HTTP/1.1 308 Permanent Redirect\r\nLocation: https://other.example/\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 429 Too Many Requests\r\nRetry-After: Wed, 01 Jul 2099 11:00:00 GMT\r\n\r\n<html>"))
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html>"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
		if err != nil {
			return
		}
		defer func() { _ = response.Body.Close() }()
		var refused *Refused
		if err := refusedBy(response); !errors.As(err, &refused) {
			t.Fatalf("got %v", err)
		}
		if len(refused.Reason) > maxReason || refused.RetryAfter < 0 || refused.RetryAfter > maxRetryAfter {
			t.Errorf("%+v", refused)
		}
		_ = fmt.Sprint(refused, final(refused, true))
	})
}

// FuzzSince: what is taken for a beginning is asked for in a form that can be taken again.
func FuzzSince(f *testing.F) {
	for _, seed := range []string{"", "e-1", "1x9k2-4711", "15m", "1h0.5s", "2026-07-01T12:00:00Z", "2026-07-01T14:00:00.25+02:00", "9999999h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		now := time.Now()
		p, err := parseSince(text, now)
		if err != nil {
			return
		}
		again, err := parseSince(p.since(now), now)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, p.since(now), err)
		}
		if again.since(now) != p.since(now) || again.cursor != p.cursor {
			t.Errorf("%q became %q, then %q", text, p.since(now), again.since(now))
		}
	})
}
