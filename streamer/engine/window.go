package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// chunkData is the size of a chunk's certificate memory. A chunk is the unit in which memory is taken and given back, so a
// window is exact to about one chunk; a reader that holds an entry keeps its chunk alive.
const (
	chunkData  = 256 << 10
	chunkSlots = chunkData / 1024 // real certificates have 1.3–1.9 kB on average, so data runs out before slots
	slotBytes  = 112              // unsafe.Sizeof(Entry{})
)

// MinWindow is the smallest size of a window in bytes: some chunks, so that appending and reading overlap.
const MinWindow = 4 * (chunkData + chunkSlots*slotBytes)

// Numbering is where a window's offsets begin. The zero Numbering with an Epoch is a fresh start.
type Numbering struct {
	// Epoch names the numbering.
	Epoch string
	// Checkpoint is the last offset that the saved log positions cover: entries numbered above it are read from their logs
	// again, so a cursor at or above it loses nothing by going on at the first new offset.
	Checkpoint uint64
	// Next is the first offset to use. It is above every offset that an earlier run can have used.
	Next uint64
	// Holes are those of earlier runs, in order.
	Holes []Hole
}

// Hole is a stretch of offsets, after After up to UpTo, that hold nothing that counts: a run was to use them, and ended before its
// checkpoint covered any. What it had numbered is read from the logs again.
type Hole struct {
	After uint64 `json:"after"`
	UpTo  uint64 `json:"up_to"`
}

// AddHole adds the newest hole to a list in order, which it leaves as it is. One that begins within the last, or right behind it,
// is made one with it.
func AddHole(list []Hole, h Hole) []Hole {
	if h.UpTo <= h.After {
		return list
	}
	list = slices.Clone(list)
	if last := len(list) - 1; last >= 0 && list[last].UpTo >= h.After {
		list[last] = Hole{min(list[last].After, h.After), max(list[last].UpTo, h.UpTo)}
		return list
	}
	return append(list, h)
}

// WindowOptions configure a Window.
type WindowOptions struct {
	// MaxBytes bounds the memory kept; at least MinWindow.
	MaxBytes int
	// Numbering says where offsets begin.
	Numbering Numbering
	// Reserve promises durably that offsets up to the one given may be in use. It is nil where nothing survives a restart.
	Reserve func(upTo uint64) error
}

// Window keeps the newest entries in memory, whether or not anybody reads them. Reading takes no lock: chunks are written
// once, and the list of them is replaced as a whole.
type Window struct {
	epoch      string
	checkpoint uint64
	first      uint64 // the first offset of this run
	holes      []Hole // in order, the one before this run included
	maxBytes   atomic.Int64

	mu        sync.Mutex // guards appending
	offsets   reservation
	chains    map[string][]Fingerprint // equal chains share one slice
	appended  uint64                   // bytes of all chunks ever begun
	consumed  atomic.Uint64            // the publisher's offset
	kept      atomic.Uint64            // that of who keeps entries elsewhere; above all where there is nobody to wait for
	roomFreed [2]chan struct{}         // one token when consumed moved; of the second, which is for backlogs, kept too
	chunks    atomic.Pointer[[]*chunk]
	head      atomic.Uint64
	grown     notice
}

// chunk holds consecutive entries. Slots below n are immutable.
type chunk struct {
	first uint64 // offset of slot 0
	base  uint64 // Window.appended when the chunk was begun
	size  int    // bytes of memory taken
	n     atomic.Int32
	slots []Entry
	data  []byte // appended to within its capacity only, so that slots stay valid
}

// NewWindow makes an empty window.
func NewWindow(o WindowOptions) *Window {
	next := max(o.Numbering.Next, 1)
	w := &Window{
		epoch:      o.Numbering.Epoch,
		checkpoint: o.Numbering.Checkpoint,
		first:      next,
		offsets:    reservation{next: next, reserve: o.Reserve},
		chains:     map[string][]Fingerprint{},
		roomFreed:  [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)},
	}
	w.holes = AddHole(o.Numbering.Holes, Hole{w.checkpoint, next - 1})
	w.SetMaxBytes(o.MaxBytes)
	w.chunks.Store(&[]*chunk{})
	w.head.Store(next - 1)
	w.consumed.Store(next - 1)
	w.kept.Store(math.MaxUint64)
	return w
}

// SetMaxBytes changes the bound; a smaller one takes effect with the next entries.
func (w *Window) SetMaxBytes(n int) { w.maxBytes.Store(int64(max(n, MinWindow))) }

// Epoch implements Engine.
func (w *Window) Epoch() string { return w.epoch }

// Head implements Engine.
func (w *Window) Head() uint64 { return w.head.Load() }

// Oldest implements Engine.
func (w *Window) Oldest() uint64 {
	if list := *w.chunks.Load(); len(list) > 0 {
		return list[0].first - 1
	}
	return w.head.Load()
}

