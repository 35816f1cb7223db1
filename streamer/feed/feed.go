// Package feed keeps finished wire frames for many readers. What goes to every client of a stream kind is the same bytes, so
// it is made once and each client is a position in it: the number of the next frame it is to get.
//
// A feed has one writer. Readers take no lock: they load a View, which never changes, and read from it. What a feed keeps is
// bounded in bytes and in time; who falls behind that is served from the engine again.
package feed

import (
	"slices"
	"sort"
	"sync/atomic"
)

// Bounds of a segment: it starts small, so that a filter that seldom matches costs little, and grows with the traffic.
const (
	minSegment = 1 << 10
	maxSegment = 256 << 10
)

// Feed is the frames of one stream kind, framing and filter. Append, Ping, Publish and Tick are for one goroutine at a time;
// View is for everybody.
type Feed struct {
	framing  Framing
	maxBytes int
	view     atomic.Pointer[View]

	sealed  []*Run // shared with views: replaced, never changed
	bytes   int    // of the sealed runs
	since   uint64 // everything beyond this offset is still here
	open    Run
	size    int    // of the next segment
	aged    uint64 // what was sealed below this frame number is older than one tick
	changed bool
}

// New makes an empty feed that will have everything beyond an offset. It keeps about maxBytes of frames.
func New(f Framing, since uint64, maxBytes int) *Feed {
	feed := &Feed{framing: f, maxBytes: maxBytes, since: since, size: minSegment, open: Run{base: since}}
	feed.view.Store(&View{since: since})
	return feed
}

// Framing is the feed's framing.
func (f *Feed) Framing() Framing { return f.framing }

// View is what is published now.
func (f *Feed) View() *View { return f.view.Load() }

// Append adds a frame. Nobody sees it before Publish. Offsets never decrease.
func (f *Feed) Append(event Event, offset uint64, cursor, json []byte) {
	f.reserve(len(cursor)+len(json)+overhead, offset)
	f.open.Append(f.framing, event, offset, cursor, json)
	f.changed = true
}

// AppendCopy adds a message that those readers do without who were given everything from before the offset prior on.
func (f *Feed) AppendCopy(prior, offset uint64, cursor, json []byte) {
	f.Append(Message, offset, cursor, json)
	f.open.copies = append(f.open.copies, copied{frame: f.open.End() - 1, prior: prior})
}

// Ping adds a frame that makes peers answer, where the framing has one.
func (f *Feed) Ping(offset uint64) {
	if f.framing != WebSocket {
		return
	}
	f.reserve(overhead, offset)
	f.open.data = AppendPing(f.open.data, f.framing)
	f.open.mark(offset)
	f.changed = true
}

// reserve makes room in the open segment, so that what readers see of it never moves.
func (f *Feed) reserve(size int, offset uint64) {
	if f.open.holds(size, offset) {
		return
	}
	f.seal()
	f.open = Run{First: f.open.End(), base: offset, data: make([]byte, 0, max(size, f.size))}
	f.size = min(2*f.size, maxSegment)
}

func (f *Feed) seal() {
	if f.open.Len() == 0 {
		return
	}
	run := f.open
	f.sealed = append(slices.Clip(f.sealed), &run)
	f.bytes += len(run.data)
	drop := 0
	for ; f.bytes > f.maxBytes && drop < len(f.sealed)-1; drop++ {
		f.bytes -= len(f.sealed[drop].data)
	}
	f.forget(drop)
}

// forget drops the oldest n sealed segments.
func (f *Feed) forget(n int) {
	if n == 0 {
		return
	}
	last := f.sealed[n-1]
	f.since = max(f.since, last.Offset(last.Len()-1))
	f.sealed = slices.Clone(f.sealed[n:])
	f.changed = true
}

// Publish shows readers what has been added.
func (f *Feed) Publish() {
	if !f.changed {
		return
	}
	f.changed = false
	f.view.Store(&View{sealed: f.sealed, open: f.open, since: f.since})
}

// Tick drops segments that were sealed before the last tick, and lets segments shrink where little is going on. Called every
// few seconds it bounds what a feed keeps after a burst.
func (f *Feed) Tick() {
	drop := 0
	for drop < len(f.sealed) && f.sealed[drop].End() <= f.aged {
		f.bytes -= len(f.sealed[drop].data)
		drop++
	}
	f.forget(drop)
	if f.open.First <= f.aged {
		f.size = max(f.size/2, minSegment)
	}
	f.aged = f.open.First
}

// View is a feed at one moment. It never changes.
type View struct {
	sealed []*Run
	open   Run
	since  uint64
}

// End is the number of the frame that comes next.
func (v *View) End() uint64 { return v.open.End() }

// Since is the offset beyond which everything is here.
func (v *View) Since() uint64 { return v.since }

// From returns frames from number next on, as many as lie together; an empty run at the end. It returns false when frame
// next is no longer kept.
func (v *View) From(next uint64) (Run, bool) {
	if next >= v.open.First {
		return v.open.From(next), true
	}
	i := sort.Search(len(v.sealed), func(i int) bool { return v.sealed[i].End() > next })
	if i == len(v.sealed) || v.sealed[i].First > next {
		return Run{}, false
	}
	return v.sealed[i].From(next), true
}

// Seek returns the number of the first frame beyond an offset, or false when such frames have been dropped.
func (v *View) Seek(offset uint64) (uint64, bool) {
	if offset < v.since {
		return 0, false
	}
	for _, run := range v.sealed {
		if n := run.after(offset); n < run.End() {
			return n, true
		}
	}
	return v.open.after(offset), true
}
