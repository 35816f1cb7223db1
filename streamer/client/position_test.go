package client

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseSince(t *testing.T) {
	now := time.Now()
	for text, want := range map[string][2]string{ // at once, and two seconds later
		"":                          {"", ""},
		"1x9k2-4711":                {"1x9k2-4711", "1x9k2-4711"},
		"e-18446744073709551615":    {"e-18446744073709551615", "e-18446744073709551615"},
		"2026-07-01T12:00:00Z":      {"2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"},
		"2026-07-01T14:00:00+02:00": {"2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"},
		"15m":                       {"15m0s", "15m2s"},
		"0s":                        {"0s", "2s"},
		"2562047h47m16s":            {"2562047h47m16s", "2562047h47m16.854775807s"},
	} {
		p, err := parseSince(text, now)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := [2]string{p.since(now), p.since(now.Add(2 * time.Second))}; got != want {
			t.Errorf("%q asks for %q, want %q", text, got, want)
		}
		if p.resuming() != (text != "") {
			t.Errorf("%q: resuming is %v", text, p.resuming())
		}
	}
	for _, text := range []string{"-1h", "E-1", "e-", "-1", "e-1x", "e-18446744073709551616", "2026-07-01", "yesterday"} {
		if _, err := parseSince(text, now); err == nil || !strings.Contains(err.Error(), "want a cursor") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestPosition(t *testing.T) {
	names := func(cursor string) Message { return Message{Type: typeNames, Cursor: cursor} }
	beat := func(cursor string) Message { return Message{Type: typeHeartbeat, Cursor: cursor} }
	gap := func(cursor string) Message { return Message{Type: typeGap, Cursor: cursor} }
	for _, c := range []struct {
		name     string
		messages []Message
		repeated []bool
		cursor   string
	}{
		{"in order", []Message{names("e-5"), names("e-6"), names("e-9")}, []bool{false, false, false}, "e-9"},
		{"sent again", []Message{names("e-5"), names("e-6"), names("e-5"), names("e-6"), names("e-7")},
			[]bool{false, false, true, true, false}, "e-7"},
		{"evaluated up to a heartbeat", []Message{beat("e-8"), names("e-8"), names("e-9")}, []bool{false, true, false}, "e-9"},
		{"a heartbeat leads nowhere back", []Message{names("e-9"), beat("e-7"), names("e-8")}, []bool{false, false, true}, "e-9"},
		{"behind a gap", []Message{names("e-5"), gap("e-20"), names("e-20"), names("e-21")}, []bool{false, false, true, false}, "e-21"},
		{"a gap leads back", []Message{names("e-50"), gap("e-3"), names("e-4")}, []bool{false, false, false}, "e-4"},
		{"a skip in a log leads nowhere", []Message{names("e-5"), gap(""), names("e-5")}, []bool{false, false, true}, "e-5"},
		{"another numbering", []Message{names("e-50"), gap("f-0"), names("f-1"), names("e-1")}, []bool{false, false, false, false}, "e-1"},
		{"of another form", []Message{names("e-5"), names("seven"), names("seven"), names("e-1")}, []bool{false, false, false, false}, "e-1"},
		{"beyond all offsets", []Message{names("e-5"), names("e-18446744073709551615"), names("e-6"), names("e-6"), names("e-7")},
			[]bool{false, false, false, true, false}, "e-7"},
		{"a heartbeat beyond all offsets", []Message{names("e-5"), beat("e-281474976710656"), names("e-6")}, []bool{false, false, false}, "e-6"},
		{"no cursors", []Message{names(""), names("")}, []bool{false, false}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p position
			for i := range c.messages {
				if got := p.repeated(&c.messages[i]); got != c.repeated[i] {
					t.Errorf("message %d: repeated is %v", i, got)
				} else if !got {
					p.advance(&c.messages[i])
				}
			}
			if p.cursor != c.cursor {
				t.Errorf("at %q, want %q", p.cursor, c.cursor)
			}
		})
	}
}

// What a server sends again after a reconnect comes once; a gap is behind its end, so that it is not told again.
func TestRepeatedMessagesComeOnce(t *testing.T) {
	const gap = `{"message_type":"gap","data":{"reason":"slow","missed":7,"from":"e-2","to":"e-9"}}`
	server := newFakeServer(t,
		script{messages: []string{dns("a", "e-1"), dns("b", "e-2"), gap}, code: -1},
		script{messages: []string{`{"message_type":"heartbeat","cursor":"e-9"}`, dns("b", "e-2"), dns("i", "e-9"), dns("j", "e-10")}, stay: true},
	)
	events, _, err := read(t, Options{URL: server.ws(), Since: "e-0"}, 5)
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		&DomainNames{Cursor: "e-1", Names: []string{"a"}}, &DomainNames{Cursor: "e-2", Names: []string{"b"}},
		&Gap{Cursor: "e-9", Reason: GapSlow, Missed: 7, From: "e-2", To: "e-9"},
		&Heartbeat{Cursor: "e-9"}, &DomainNames{Cursor: "e-10", Names: []string{"j"}},
	}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Error(diff)
	}
	for i, since := range []string{"e-0", "e-9"} {
		if got := server.asked()[i].URL.Query().Get("since"); got != since {
			t.Errorf("connection %d asked for %q, want %q", i, got, since)
		}
	}
}

