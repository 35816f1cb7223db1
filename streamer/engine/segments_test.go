package engine

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/internal/durable"
	"github.com/certstream-operator/certstream-operator/internal/faultfs"
)

// kept is a window with segments that a test drives by hand, and a model of what was appended.
type kept struct {
	t tester
	*Retained
	window   *Window
	segments *Segments
	issuers  *Issuers
	all      map[uint64]Entry
}

// tester is what kept needs of a test; rapid's have it too.
type tester interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// keep opens segments in a folder, as a start after the checkpoint given does.
func keep(t tester, fs durable.FS, n Numbering, limits SegmentLimits) *kept {
	t.Helper()
	return keepIn(t, fs, "/segments", n, limits)
}

func keepIn(t tester, fs durable.FS, dir string, n Numbering, limits SegmentLimits) *kept {
	t.Helper()
	k := &kept{t: t, issuers: NewIssuers(1<<20, upper), all: map[uint64]Entry{}}
	k.window = NewWindow(WindowOptions{MaxBytes: MinWindow, Numbering: n})
	s, err := NewSegments(SegmentOptions{
		Dir: dir, Limits: limits, Window: k.window, Issuers: k.issuers, Log: slog.New(slog.DiscardHandler), FS: fs, reserve: 1,
		segment: 600 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	k.segments, k.Retained = s, NewRetained(s)
	return k
}

const plenty = 1 << 30

// append adds entries that nothing holds up, and has the writer keep up unless it is told to lag.
func (k *kept) append(n, size int, lag bool) {
	k.t.Helper()
	for range n {
		e := source(k.Head()+1, size)
		last, _, err := k.window.Append(context.Background(), []Entry{e})
		if err != nil {
			k.t.Fatal(err)
		}
		k.window.Consumed(last)
		e.Offset = last
		k.all[last] = e
		if !lag {
			k.drain()
		}
	}
}

// restart is a new start on the same disk: after a checkpoint, with numbers that begin at next. What came after the checkpoint
// will be read from the logs again.
func (k *kept) restart(checkpoint, next uint64, limits SegmentLimits) *kept {
	k.t.Helper()
	again := keepIn(k.t, k.segments.fs, k.segments.options.Dir, Numbering{Epoch: "e1", Checkpoint: checkpoint, Next: next, Holes: k.window.holes}, limits)
	for offset, e := range k.all {
		if offset <= checkpoint {
			again.all[offset] = e
		}
	}
	return again
}

func (k *kept) drain() {
	for k.segments.turn(time.Now()) {
	}
}

// source makes an entry with all there is to keep.
func source(index uint64, size int) Entry {
	e := Entry{Index: index, DER: make([]byte, size)}
	chance := rand.New(rand.NewPCG(index, 0)) // so that it does not compress
	for i := 0; i+8 <= size; i += 8 {
		binary.LittleEndian.PutUint64(e.DER[i:], chance.Uint64())
	}
	e.Source = &Source{LogID: Fingerprint{byte(index % 3)}, Name: fmt.Sprint("log ", index%3), Operator: "op", URL: "https://log", Protocol: Tiled}
	e.Timestamp, e.Seen, e.Type = index*10, int64(1_000_000+index), EntryType(index%2)
	e.Chain = []Fingerprint{{byte(index % 5)}, {9}}
	if index%7 == 0 {
		e.Malformed = "chain"
	}
	return e
}

// read reads everything after an offset: what there is, and the gaps.
func (k *kept) read(after uint64) (entries []Entry, gaps []GapError) {
	k.t.Helper()
	buf := make([]Entry, 7)
	for {
		n, err := k.Read(after, buf)
		var gap *GapError
		switch {
		case errors.As(err, &gap):
			if gap.From < after || gap.To <= gap.From {
				k.t.Fatalf("reading after %d: gap %+v", after, gap)
			}
			gaps = append(gaps, *gap)
			after = gap.To
		case err != nil:
			k.t.Fatalf("reading after %d: %v", after, err)
		case n == 0:
			return entries, gaps
		default:
			entries = append(entries, buf[:n]...)
			after = buf[n-1].Offset
		}
	}
}

// check compares what is read after an offset with the model: each entry is there, or in a gap that says how many it lacks.
func (k *kept) check(after uint64) []GapError {
	k.t.Helper()
	entries, gaps := k.read(after)
	got := map[uint64]bool{}
	last := after
	for _, e := range entries {
		want, ok := k.all[e.Offset]
		if !ok || !equal(want, e) || e.Offset <= last {
			k.t.Fatalf("after offset %d, entry %d (appended: %v): %s", last, e.Offset, ok, cmp.Diff(want, e))
		}
		got[e.Offset], last = true, e.Offset
	}
	lacking := map[int]uint64{}
	for offset := range k.all {
		if offset <= after || got[offset] {
			continue
		}
		at := -1
		for i, g := range gaps {
			if offset > g.From && offset <= g.To {
				at = i
			}
		}
		if at < 0 {
			k.t.Fatalf("reading after %d lacks entry %d, and no gap of %+v says so", after, offset, gaps)
		}
		lacking[at]++
	}
	for i, g := range gaps {
		if g.Missed != lacking[i] {
			k.t.Fatalf("gap %+v lacks %d entries", g, lacking[i])
		}
	}
	return gaps
}

// equal compares as cmp does, but in a reasonable time.
func equal(a, b Entry) bool {
	same := *a.Source == *b.Source && bytes.Equal(a.DER, b.DER) && slices.Equal(a.Chain, b.Chain)
	return same && a.Offset == b.Offset && a.Index == b.Index && a.Timestamp == b.Timestamp && a.Seen == b.Seen &&
		a.Type == b.Type && a.Malformed == b.Malformed
}

func TestSegmentsKeepWhatTheWindowDrops(t *testing.T) {
	k := keep(t, faultfs.New(1), Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	k.append(5000, 1500, false)
	if k.window.Oldest() == 0 {
		t.Fatal("the window still has everything")
	}
	for _, after := range []uint64{0, 1, 100, 2500, 4999, 5000} {
		if gaps := k.check(after); len(gaps) > 0 {
			t.Errorf("after %d: gaps %+v", after, gaps)
		}
	}
	if k.Oldest() != 0 {
		t.Errorf("oldest %d, want 0", k.Oldest())
	}
	if got := k.Resume(Cursor{"e1", 17}); got != (Resume{From: 17}) {
		t.Errorf("resumed at %+v", got)
	}
	if s := k.segments.Stats(); s.Entries+uint64(len(k.segments.waiting.entries)) != 5000 || s.Error != "" {
		t.Errorf("stats %+v", s)
	}
}

func TestSegmentsGoOnAfterACrash(t *testing.T) {
	disk := faultfs.New(1)
	k := keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	k.append(1000, 1500, false)
	if err := k.segments.sync(1000); err != nil {
		t.Fatal(err)
	}
	k.append(1000, 1500, false)
	disk.PowerCut()
	k = k.restart(1000, 5000, SegmentLimits{MaxBytes: plenty})
	k.append(3000, 1500, false)
	for _, after := range []uint64{0, 999, 1000, 1001, 1500, 4999, 5000, 7999} {
		if gaps := k.check(after); len(gaps) > 0 {
			t.Errorf("after %d: gaps %+v", after, gaps)
		}
	}
	if entries, _ := k.read(0); len(entries) != 4000 {
		t.Errorf("read %d entries, want 4000: what came after the checkpoint must not come twice", len(entries))
	}
	for _, c := range []Cursor{{"e1", 999}, {"e1", 1500}, {"e1", 6000}} {
		if r := k.Resume(c); r.Lost || r.From < c.Offset {
			t.Errorf("cursor %s leads to %+v", c, r)
		}
	}
}

// TestSegmentsTornTail tears the last write at every place that matters.
func TestSegmentsTornTail(t *testing.T) {
	for _, part := range []float64{0, 0.001, 0.3, 0.9, 0.9999, 1} {
		disk := faultfs.New(1)
		disk.Tear = func(n int) int { return int(float64(n) * part) }
		k := keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
		k.append(300, 1500, false)
		_ = k.segments.sync(300)
		k.append(200, 1500, false)
		disk.PowerCut()
		k = k.restart(480, 9000, SegmentLimits{MaxBytes: plenty}) // the sync before this checkpoint took too long
		k.append(100, 1500, false)
		gaps := k.check(0)
		for _, g := range gaps {
			if g.From < 300 || g.To != 480 || g.Missed != g.To-g.From {
				t.Errorf("torn at %v: gap %+v", part, g)
			}
		}
		if part == 0 && len(gaps) != 1 {
			t.Errorf("gaps %+v, want the 180 entries that were not on disk", gaps)
		}
	}
}

func TestSegmentsFullDisk(t *testing.T) {
	disk := faultfs.New(1)
	k := keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	k.append(1000, 1500, false)
	if err := k.segments.sync(1000); err != nil {
		t.Fatal(err)
	}
	disk.Room = 10_000
	k.append(5000, 1500, false)
	if s := k.segments.Stats(); s.Error == "" || !s.Full || s.UpTo != 1000 {
		t.Errorf("on a full disk: %+v", s)
	}
	if err := k.segments.sync(k.Head()); err == nil {
		t.Error("a checkpoint was told that all is on disk")
	}
	if gaps := k.check(0); len(gaps) != 1 || gaps[0].From != 1000 || gaps[0].Expired {
		t.Errorf("gaps %+v, want one behind offset 1000", gaps)
	}
	disk.Room = -1
	k.segments.writer.retryAt = time.Time{}
	k.drain()
	k.append(1000, 1500, false)
	gaps := k.check(0)
	if len(gaps) != 1 || gaps[0].From != 1000 || gaps[0].Missed != gaps[0].To-1000 || gaps[0].To > 6000 {
		t.Errorf("gaps %+v", gaps)
	}
	if s := k.segments.Stats(); s.Error != "" || s.Full || s.Totals.Missed != gaps[0].Missed || s.Totals.Errors == 0 {
		t.Errorf("with room again: %+v", s)
	}
}

// TestSegmentsShortTrouble has each call of the disk fail once: what the window still has is written after all.
func TestSegmentsShortTrouble(t *testing.T) {
	for _, call := range []string{"create", "write", "sync", "syncdir", "truncate", "free", "rename", "open", "read"} {
		t.Run(call, func(t *testing.T) {
			disk := faultfs.New(1)
			k := keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
			k.append(1000, 1500, false)
			_ = k.segments.sync(1000)
			failed := false
			disk.Err = func(c string) error {
				if c != call || failed {
					return nil
				}
				failed = true
				return syscall.EIO
			}
			k.append(300, 1500, false)
			_ = k.segments.sync(1300)
			disk.Err = nil
			k.segments.writer.retryAt = time.Time{}
			k.append(2000, 1500, false)
			if err := k.segments.sync(k.Head()); err != nil {
				t.Error(err)
			}
			if gaps := k.check(0); len(gaps) > 0 {
				t.Errorf("gaps %+v", gaps)
			}
		})
	}
}

func TestSegmentsSetAside(t *testing.T) {
	disk := faultfs.New(1)
	k := keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	k.append(3000, 1500, false)
	if err := k.segments.sync(3000); err != nil {
		t.Fatal(err)
	}
	if len(k.segments.list) < 4 {
		t.Fatalf("%d segments", len(k.segments.list))
	}
	bad := *k.segments.list[1]
	disk.Damage(k.segments.path(&bad), int(bad.size/2))
	content := disk.Content(k.segments.path(&bad))
	index, err := readIndex(bytes.NewReader(content), bad.size, bad.after)
	if err != nil {
		t.Fatal(err)
	}
	lost := index.frames[len(index.frames)/2]
	want := []GapError{{From: lost.after, To: lost.last, Missed: lost.count}}
	for _, places := range [][]int64{
		{lost.at + frameHeader + 100},                              // its content
		{lost.at + frameHeader + 100, bad.size - 10},               // besides, the index: the others are found by their headers
		{lost.at + frameHeader + 100, bad.size - 10, 20},           // besides, the head: nothing is known of the segment
		{lost.at + frameHeader + 100, bad.size - 10, lost.at + 20}, // the header as well: the next one is looked for
	} {
		disk := faultfs.New(1)
		k := keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
		k.append(3000, 1500, false)
		if err := k.segments.sync(3000); err != nil {
			t.Fatal(err)
		}
		for _, at := range places {
			disk.Damage(k.segments.path(&bad), int(at))
		}
		want, aside := want, 0
		if len(places) == 3 && places[2] == 20 {
			want, aside = []GapError{{From: bad.after, To: bad.last, Missed: bad.count}}, 1
		}
		for run := range 2 {
			if gaps := k.check(0); !slices.Equal(gaps, want) {
				t.Errorf("damaged at %d, run %d: gaps %+v, want %+v", places, run, gaps, want)
			}
			k.check(lost.after + 3) // from within
			if s := k.segments.Stats(); s.Totals.Damaged != want[0].Missed && aside == 0 || s.Totals.Missed != 0 || s.Totals.Corrupt != 1 && run+aside < 2 {
				t.Errorf("damaged at %d, run %d: stats %+v", places, run, s)
			}
			k = k.restart(3000, 3001, SegmentLimits{MaxBytes: plenty})
		}
		if n := len(slices.DeleteFunc(disk.Names(), func(name string) bool { return !strings.HasSuffix(name, asideSuffix) })); n != aside {
			t.Errorf("damaged at %d: %d files are set aside, want %d", places, n, aside)
		}
	}
}

// TestDamageAnywhere changes one byte of a segment at a time: never more than a block is missing, never less is said.
func TestDamageAnywhere(t *testing.T) {
	for at := 0; ; {
		disk := faultfs.New(1)
		k := keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
		k.append(1200, 1500, false)
		if err := k.segments.sync(1200); err != nil {
			t.Fatal(err)
		}
		sealed, open := k.segments.path(k.segments.list[0]), k.segments.path(k.segments.list[len(k.segments.list)-1])
		if at >= len(disk.Content(open)) {
			return
		}
		disk.Damage(sealed, at)
		disk.Damage(open, at)
		k.window.chunks.Store(&[]*chunk{}) // all is read from disk
		for range 2 {
			missed := uint64(0)
			for _, g := range k.check(0) {
				missed += g.Missed
			}
			if missed > 2*175 && at >= frameHeader+3 { // the head of the open one is all that is known of it
				t.Fatalf("damaged at %d, %d entries are missing", at, missed)
			}
			k = k.restart(1200, 1201, SegmentLimits{MaxBytes: plenty})
		}
		if at < 500 {
			at += 7
		} else {
			at += 40_000
		}
	}
}

func TestSegmentsBounds(t *testing.T) {
	disk := faultfs.New(1)
	limits := SegmentLimits{MaxBytes: 4 << 20}
	k := keep(t, disk, Numbering{Epoch: "e1"}, limits)
	k.append(6000, 1500, false)
	s := k.segments.Stats()
	if s.Bytes > limits.MaxBytes || s.Bytes < limits.MaxBytes/2 {
		t.Errorf("%d bytes are kept, the bound is %d", s.Bytes, limits.MaxBytes)
	}
	if gaps := k.check(0); len(gaps) != 1 || !gaps[0].Expired || gaps[0].To != s.After || gaps[0].Missed != s.After {
		t.Errorf("gaps %+v, want one up to %d", gaps, s.After)
	}
	if r := k.Resume(Cursor{"e1", 5}); !r.Lost || r.Missed != s.After-5 || r.From != s.After {
		t.Errorf("resumed at %+v", r)
	}
	k.segments.SetLimits(SegmentLimits{MaxBytes: limits.MaxBytes, MaxAge: time.Hour})
	k.segments.age(time.UnixMilli(1_000_000 + 6000).Add(2 * time.Hour)) // the one being written is ended first
	k.segments.age(time.UnixMilli(1_000_000 + 6000).Add(2 * time.Hour))
	if s := k.segments.Stats(); s.Segments != 0 {
		t.Errorf("after two hours there are %+v", s)
	}
	k.check(0)
	k.segments.SetLimits(SegmentLimits{})
	k.drain()
	if len(disk.Names()) > 0 {
		t.Errorf("switched off, there is %q", disk.Names())
	}
	if k.Oldest() != k.window.Oldest() {
		t.Errorf("oldest %d, the window's is %d", k.Oldest(), k.window.Oldest())
	}
	k.check(0)
}

func TestSegmentsOfAnotherEpochGo(t *testing.T) {
	disk := faultfs.New(1)
	k := keep(t, disk, Numbering{Epoch: "e0"}, SegmentLimits{MaxBytes: plenty})
	k.append(300, 1500, false)
	_ = k.segments.sync(300)
	k = keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	if len(disk.Names()) > 0 {
		t.Errorf("there is still %q", disk.Names())
	}
	k.append(10, 100, false)
	k.check(0)
}

func TestAt(t *testing.T) {
	k := keep(t, faultfs.New(1), Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: 4 << 20})
	k.append(6000, 1500, false)
	oldest := k.Oldest()
	for _, c := range []struct {
		name string
		ms   uint64
		want Resume
	}{
		{"in the window", 5900, Resume{From: 5899}},
		{"on disk", oldest + 500, Resume{From: oldest + 499}},
		{"the oldest kept", oldest + 1, Resume{From: oldest}},
		{"before that", 1, Resume{From: oldest, Lost: true}},
		{"in the future", 7000, Resume{From: 6000}},
	} {
		got := k.At(time.UnixMilli(int64(1_000_000 + c.ms)))
		got.Unknown = false
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if r := fresh(MinWindow).At(time.Now().Add(-time.Hour)); r != (Resume{}) {
		t.Errorf("of nothing: %+v", r)
	}
}

func TestBlockKeepsEntries(t *testing.T) {
	var list []Entry
	for i := range 300 {
		e := source(uint64(i), i+1)
		e.Offset = uint64(10 + 3*i)
		list = append(list, e)
	}
	list[4].DER, list[5].Chain, list[6].Source = nil, nil, &Source{}
	var w blockWriter
	b := w.append(nil, 9, list)
	known := map[Source]*Source{}
	got, err := parseBlock(b, 9, func(s Source) *Source {
		if known[s] == nil {
			known[s] = &s
		}
		return known[s]
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list, got); diff != "" {
		t.Error(diff)
	}
	for n := 0; n < len(b); n += 1 + len(b)/500 {
		if _, err := parseBlock(bytes.Clone(b[:n]), 9, func(s Source) *Source { return &s }); err == nil {
			t.Fatalf("a block cut to %d of %d bytes was read", n, len(b))
		}
	}
}