// Append implements Engine.
func (w *Window) Append(ctx context.Context, batch []Entry) (last uint64, n int, err error) {
	return w.append(ctx, batch, live)
}

// AppendBacklog is Append for entries that are in no hurry: it also waits while segments are more than half the kept bytes behind,
// so that they miss none. It does not wait for a disk that fails, nor for long for one that hangs.
func (w *Window) AppendBacklog(ctx context.Context, batch []Entry) (last uint64, n int, err error) {
	return w.append(ctx, batch, backlog)
}

// urgency says whom an append waits for; it is an index of roomFreed.
type urgency int

const (
	live    urgency = iota // the publisher
	backlog                // besides, who keeps entries
)

func (w *Window) append(ctx context.Context, batch []Entry, u urgency) (last uint64, n int, err error) {
	for n < len(batch) {
		taken, err := w.appendSome(batch[n:], u)
		n += taken
		if taken > 0 {
			w.grown.announce()
		}
		if err != nil {
			return w.Head(), n, err
		}
		if n < len(batch) {
			if err := w.waitForRoom(ctx, len(batch[n].DER), u); err != nil {
				return w.Head(), n, err
			}
		}
	}
	return w.Head(), n, nil
}

// appendSome appends until the batch ends or a reader is too far behind.
func (w *Window) appendSome(batch []Entry, u urgency) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range batch {
		c := w.last()
		if c == nil || !c.fits(&batch[i]) {
			if !w.hasRoom(len(batch[i].DER), u) {
				return i, nil
			}
			c = w.begin(&batch[i])
		}
		offset, err := w.offsets.take()
		if err != nil {
			return i, err
		}
		c.add(&batch[i], offset, w.chain(batch[i].Chain))
		w.head.Store(offset)
	}
	return len(batch), nil
}

func (w *Window) last() *chunk {
	if list := *w.chunks.Load(); len(list) > 0 {
		return list[len(list)-1]
	}
	return nil
}

// begin starts a chunk for the entry and drops the oldest ones that no longer fit. Called with mu held.
func (w *Window) begin(e *Entry) *chunk {
	c := &chunk{
		first: w.offsets.next,
		base:  w.appended,
		size:  chunkSize(len(e.DER)),
		slots: make([]Entry, chunkSlots),
		data:  make([]byte, 0, max(chunkData, len(e.DER))),
	}
	w.appended += uint64(c.size)
	old := *w.chunks.Load()
	for len(old) > 0 && int64(w.appended-old[0].base) > w.maxBytes.Load() {
		old = old[1:]
	}
	list := append(append(make([]*chunk, 0, len(old)+1), old...), c)
	w.chunks.Store(&list)
	return c
}

// chunkSize is the memory that a chunk for an entry with this much DER takes.
func chunkSize(der int) int { return max(chunkData, der) + chunkSlots*slotBytes }

func (c *chunk) fits(e *Entry) bool {
	return int(c.n.Load()) < len(c.slots) && len(e.DER) <= cap(c.data)-len(c.data)
}

func (c *chunk) add(e *Entry, offset uint64, chain []Fingerprint) {
	at := len(c.data)
	c.data = append(c.data, e.DER...)
	slot := &c.slots[c.n.Load()]
	*slot = *e
	slot.Offset, slot.Chain = offset, chain
	slot.DER = c.data[at:len(c.data):len(c.data)]
	if e.DER == nil {
		slot.DER = nil
	}
	c.n.Add(1) // publishes the slot
}

// maxChains bounds the table of shared chains; past it the table begins anew and the old slices live as long as their entries.
const maxChains = 4096

// chain returns a shared copy of a chain. Called with mu held.
func (w *Window) chain(chain []Fingerprint) []Fingerprint {
	if len(chain) == 0 {
		return nil
	}
	var scratch [8 * len(Fingerprint{})]byte
	key := scratch[:0]
	for i := range chain {
		key = append(key, chain[i][:]...)
	}
	if shared, ok := w.chains[string(key)]; ok {
		return shared
	}
	if len(w.chains) >= maxChains {
		clear(w.chains)
	}
	shared := append([]Fingerprint(nil), chain...)
	w.chains[string(key)] = shared
	return shared
}

// hasRoom says whether another chunk, for this much DER, may begin: whoever is waited for is at the head, or less than half the
// window behind, and beginning it pushes out nothing that they have not read. Called with mu held.
func (w *Window) hasRoom(der int, u urgency) bool {
	limit := uint64(w.maxBytes.Load())
	for _, reader := range []*atomic.Uint64{&w.consumed, &w.kept}[:1+u] {
		if unread := w.behind(reader.Load()); unread > 0 && (unread > limit/2 || unread+uint64(chunkSize(der)) > limit) {
			return false
		}
	}
	return true
}

