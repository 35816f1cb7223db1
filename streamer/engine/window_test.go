package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func fresh(maxBytes int) *Window {
	return NewWindow(WindowOptions{MaxBytes: maxBytes, Numbering: Numbering{Epoch: "e1"}})
}

// entry makes an entry whose DER tells its index.
func entry(index uint64, size int) Entry {
	der := bytes.Repeat([]byte{byte(index)}, max(size, 8))
	copy(der, fmt.Sprintf("%08d", index))
	return Entry{Index: index, DER: der, Seen: time.Now().UnixMilli()}
}

func mustAppend(t testing.TB, w *Window, entries ...Entry) uint64 {
	t.Helper()
	last, n, err := w.Append(context.Background(), entries)
	if err != nil || n != len(entries) {
		t.Fatalf("appended %d of %d: %v", n, len(entries), err)
	}
	return last
}

func TestWindowNumbersAndKeepsCopies(t *testing.T) {
	w := fresh(MinWindow)
	e := entry(7, 100)
	e.Chain = []Fingerprint{{1}, {2}}
	want := bytes.Clone(e.DER)
	if last := mustAppend(t, w, e, entry(8, 10)); last != 2 || w.Head() != 2 {
		t.Fatalf("last offset %d, head %d, want 2", last, w.Head())
	}
	clear(e.DER)
	clear(e.Chain)
	buf := make([]Entry, 4)
	n, err := w.Read(0, buf)
	if err != nil || n != 2 || buf[0].Offset != 1 || buf[1].Offset != 2 || buf[1].Index != 8 {
		t.Fatalf("read %d entries %+v: %v", n, buf[:n], err)
	}
	if !bytes.Equal(buf[0].DER, want) || buf[0].Chain[1] != (Fingerprint{2}) {
		t.Error("the window keeps the caller's memory in place of a copy")
	}
	if n, err := w.Read(2, buf); n != 0 || err != nil {
		t.Errorf("at the head: %d entries, %v; want none", n, err)
	}
}

func TestWindowSharesEqualChains(t *testing.T) {
	w := fresh(MinWindow)
	for i := range uint64(3) {
		e := entry(i, 10)
		e.Chain = []Fingerprint{{1}, {byte(i / 2)}}
		mustAppend(t, w, e)
	}
	buf := make([]Entry, 3)
	if _, err := w.Read(0, buf); err != nil {
		t.Fatal(err)
	}
	if &buf[0].Chain[0] != &buf[1].Chain[0] || &buf[0].Chain[0] == &buf[2].Chain[0] {
		t.Error("equal chains should share memory, others not")
	}
}

// TestWindowAgainstModel appends, consumes and reads at random and compares with a plain slice.
func TestWindowAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := fresh(MinWindow)
		var model []Entry // model[i] has offset i+1
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			batch := make([]Entry, rapid.IntRange(0, 40).Draw(t, "batch"))
			size := rapid.SampledFrom([]int{8, 1500, 40_000, chunkData + 5}).Draw(t, "size")
			for i := range batch {
				batch[i] = entry(uint64(len(model)+i), size)
				w.Consumed(w.Head()) // a publisher that keeps up
				if _, n, err := w.Append(context.Background(), batch[i:i+1]); err != nil || n != 1 {
					t.Fatalf("append: %d, %v", n, err)
				}
			}
			model = append(model, batch...)
			checkRead(t, w, model, rapid.Uint64Range(0, uint64(len(model))).Draw(t, "after"))
		}
		if s := w.Stats(); s.Bytes > MinWindow+chunkSize(chunkData+5) {
			t.Fatalf("keeps %d bytes, bound %d", s.Bytes, MinWindow)
		}
	})
}

func checkRead(t *rapid.T, w *Window, model []Entry, after uint64) {
	buf := make([]Entry, 7)
	n, err := w.Read(after, buf)
	if after < w.Oldest() {
		if !errors.Is(err, ErrExpired) {
			t.Fatalf("after %d, oldest %d: %v, want ErrExpired", after, w.Oldest(), err)
		}
		return
	}
	if want := min(len(buf), len(model)-int(after)); err != nil || n != want {
		t.Fatalf("after %d: %d entries, %v; want %d", after, n, err, want)
	}
	for i, e := range buf[:n] {
		if want := model[after+uint64(i)]; e.Offset != after+uint64(i)+1 || !bytes.Equal(e.DER, want.DER) {
			t.Fatalf("offset %d holds index %d, want %d", e.Offset, e.Index, want.Index)
		}
	}
}

func TestWindowWaitsForThePublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fresh(MinWindow)
		const entries = 100 // of 40 kB: 16 chunks, four times the window
		done := make(chan error)
		go func() {
			var batch []Entry
			for i := range uint64(entries) {
				batch = append(batch, entry(i, 40_000))
			}
			_, _, err := w.Append(context.Background(), batch)
			done <- err
		}()
		buf := make([]Entry, 3)
		for after := uint64(0); after < entries; {
			synctest.Wait() // the appender has gone as far as it may
			n, err := w.Read(after, buf)
			if err != nil || n == 0 {
				t.Fatalf("after %d: %d entries, %v: unread entries were pushed out", after, n, err)
			}
			after += uint64(n)
			w.Consumed(after)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

func TestAppendEndsWithItsContext(t *testing.T) {
	w := fresh(MinWindow)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	var batch []Entry
	for i := range uint64(100) {
		batch = append(batch, entry(i, 40_000))
	}
	_, n, err := w.Append(ctx, batch)
	if !errors.Is(err, context.DeadlineExceeded) || n == 0 || uint64(n) != w.Head() {
		t.Fatalf("took %d with head %d: %v", n, w.Head(), err)
	}
}

func TestWaitAnnouncesGrowth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fresh(MinWindow)
		done := make(chan error, 1)
		go func() { done <- w.Wait(context.Background(), 0) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("woke without an entry: %v", err)
		default:
		}
		mustAppend(t, w, entry(1, 10))
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	})
}

