package feed

import (
	"slices"
	"sort"
)

// Run is a run of finished frames, one after the other in memory, and where each of them ends. The zero Run is empty. Values
// are cheap to copy; frames that a copy shows are never changed.
type Run struct {
	// First is the number of the first frame.
	First uint64

	base   uint64 // marks count offsets from here
	origin uint32 // where the first frame begins in data
	data   []byte
	marks  []mark
	copies []copied
}

// copied is a frame that only some readers need: what it is about is what an entry at an earlier offset was about.
type copied struct{ frame, prior uint64 }

// mark describes a frame: where it ends, and up to which offset the stream has come with it.
type mark struct{ end, delta uint32 }

// Len is the number of frames.
func (r *Run) Len() int { return len(r.marks) }

// End is the number of the frame after the last.
func (r *Run) End() uint64 { return r.First + uint64(len(r.marks)) }

// Bytes is the frames as they go on the wire.
func (r *Run) Bytes() []byte { return r.data[r.origin:] }

// Offset is the offset up to which the stream has come with the i-th frame.
func (r *Run) Offset(i int) uint64 { return r.base + uint64(r.marks[i].delta) }

// Reset empties the run but keeps its memory: only for a run of which there are no copies. The next frames count their
// offsets from base.
func (r *Run) Reset(base uint64) {
	*r = Run{base: base, data: r.data[:0], marks: r.marks[:0], copies: r.copies[:0]}
}

// Append adds a message as a frame. Offsets never decrease.
func (r *Run) Append(f Framing, event Event, offset uint64, cursor, json []byte) {
	r.data = AppendFrame(r.data, f, event, cursor, json)
	r.mark(offset)
}

// AppendFrom adds a copy of another run's i-th frame.
func (r *Run) AppendFrom(other *Run, i int) {
	from := other.origin
	if i > 0 {
		from = other.marks[i-1].end
	}
	r.data = append(r.data, other.data[from:other.marks[i].end]...)
	r.mark(other.Offset(i))
}

func (r *Run) mark(offset uint64) {
	r.marks = append(r.marks, mark{end: uint32(len(r.data)), delta: uint32(offset - r.base)})
}

// gathered is about how much Fresh copies at a time.
const gathered = 64 << 10

// Fresh is what of the run goes to a reader that was given everything after an offset: without the frames that copy what it has been
// given. Nearly always that is the run itself; else it is made in scratch, where frames left out are empty.
func (r Run) Fresh(after uint64, scratch *Run) Run {
	known := r.copies[sort.Search(len(r.copies), func(i int) bool { return r.copies[i].frame >= r.First }):]
	r.copies = nil
	if !slices.ContainsFunc(known, func(c copied) bool { return c.prior > after && c.frame < r.End() }) {
		return r
	}
	scratch.Reset(r.base)
	scratch.First = r.First
	for i := 0; i < r.Len() && len(scratch.data) < gathered; i++ {
		frame, left := r.First+uint64(i), false
		for len(known) > 0 && known[0].frame <= frame {
			if left = known[0].frame == frame && known[0].prior > after; left {
				scratch.copies = append(scratch.copies, known[0])
			}
			known = known[1:]
		}
		if left {
			scratch.mark(r.Offset(i))
		} else {
			scratch.AppendFrom(&r, i)
		}
	}
	return *scratch
}

// LeftOut is how many of the first n frames of a run that Fresh has made are empty.
func (r *Run) LeftOut(n int) int {
	end := r.First + uint64(n)
	return sort.Search(len(r.copies), func(i int) bool { return r.copies[i].frame >= end })
}

// holds says whether a frame of this size and offset can be added without moving what is there.
func (r *Run) holds(size int, offset uint64) bool {
	return size <= cap(r.data)-len(r.data) && offset-r.base < 1<<32
}

// From is the run without the frames before number first, which must be one of its own or the next.
func (r Run) From(first uint64) Run {
	skip := first - r.First
	if skip > 0 {
		r.origin = r.marks[skip-1].end
	}
	r.First, r.marks = first, r.marks[skip:]
	return r
}

// After is the run without the frames up to an offset.
func (r Run) After(offset uint64) Run { return r.From(r.after(offset)) }

// Cut says what it means when n bytes of the run have been written: how many frames have been begun, and what is missing of
// the last of them.
func (r *Run) Cut(n int) (begun int, rest []byte) {
	at := r.origin + uint32(n)
	if int(at) == len(r.data) {
		return len(r.marks), nil
	}
	begun = sort.Search(len(r.marks), func(i int) bool { return r.marks[i].end >= at })
	if n == 0 {
		return 0, nil
	}
	return begun + 1, r.data[at:r.marks[begun].end]
}

// after is the number of the first frame beyond an offset.
func (r *Run) after(offset uint64) uint64 {
	return r.First + uint64(sort.Search(len(r.marks), func(i int) bool { return r.Offset(i) > offset }))
}
