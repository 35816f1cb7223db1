package engine

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/faultfs"
)

// FuzzParseBlock: whatever the bytes, the parser ends, reserves no more than they warrant, and what it accepts is written back
// and read again as the same entries.
func FuzzParseBlock(f *testing.F) {
	var w blockWriter
	for _, n := range []uint64{1, 3, 20} {
		var list []Entry
		for i := range n {
			e := source(i, 40)
			e.Offset = 2*i + 1
			list = append(list, e)
		}
		f.Add(w.append(nil, 0, list), uint64(0))
	}
	f.Add([]byte{0, 0, 0}, uint64(7))
	f.Add([]byte{0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0}, uint64(7))
	f.Fuzz(func(t *testing.T, b []byte, after uint64) {
		known := map[Source]*Source{}
		same := func(s Source) *Source {
			if known[s] == nil {
				known[s] = &s
			}
			return known[s]
		}
		entries, err := parseBlock(b, after, same)
		if err != nil {
			if !errors.Is(err, errBlock) || entries != nil {
				t.Errorf("%d entries and error %v", len(entries), err)
			}
			return
		}
		var w blockWriter
		again, err := parseBlock(w.append(nil, after, entries), after, same)
		if err != nil || len(again) != len(entries) {
			t.Fatalf("written again, %d entries are read as %d: %v", len(entries), len(again), err)
		}
		for i := range again {
			if !equal(again[i], entries[i]) {
				t.Errorf("entry %d was %+v, is %+v", i, entries[i], again[i])
			}
		}
	})
}

// FuzzScan: whatever a file holds, looking at it ends, and what is said to be whole is whole.
func FuzzScan(f *testing.F) {
	whole := wholeSegment(f)
	f.Add(whole)
	f.Add(whole[:len(whole)-10])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		c, err := scan(r, int64(len(b)))
		if err != nil && !isDamage(err) {
			t.Errorf("error %v", err)
		}
		if c.size > int64(len(b)) {
			t.Errorf("%d of %d bytes are whole", c.size, len(b))
		}
		for _, frame := range c.frames {
			if _, err := readBody(r, frame); err != nil {
				t.Errorf("frame %+v: %v", frame, err)
			}
		}
		if index, err := readIndex(r, int64(len(b)), c.after); err == nil && c.sealed && index.last() != c.last() {
			t.Errorf("the index ends at %d, the segment at %d", index.last(), c.last())
		}
		s, err := newSegmentReader(NewIssuers(1<<20, upper), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.decoder.Close()
		for _, frame := range c.frames {
			if frame.kind == entryFrame {
				_, _ = s.readBlock(memory{r}, frame) // it must end
			}
		}
		_ = s.internIssuers(memory{r}, c.issuers)
	})
}

// memory is a file that is only read.
type memory struct{ io.ReaderAt }

func (memory) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }
func (memory) Close() error                       { return nil }
func (memory) Sync() error                        { return nil }
func (memory) Truncate(int64) error               { return errors.ErrUnsupported }
func (memory) Size() (int64, error)               { return 0, nil }

// wholeSegment is the content of a small sealed segment: issuers, a gap and a block.
func wholeSegment(t testing.TB) []byte {
	t.Helper()
	disk := faultfs.New(1)
	k := keep(t, disk, Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	k.issuers.Intern([]byte("an issuer"))
	k.append(3, 60, false)
	e := source(4, 60)
	e.Chain = []Fingerprint{k.issuers.Intern([]byte("an issuer"))}
	mustAppend(t, k.window, e)
	k.drain()
	if err := k.segments.sync(4); err != nil {
		t.Fatal(err)
	}
	path := k.segments.path(k.segments.list[0])
	if err := k.segments.seal(); err != nil {
		t.Fatal(err)
	}
	return disk.Content(path)
}
