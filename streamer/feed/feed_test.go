package feed

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFrames(t *testing.T) {
	long := strings.Repeat("x", 126)
	huge := strings.Repeat("y", 1<<16)
	for _, c := range []struct {
		framing Framing
		event   Event
		json    string
		want    string
	}{
		{WebSocket, Message, `{}`, "\x81\x02{}"},
		{WebSocket, Gap, strings.Repeat("z", 125), "\x81\x7d" + strings.Repeat("z", 125)},
		{WebSocket, Message, long, "\x81\x7e\x00\x7e" + long},
		{WebSocket, Message, huge, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + huge},
		{EventStream, Message, `{}`, "id: e-7\ndata: {}\n\n"},
		{EventStream, Heartbeat, `{}`, "event: heartbeat\nid: e-7\ndata: {}\n\n"},
		{EventStream, Gap, `{}`, "event: gap\nid: e-7\ndata: {}\n\n"},
		{Lines, Heartbeat, `{}`, "{}\n"},
	} {
		got := string(AppendFrame([]byte("before"), c.framing, c.event, []byte("e-7"), []byte(c.json)))
		if got != "before"+c.want {
			t.Errorf("%s, event %d: got %.60q, want %.60q", c.framing, c.event, got, c.want)
		}
	}
	if got := AppendPing(nil, WebSocket); string(got) != "\x89\x00" {
		t.Errorf("ping is %q", got)
	}
	if len(AppendPing(nil, EventStream)) != 0 {
		t.Error("an event stream has no ping")
	}
}

// lineFor is the message of an offset, of a length that depends on it.
func lineFor(offset uint64) []byte {
	return fmt.Appendf(nil, "%d %s", offset, strings.Repeat("m", int(offset*37%211)))
}

func appendLine(f *Feed, offset uint64) {
	f.Append(Message, offset, fmt.Appendf(nil, "e-%d", offset), lineFor(offset))
}

// readFrom reads all there is from a frame number on.
func readFrom(v *View, next uint64) (lines []string, end uint64, ok bool) {
	var text []byte
	for {
		run, ok := v.From(next)
		if !ok {
			return nil, next, false
		}
		if run.Len() == 0 {
			break
		}
		text = append(text, run.Bytes()...)
		next = run.End()
	}
	lines = strings.Split(string(text), "\n")
	return lines[:len(lines)-1], next, true
}

// TestFeedAgainstModel appends, publishes, ticks, seeks and reads at random, and compares with a plain list of lines.
func TestFeedAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.Uint64Range(0, 1000).Draw(t, "start")
		f := New(Lines, start, rapid.IntRange(2<<10, 32<<10).Draw(t, "bound"))
		var all []uint64 // offsets of all frames
		published := 0
		offset := start
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1, 2:
				for range rapid.IntRange(1, 30).Draw(t, "frames") {
					offset += rapid.Uint64Range(1, 3).Draw(t, "distance")
					appendLine(f, offset)
					all = append(all, offset)
				}
			case 3:
				f.Publish()
				published = len(all)
			case 4:
				f.Tick()
			case 5:
				checkSeek(t, f.View(), all[:published], start, rapid.Uint64Range(start, offset+1).Draw(t, "since"))
			}
			if end := f.View().End(); end != uint64(published) {
				t.Fatalf("%d frames are visible, want %d", end, published)
			}
		}
	})
}

// checkSeek: a reader that joins at an offset gets exactly what lies beyond it, or is refused.
func checkSeek(t *rapid.T, v *View, all []uint64, start, since uint64) {
	next, ok := v.Seek(since)
	if !ok {
		if since >= v.Since() || v.Since() == start {
			t.Fatalf("seek %d refused, though everything after %d is kept", since, v.Since())
		}
		return
	}
	var want []string
	for _, offset := range all {
		if offset > since {
			want = append(want, string(lineFor(offset)))
		}
	}
	got, _, ok := readFrom(v, next)
	if !ok || len(got) != len(want) || len(want) > 0 && !cmp.Equal(got, want) {
		t.Fatalf("from %d: got %d lines, want %d (%v)", since, len(got), len(want), ok)
	}
}

func TestCut(t *testing.T) {
	var r Run
	for _, text := range []string{"aa", "bbbb", "c"} {
		r.Append(Lines, Message, uint64(len(text)+r.Len()), nil, []byte(text))
	}
	later := r.From(1) // bbbb\nc\n
	for _, c := range []struct {
		n, begun int
		rest     string
	}{{0, 0, ""}, {1, 1, "bbb\n"}, {4, 1, "\n"}, {5, 1, ""}, {6, 2, "\n"}, {7, 2, ""}} {
		if begun, rest := later.Cut(c.n); begun != c.begun || string(rest) != c.rest {
			t.Errorf("after %d bytes %d frames are begun and %q is missing, want %d and %q", c.n, begun, rest, c.begun, c.rest)
		}
	}
	if got := string(later.Bytes()); got != "bbbb\nc\n" || later.First != 1 || later.End() != 3 || later.Offset(0) != 5 {
		t.Errorf("%q, %+v", got, later)
	}
}

func TestFeedIsBoundedInBytesAndTime(t *testing.T) {
	const bound = 64 << 10
	f := New(WebSocket, 0, bound)
	first := f.View()
	for offset := uint64(1); offset <= 10000; offset++ {
		appendLine(f, offset)
		if f.bytes > bound+maxSegment {
			t.Fatalf("%d bytes kept", f.bytes)
		}
	}
	f.Publish()
	if first.End() != 0 {
		t.Error("a view has changed")
	}
	if _, ok := f.View().From(0); ok {
		t.Error("the first frame is still kept")
	}
	if _, ok := f.View().Seek(5); ok {
		t.Error("a position that is gone was found")
	}
	f.Tick()
	f.Tick()
	f.Publish()
	if len(f.sealed) != 0 || f.bytes != 0 {
		t.Errorf("after two ticks %d sealed segments with %d bytes are left", len(f.sealed), f.bytes)
	}
	for range 20 {
		f.Tick()
	}
	if f.size != minSegment {
		t.Errorf("an idle feed's next segment has %d bytes", f.size)
	}
}

// TestReadersNeedNoLock reads while a writer writes; the race detector looks on.
func TestReadersNeedNoLock(t *testing.T) {
	const frames = 5000
	f := New(Lines, 0, 1<<30)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			var text bytes.Buffer
			for next := uint64(0); next < frames; {
				run, ok := f.View().From(next)
				if !ok {
					t.Error("a frame has gone")
					return
				}
				text.Write(run.Bytes())
				next = run.End()
			}
			for offset := uint64(1); offset <= frames; offset++ {
				if line, err := text.ReadBytes('\n'); err != nil || !bytes.Equal(line[:len(line)-1], lineFor(offset)) {
					t.Errorf("line %d is %q (%v)", offset, line, err)
					return
				}
			}
		})
	}
	for offset := uint64(1); offset <= frames; offset++ {
		appendLine(f, offset)
		if offset%7 == 0 || offset == frames {
			f.Publish()
		}
	}
	readers.Wait()
}

func BenchmarkAppend(b *testing.B) {
	f := New(WebSocket, 0, 2<<20)
	json := bytes.Repeat([]byte("x"), 1500)
	cursor := []byte("e-123456")
	b.ReportAllocs()
	b.SetBytes(int64(len(json)))
	for i := range b.N {
		f.Append(Message, uint64(i), cursor, json)
		if i%16 == 0 {
			f.Publish()
		}
	}
}