// TestConcurrentReadersSeeWholeEntries runs under the race detector.
func TestConcurrentReadersSeeWholeEntries(t *testing.T) {
	const total = 4000
	w := fresh(MinWindow)
	var group sync.WaitGroup
	for reader := range 4 {
		group.Go(func() {
			buf := make([]Entry, 1+reader*7)
			for after := uint64(0); after < total; {
				if err := w.Wait(context.Background(), after); err != nil {
					t.Error(err)
					return
				}
				n, err := w.Read(after, buf)
				if errors.Is(err, ErrExpired) {
					after = w.Oldest()
					continue
				}
				for _, e := range buf[:n] {
					if after++; e.Offset != after || string(e.DER[:8]) != fmt.Sprintf("%08d", e.Index) {
						t.Errorf("offset %d holds %q of index %d", e.Offset, e.DER[:8], e.Index)
						return
					}
				}
				if reader == 0 {
					w.Consumed(after)
				}
			}
		})
	}
	for i := uint64(0); i < total; i++ {
		mustAppend(t, w, entry(i, rand.IntN(9000)))
	}
	group.Wait()
}

func TestResume(t *testing.T) {
	// An earlier run ended uncleanly: its checkpoint covers 100, and offsets up to 999 may have been used.
	w := NewWindow(WindowOptions{MaxBytes: MinWindow, Numbering: Numbering{Epoch: "e1", Checkpoint: 100, Next: 1000}})
	for i := range uint64(5) {
		mustAppend(t, w, entry(i, 10)) // 1000 … 1004
	}
	for name, c := range map[string]struct {
		cursor Cursor
		want   Resume
	}{
		"in the window":                     {Cursor{"e1", 1002}, Resume{From: 1002}},
		"at the head":                       {Cursor{"e1", 1004}, Resume{From: 1004}},
		"before the crash, covered":         {Cursor{"e1", 400}, Resume{From: 999}},
		"exactly the checkpoint":            {Cursor{"e1", 100}, Resume{From: 999}},
		"older than the checkpoint":         {Cursor{"e1", 90}, Resume{From: 999, Lost: true, Missed: 10}},
		"another epoch":                     {Cursor{"e0", 1002}, Resume{From: 999, Lost: true, EpochUnknown: true}},
		"an offset that was never given":    {Cursor{"e1", 5000}, Resume{From: 999, Lost: true, EpochUnknown: true}},
		"the last before the first new one": {Cursor{"e1", 999}, Resume{From: 999}},
	} {
		if got := w.Resume(c.cursor); got != c.want {
			t.Errorf("%s: Resume(%v) = %+v, want %+v", name, c.cursor, got, c.want)
		}
	}
}

func TestResumeCountsWhatTheWindowDropped(t *testing.T) {
	w := fresh(MinWindow)
	for i := range uint64(100) {
		w.Consumed(w.Head())
		mustAppend(t, w, entry(i, 40_000))
	}
	got := w.Resume(Cursor{"e1", 3})
	if want := (Resume{From: w.Oldest(), Lost: true, Missed: w.Oldest() - 3}); got != want || w.Oldest() == 0 {
		t.Errorf("Resume = %+v, want %+v", got, want)
	}
}

func TestReservationIsAheadOfUse(t *testing.T) {
	var reserved uint64
	w := NewWindow(WindowOptions{MaxBytes: MinWindow, Numbering: Numbering{Epoch: "e", Next: 10},
		Reserve: func(upTo uint64) error { reserved = upTo; return nil }})
	if last := mustAppend(t, w, entry(1, 8)); last > reserved || last != 10 {
		t.Errorf("offset %d used with %d reserved", last, reserved)
	}
}

func TestReservationOutlivesAFailingDisk(t *testing.T) {
	calls, broken := 0, false
	r := reservation{next: 1, reserve: func(uint64) error {
		calls++
		if broken {
			return errors.New("no space left on device")
		}
		return nil
	}}
	if _, err := r.take(); err != nil {
		t.Fatal(err)
	}
	broken = true
	for range reserveBlock {
		if _, err := r.take(); err != nil {
			t.Fatalf("after %d offsets: %v", r.next, err)
		}
	}
	if _, err := r.take(); err == nil {
		t.Error("an offset was used that is not reserved")
	}
	if calls > 70 {
		t.Errorf("tried the failing disk %d times", calls)
	}
	broken = false
	for range 2 {
		_, _ = r.take()
	}
	if _, err := r.take(); err != nil {
		t.Errorf("the disk is back, yet: %v", err)
	}
}