// A cursor is handed back over a restart of the program, too: a new Client begins where the other one stopped.
func TestCursorOutlivesTheClient(t *testing.T) {
	server := newFakeServer(t,
		script{messages: []string{dns("a", "e-1"), dns("b", "e-2"), dns("c", "e-3")}, stay: true},
		script{messages: []string{dns("c", "e-3")}, stay: true},
	)
	first, err := New(Options{URL: server.ws()})
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range first.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if names(t, []Event{e})[0] == "b" {
			break
		}
	}
	events, _, err := read(t, Options{URL: server.ws(), Since: first.Cursor()}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"c"}, names(t, events)); diff != "" {
		t.Error(diff)
	}
	if got := server.asked()[1].URL.Query().Get("since"); got != "e-2" {
		t.Errorf("asked for %q, want e-2", got)
	}
}

// A duration stays the same moment while the server cannot be reached.
func TestDurationGrowsWithAttempts(t *testing.T) {
	full := script{status: 503}
	server := newFakeServer(t, full, full, full, script{messages: []string{dns("a", "e-1")}, stay: true})
	if _, lost, err := read(t, Options{URL: server.ws(), Since: "15m"}, 1); err != nil || len(lost) != 3 {
		t.Fatal(err, len(lost))
	}
	var last time.Duration
	for _, r := range server.asked() {
		back, err := time.ParseDuration(r.URL.Query().Get("since"))
		if err != nil || back < last || back < 15*time.Minute || back > 16*time.Minute {
			t.Errorf("asked for %v after %v, %v", back, last, err)
		}
		last = back
	}
	if last == 15*time.Minute {
		t.Error("it did not grow")
	}
}

