package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"slices"
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

// FuzzScan: whatever a file holds, looking at it ends, and what is said to be whole is whole. Checksums stop nearly everything
// that chance makes up, so there is a way to have them made right.
func FuzzScan(f *testing.F) {
	whole := wholeSegment(f)
	for _, b := range [][]byte{whole, whole[:len(whole)-10], append(whole[:300:300], whole[310:]...), {}} {
		f.Add(b, false)
		f.Add(b, true)
	}
	s, err := newSegmentReader(NewIssuers(1<<20, upper), []Hole{{2, 3}}) // one for all: a decompressor is dear
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.decoder.Close)
	f.Fuzz(func(t *testing.T, b []byte, repair bool) {
		if repair {
			b = withChecksums(b)
		}
		r, size := bytes.NewReader(b), int64(len(b))
		c, err := scan(r, size)
		if err != nil && !isDamage(err) {
			t.Errorf("error %v", err)
		}
		if c.size > size {
			t.Errorf("%d of %d bytes are whole", c.size, size)
		}
		last := c.after
		for _, frame := range c.frames {
			if frame.after != last || frame.last < last {
				t.Errorf("frame %+v comes after offset %d", frame, last)
			}
			if last = frame.last; frame.kind != entryFrame {
				continue
			}
			if _, err := readBody(r, frame); err != nil {
				t.Errorf("frame %+v: %v", frame, err)
			}
			if entries, err := s.readBlock(memory{r}, frame); err == nil {
				for _, e := range entries {
					if e.Offset <= frame.after || e.Offset > frame.last || e.Offset == 3 {
						t.Errorf("frame %+v has entry %d", frame, e.Offset)
					}
				}
			}
		}
		if index, err := readIndex(r, size, c.after); err == nil {
			for _, frame := range append(index.frames, index.issuers...) {
				_, _ = readBody(r, frame) // it must end
			}
		}
		_ = s.internIssuers(memory{r}, c.issuers)
	})
}

// withChecksums makes frames of bytes: headers whose checksums are right, and which end where the file does at the latest.
func withChecksums(b []byte) []byte {
	b = bytes.Clone(b)
	le := binary.LittleEndian
	for rest := b; len(rest) >= frameHeader; {
		le.PutUint32(rest, frameMagic)
		stored := min(le.Uint32(rest[8:]), uint32(len(rest)-frameHeader))
		le.PutUint32(rest[8:], stored)
		le.PutUint32(rest[56:], checksum(rest[frameHeader:frameHeader+stored]))
		le.PutUint32(rest[60:], checksum(rest[:60]))
		rest = rest[frameHeader+stored:]
	}
	return b
}

// FuzzParseIssuers: what is accepted is written back the same.
func FuzzParseIssuers(f *testing.F) {
	f.Add(appendIssuers(nil, [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("two"), 100)}))
	f.Add([]byte{3, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		ders, err := parseIssuers(b)
		if err != nil {
			return
		}
		again, err := parseIssuers(appendIssuers(nil, ders))
		if err != nil || !slices.EqualFunc(ders, again, bytes.Equal) {
			t.Errorf("%q is read again as %q, %v", ders, again, err)
		}
	})
}

// FuzzParseName: a name that is understood is the one that is written.
func FuzzParseName(f *testing.F) {
	for _, name := range []string{"00000000000000000017.segment", "00000000000000000017-00000000000000000020-3.corrupt", "x.segment", "1-2-unknown.corrupt"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		seg := parseName(name)
		if seg == nil {
			return
		}
		s := &Segments{}
		if again := parseName(s.path(seg)); again == nil || !reflect.DeepEqual(again, seg) {
			t.Errorf("%q is %+v, and that is %q", name, seg, s.path(seg))
		}
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