// behind is how many bytes of chunks a reader at an offset has not done with.
func (w *Window) behind(offset uint64) uint64 {
	list := *w.chunks.Load()
	if len(list) == 0 || offset >= w.head.Load() {
		return 0
	}
	newest := list[len(list)-1]
	return newest.base + uint64(newest.size) - list[max(0, indexOf(list, offset+1))].base
}

// keeperPatience is what a backlog waits for segments that do not move.
const keeperPatience = 10 * time.Second

func (w *Window) waitForRoom(ctx context.Context, der int, u urgency) error {
	timer := time.NewTimer(keeperPatience)
	defer timer.Stop()
	for kept := w.kept.Load(); ; {
		w.mu.Lock()
		room := w.hasRoom(der, u)
		w.mu.Unlock()
		if room {
			w.signalRoom(u) // there may be another appender waiting
			return nil
		}
		if now := w.kept.Load(); now != kept {
			kept = now
			timer.Reset(keeperPatience)
		}
		select {
		case <-w.roomFreed[u]:
		case <-timer.C:
			if u == backlog { // until it moves
				w.kept.CompareAndSwap(kept, math.MaxUint64)
			}
		case <-ctx.Done():
			return fmt.Errorf("waiting for the publisher: %w", ctx.Err())
		}
	}
}

func (w *Window) signalRoom(u urgency) {
	select {
	case w.roomFreed[u] <- struct{}{}:
	default:
	}
}

// Consumed implements Engine.
func (w *Window) Consumed(offset uint64) {
	w.consumed.Store(offset)
	w.signalRoom(live)
	w.signalRoom(backlog)
}

// keep says how far segments have read, so that backlogs wait for them; above all offsets, that nobody should.
func (w *Window) keep(offset uint64) {
	w.kept.Store(offset)
	w.signalRoom(backlog)
}

// Read implements Engine.
func (w *Window) Read(after uint64, buf []Entry) (int, error) {
	list := *w.chunks.Load()
	if len(list) == 0 || after >= w.head.Load() {
		return 0, nil
	}
	if after+1 < list[0].first {
		return 0, ErrExpired
	}
	n := 0
	for i := indexOf(list, after+1); i < len(list) && n < len(buf); i++ {
		c := list[i]
		from := int(after + 1 - c.first)
		taken := copy(buf[n:], c.slots[from:max(from, int(c.n.Load()))])
		n += taken
		after += uint64(taken)
	}
	return n, nil
}

// indexOf finds the chunk that holds an offset, which must not be older than all of them.
func indexOf(list []*chunk, offset uint64) int {
	return sort.Search(len(list), func(i int) bool { return list[i].first > offset }) - 1
}

// Wait implements Engine.
func (w *Window) Wait(ctx context.Context, after uint64) error {
	for {
		ready := w.grown.wait()
		if w.head.Load() > after {
			return nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Resume implements Engine. A cursor of an earlier run of this epoch that the saved log positions cover goes on at the first
// new offset: what it has not seen is read from the logs again.
func (w *Window) Resume(c Cursor) Resume {
	head, oldest, start := w.Head(), w.Oldest(), w.first-1
	switch {
	case c.Epoch != w.epoch, c.Offset > head && c.Offset > start:
		return Resume{From: oldest, Lost: true, EpochUnknown: true}
	case c.Offset >= oldest:
		return Resume{From: c.Offset}
	}
	missed := w.numbered(c.Offset, oldest)
	return Resume{From: oldest, Lost: missed > 0, Missed: missed}
}

// numbered is how many entries have offsets after one up to another.
func (w *Window) numbered(from, to uint64) uint64 {
	n := to - min(to, from)
	for _, h := range w.holes {
		if low, high := max(from, h.After), min(to, h.UpTo); low < high {
			n -= high - low
		}
	}
	return n
}

// At implements Engine.
func (w *Window) At(t time.Time) Resume {
	list, ms := *w.chunks.Load(), t.UnixMilli()
	from := w.Head()
	for i := len(list) - 1; i >= 0; i-- {
		slots := list[i].slots[:list[i].n.Load()]
		at := sort.Search(len(slots), func(j int) bool { return slots[j].Seen >= ms })
		if at == len(slots) {
			break
		}
		if from = slots[at].Offset - 1; at > 0 {
			break
		}
	}
	if len(list) == 0 || from >= list[0].first || list[0].n.Load() == 0 {
		return Resume{From: from}
	}
	return Resume{From: from, Lost: from > 0 && list[0].slots[0].Seen > ms, Unknown: true}
}

// Stats implements Engine.
func (w *Window) Stats() Stats {
	s := Stats{MaxBytes: int(w.maxBytes.Load())}
	list := *w.chunks.Load()
	for _, c := range list {
		s.Entries += int(c.n.Load())
		s.Bytes += c.size
	}
	if s.Entries > 0 {
		s.Held = max(0, time.Since(list[0].slots[0].SeenTime()))
	}
	return s
}