// Where the server has no cursors, what was missed is not told by it: the client does.
func TestServersWithoutCursors(t *testing.T) {
	unresumed := &Gap{Reason: GapUnresumed, Missed: -1}
	a, b := &DomainNames{Names: []string{"a"}}, &DomainNames{Names: []string{"b"}}
	for _, c := range []struct {
		name    string
		since   string
		scripts []script
		want    []Event
	}{
		{"from the beginning", "", []script{{messages: []string{dns("a", "")}, stay: true}}, []Event{a}},
		{"after a reconnect", "", []script{{messages: []string{dns("a", "")}}, {messages: []string{dns("b", "")}, stay: true}}, []Event{a, unresumed, b}},
		{"after attempts that failed", "", []script{{status: 503}, {messages: []string{dns("a", "")}, stay: true}}, []Event{a}},
		{"asked for a time", "1h", []script{{messages: []string{dns("a", "")}, stay: true}}, []Event{unresumed, a}},
		{"asked for another server's cursor", "e-9", []script{{messages: []string{dns("a", "")}, stay: true}}, []Event{unresumed, a}},
		{"in place of a server with them", "", []script{{messages: []string{dns("b", "e-1")}}, {messages: []string{dns("a", "")}, stay: true}},
			[]Event{&DomainNames{Cursor: "e-1", Names: []string{"b"}}, unresumed, a}},
		{"heartbeats first", "e-9", []script{{messages: []string{`{"message_type":"heartbeat"}`, dns("a", "")}, stay: true}},
			[]Event{unresumed, &Heartbeat{}, a}},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := newFakeServer(t, c.scripts...)
			events, _, err := read(t, Options{URL: server.ws(), Since: c.since}, len(c.want))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, events); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCloseCodes(t *testing.T) {
	for code, goesOn := range map[int]bool{1000: true, 1001: true, 1008: false, 1011: true, 1012: true, 1013: true, -1: true} {
		server := newFakeServer(t, script{messages: []string{dns("a", "e-1")}, code: code}, script{messages: []string{dns("b", "e-2")}, stay: true})
		events, lost, err := read(t, Options{URL: server.ws()}, 2)
		if goesOn && (err != nil || len(lost) != 1) {
			t.Errorf("%d: %v after %d", code, err, len(lost))
			continue
		}
		if !goesOn {
			lost = append(lost, &Reconnecting{Err: err})
		}
		var closed *Closed
		want := Closed{Code: code, Reason: "draining"}
		if code < 0 {
			want = Closed{Code: 1006, Reason: "unexpected EOF"}
		}
		if !errors.As(lost[0].Err, &closed) || *closed != want || goesOn != (len(events) == 2) {
			t.Errorf("%d: %d events, then %v", code, len(events), lost[0].Err)
		}
		if brokenOff := strings.Contains(lost[0].Err.Error(), "the connection was lost: "); brokenOff != (code < 0) {
			t.Errorf("%d: %v", code, lost[0].Err)
		}
	}
}

func TestTooLongAMessageIsFinal(t *testing.T) {
	long := dns(strings.Repeat("a", 200), "e-2")
	ws := newFakeServer(t, script{messages: []string{dns("a", "e-1"), long}})
	tcp, _ := lineServer(t, dns("a", "e-1"), long)
	for _, url := range []string{ws.ws(), "tcp://" + tcp, sseServer(t, dns("a", "e-1"), long)} {
		events, lost, err := read(t, Options{URL: url, MaxMessage: 150}, 2)
		if !errors.Is(err, ErrTooLong) || len(events) != 1 || len(lost) != 0 {
			t.Errorf("%s: %d events, %d reconnects, then %v", url, len(events), len(lost), err)
		}
	}
}

// What is no message in the middle of a stream is told and passed over; at its beginning the address is wrong.
func TestNoMessages(t *testing.T) {
	server := newFakeServer(t, script{messages: []string{dns("a", "e-1"), "<html>", dns("b", "e-2")}, stay: true})
	events, lost, err := read(t, Options{URL: server.ws()}, 3)
	if err != nil || len(lost) != 0 {
		t.Fatal(err, lost)
	}
	if u, ok := events[1].(*Unknown); !ok || u.Err == nil || string(u.Message.Raw) != "<html>" {
		t.Errorf("got %#v", events[1])
	}
	server = newFakeServer(t, script{messages: []string{`{"hello":"world"}`}, stay: true}, script{status: 403})
	_, lost, _ = read(t, Options{URL: server.ws()}, 1)
	if len(lost) != 1 || !strings.Contains(lost[0].Err.Error(), "it has no message_type") {
		t.Errorf("lost %v", lost)
	}
}

// A loop that takes longer over a message than a connection may be silent loses nothing, on every protocol.
func TestASlowLoopKeepsItsConnection(t *testing.T) {
	const idle = 50 * time.Millisecond
	server := newFakeServer(t, script{messages: []string{dns("a", "e-1"), dns("b", "e-2")}, stay: true}, script{status: 403})
	tcp, _ := lineServer(t, dns("a", "e-1"), dns("b", "e-2"))
	for _, url := range []string{server.ws(), "tcp://" + tcp, sseServer(t, dns("a", "e-1"), dns("b", "e-2"))} {
		c, err := New(Options{URL: url, IdleTimeout: idle})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		n := 0
		for e, err := range c.Events(ctx) {
			if err != nil {
				t.Fatalf("%s: %v", url, err)
			}
			if _, ok := e.(*DomainNames); !ok {
				t.Errorf("%s: %#v", url, e)
			}
			if n++; n == 2 {
				break
			}
			<-time.After(4 * idle)
		}
		cancel()
	}
}

func TestASecondLoopGoesOn(t *testing.T) {
	server := newFakeServer(t, script{messages: []string{dns("a", "e-1"), dns("b", "e-2")}, stay: true},
		script{messages: []string{dns("b", "e-2")}, stay: true})
	c, err := New(Options{URL: server.ws()})
	if err != nil {
		t.Fatal(err)
	}
	var got []Event
	for range 2 {
		for e, err := range c.Events(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e)
			break
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, names(t, got)); diff != "" {
		t.Error(diff)
	}
	if since := server.asked()[1].URL.Query().Get("since"); since != "e-1" {
		t.Errorf("the second loop asked for %q", since)
	}
}
