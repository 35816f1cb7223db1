package streamer_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/faultfs"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
)

var (
	powerCuts = flag.Int("cuts", 60, "power cuts of TestPowerCuts")
	powerSeed = flag.Uint64("cutseed", 0, "seed of TestPowerCuts; 0: by the time")
)

// TestPowerCuts cuts the power of a disk that holds checkpoints and segments, at any call, again and again: what was not synced
// is gone or torn. Whatever the moment, the checkpoint can be read, is one that was written, and none before the last that was
// acknowledged; it is ahead neither of what was emitted nor of what segments have; no offset is used twice; and clients that
// come back with their cursors get every entry that is not too old, of which at most those since the checkpoint twice.
func TestPowerCuts(t *testing.T) { cutPower(t, false) }

// TestPowerCutsOfABadDisk has calls fail and bytes change besides: then entries may be missing, and clients are told of exactly
// which.
func TestPowerCutsOfABadDisk(t *testing.T) { cutPower(t, true) }

func cutPower(t *testing.T, bad bool) {
	cuts, seed := *powerCuts, *powerSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("%d cuts, -cutseed=%d", cuts, seed)
	synctest.Test(t, func(t *testing.T) {
		w := newPowered(t, seed, bad)
		for cut := 0; cut < cuts && !t.Failed(); cut++ {
			w.cycle(cut)
		}
		t.Logf("%d entries numbered, %d checkpoints, %d read by clients, %d of them again, %d told missing in %d gaps",
			w.numbered, w.saved, w.read, w.repeated, w.missed, w.gaps)
	})
}

// cutLogs is how many logs are followed.
const cutLogs = 3

// leaf names an entry: that is what stays when it is numbered anew.
type leaf struct {
	log   int
	index uint64
}

// attempt is a checkpoint that was to be saved.
type attempt struct {
	positions [cutLogs]uint64
	offset    uint64
}

// powered is the world around a disk that loses power.
type powered struct {
	t      *testing.T
	chance *rand.Rand
	disk   *faultfs.FS
	bad    bool
	source [cutLogs]*engine.Source
	noise  []byte // what certificates are cut from

	epoch     string
	used      map[uint64]bool // offsets, by any run
	timeline  map[uint64]leaf // offsets that count: those above a checkpoint are numbered anew after a cut
	attempts  []attempt
	kept      int // of attempts, the last that was acknowledged; -1 for none
	positions [cutLogs]uint64
	clients   []*cutClient

	numbered, saved, read, repeated, missed, gaps int

	store    *follow.Store
	window   *engine.Window
	segments *engine.Segments
	engine   *engine.Retained
}

// cutClient is a client that keeps its last cursor.
type cutClient struct {
	cursor engine.Cursor
	seen   map[leaf]uint64 // offsets
	told   map[leaf]bool   // missing
	from   [cutLogs]uint64
}

func newPowered(t *testing.T, seed uint64, bad bool) *powered {
	w := &powered{t: t, chance: rand.New(rand.NewPCG(seed, 7)), disk: faultfs.New(seed), bad: bad, kept: -1,
		used: map[uint64]bool{}, timeline: map[uint64]leaf{}}
	for range 1 << 17 {
		w.noise = binary.LittleEndian.AppendUint64(w.noise, w.chance.Uint64())
	}
	for i := range w.source {
		w.source[i] = &engine.Source{LogID: engine.Fingerprint{byte(i + 1)}, Name: fmt.Sprint("Log ", i), URL: fmt.Sprint("https://log/", i)}
	}
	return w
}

// cycle is one life of the program.
func (w *powered) cycle(cut int) {
	w.disk.Err = nil
	if cut%10 > 0 { // now and then the power fails at rest
		w.disk.FailAfter(1 + w.chance.IntN(1+w.chance.IntN(120)))
	}
	if w.open() {
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { w.segments.Run(ctx) })
		w.resumeAll()
		clean := false
		for step := 0; step < 40 && !w.disk.Failed() && !clean && !w.t.Failed(); step++ {
			clean = w.act()
			time.Sleep(10 * time.Millisecond) // by the bubble's clock: the writer's turn
		}
		cancel()
		running.Wait()
	}
	w.disk.PowerCut()
	if w.bad {
		w.rot()
	}
}

// open starts the program and checks what it has found. It returns false where the power fails meanwhile.
func (w *powered) open() bool {
	var err error
	if w.store, err = follow.OpenStore("/state", follow.StoreOptions{FS: w.disk}); err != nil {
		if !w.disk.Failed() {
			w.t.Errorf("the state is not recovered: %v", err)
		}
		return false
	}
	epoch, checkpoint, next, _, fresh := w.store.Numbering()
	w.recover(epoch, checkpoint, next, fresh)
	w.window = engine.NewWindow(engine.WindowOptions{MaxBytes: engine.MinWindow, Reserve: w.store.Reserve,
		Numbering: engine.Numbering{Epoch: epoch, Checkpoint: checkpoint, Next: next, Holes: w.store.Holes()}})
	w.segments, err = engine.NewSegments(engine.SegmentOptions{Dir: "/state/segments", FS: w.disk, Window: w.window,
		Limits:  engine.SegmentLimits{MaxBytes: 8 << 20}, // so segments are small, and the oldest go
		Issuers: engine.NewIssuers(1<<20, func(dst, _ []byte) []byte { return dst }), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Error(err)
		return false
	}
	w.engine = engine.NewRetained(w.segments)
	return !w.t.Failed()
}

// recover checks the checkpoint that was found.
func (w *powered) recover(epoch string, checkpoint, next uint64, fresh bool) {
	if fresh && (w.kept >= 0 || len(w.used) > 0) || w.epoch != "" && len(w.used) > 0 && epoch != w.epoch {
		w.t.Errorf("a new numbering %s (fresh: %v) begins, though there was %s with %d offsets", epoch, fresh, w.epoch, len(w.used))
	}
	if w.epoch = epoch; w.used[next] {
		w.t.Errorf("offset %d is used twice", next)
	}
	found := attempt{offset: checkpoint}
	for i, source := range w.source {
		l, _ := w.store.Log(source.LogID)
		if found.positions[i] = l.Position; l.Position > w.positions[i] {
			w.t.Errorf("the checkpoint is at index %d of a log of which %d were emitted", l.Position, w.positions[i])
		}
	}
	at := slices.Index(w.attempts, found)
	if at < w.kept || at < 0 && found != (attempt{}) {
		w.t.Errorf("found checkpoint %+v, number %d; number %d was acknowledged", found, at, w.kept)
	}
	if checkpoint > 0 && !w.used[checkpoint] {
		w.t.Errorf("the checkpoint's offset %d was never used", checkpoint)
	}
	w.kept, w.positions = max(w.kept, at), found.positions
	maps.DeleteFunc(w.timeline, func(offset uint64, _ leaf) bool { return offset > checkpoint })
}

// act does something; true after a clean stop.
func (w *powered) act() (clean bool) {
	switch w.chance.IntN(12) {
	case 0, 1, 2, 3, 4, 5:
		w.emit(w.chance.IntN(cutLogs), 1+w.chance.IntN(80))
	case 6, 7:
		w.checkpoint(false)
	case 8:
		if len(w.clients) < 12 {
			w.clients = append(w.clients, &cutClient{seen: map[leaf]uint64{}, told: map[leaf]bool{}, from: w.positions,
				cursor: engine.Cursor{Epoch: w.epoch, Offset: w.window.Head()}})
		}
	case 9:
		if w.bad {
			w.trouble()
		}
	case 10:
		if w.chance.IntN(4) == 0 {
			w.checkpoint(true)
			return true
		}
	default:
		if len(w.clients) > 0 {
			w.follow(w.clients[w.chance.IntN(len(w.clients))], w.chance.IntN(300))
		}
	}
	return false
}

// emit has a log grow.
func (w *powered) emit(log, n int) {
	for range n {
		e := w.entry(leaf{log, w.positions[log]})
		last, taken, err := w.window.Append(context.Background(), []engine.Entry{e})
		if taken == 0 {
			if !w.disk.Failed() && !w.bad {
				w.t.Errorf("appending: %v", err)
			}
			return
		}
		w.window.Consumed(last)
		if w.used[last] {
			w.t.Errorf("offset %d is used twice", last)
		}
		w.used[last], w.timeline[last] = true, leaf{log, e.Index}
		w.positions[log]++
		w.numbered++
	}
}

// entry is what a log holds at an index.
func (w *powered) entry(l leaf) engine.Entry {
	at := (l.index*7919 + uint64(l.log)*104729) % uint64(len(w.noise)-2600)
	return engine.Entry{Source: w.source[l.log], Index: l.index, DER: w.noise[at : at+100+l.index*l.index%2500], Seen: time.Now().UnixMilli()}
}

// checkpoint does what the supervisor does.
func (w *powered) checkpoint(clean bool) {
	states, a := map[engine.Fingerprint]follow.LogState{}, attempt{positions: w.positions, offset: w.window.Head()}
	for i, source := range w.source {
		states[source.LogID] = follow.LogState{URL: source.URL, Position: w.positions[i]}
	}
	if a.offset == 0 || !w.used[a.offset] {
		return // nothing has been emitted by this run
	}
	if len(w.attempts) == 0 || w.attempts[len(w.attempts)-1] != a {
		w.attempts = append(w.attempts, a)
	}
	synced := w.segments.Sync(context.Background(), a.offset)
	if synced != nil && !w.bad && !w.disk.Failed() {
		w.t.Errorf("syncing: %v", synced)
	}
	if err := w.store.Save(states, a.offset, clean); err == nil {
		w.kept, w.saved = len(w.attempts)-1, w.saved+1
	} else if !w.disk.Failed() && !w.bad {
		w.t.Errorf("saving: %v", err)
	}
}

// trouble has a kind of call fail for a while, or no longer.
func (w *powered) trouble() {
	calls := []string{"create", "write", "sync", "syncdir", "truncate", "rename", "read", "open"}
	call := calls[w.chance.IntN(len(calls))]
	if w.disk.Err != nil {
		w.disk.Fail(nil)
		time.Sleep(6 * time.Second) // until the next try
		return
	}
	w.disk.Fail(func(c string) error {
		if c == call {
			return syscall.EIO
		}
		return nil
	})
}

// rot changes a byte of a segment.
func (w *powered) rot() {
	names := slices.DeleteFunc(w.disk.Names(), func(name string) bool { return !strings.HasSuffix(name, ".segment") })
	if len(names) == 0 || w.chance.IntN(4) > 0 {
		return
	}
	name := names[w.chance.IntN(len(names))]
	if n := len(w.disk.Content(name)); n > 0 {
		w.t.Logf("a byte changes in %s", path.Base(name))
		w.disk.Damage(name, w.chance.IntN(n))
	}
}

// resumeAll has all clients come back.
func (w *powered) resumeAll() {
	for _, c := range w.clients {
		if w.disk.Failed() {
			return
		}
		r := w.engine.Resume(c.cursor)
		if r.Lost || r.EpochUnknown {
			if !w.bad && (r.EpochUnknown || r.From != w.engine.Oldest()) {
				w.t.Errorf("cursor %s is answered by %+v", c.cursor, r)
			}
			w.tell(c, c.cursor.Offset, r.From, r.Missed, r.Unknown || r.EpochUnknown)
		}
		c.cursor = engine.Cursor{Epoch: w.epoch, Offset: r.From}
		w.follow(c, w.chance.IntN(2000))
	}
	for _, c := range w.clients {
		if w.chance.IntN(3) == 0 && !w.disk.Failed() {
			w.follow(c, 1<<30)
			w.complete(c)
		}
	}
}

// follow has a client read up to n entries.
func (w *powered) follow(c *cutClient, n int) {
	var buf [64]engine.Entry
	for n > 0 && !w.t.Failed() {
		got, err := w.engine.Read(c.cursor.Offset, buf[:min(n, len(buf))])
		var gap *engine.GapError
		switch {
		case w.disk.Failed():
			return // what a client was sent last does not matter
		case errors.As(err, &gap):
			if !w.bad && !gap.Expired {
				w.t.Errorf("after %s: %+v", c.cursor, gap)
			}
			w.tell(c, gap.From, gap.To, gap.Missed, false)
			c.cursor.Offset = gap.To
			continue
		case err != nil:
			if !w.bad {
				w.t.Errorf("after %s: %v", c.cursor, err)
			}
			return
		case got == 0:
			return
		}
		for i := range buf[:got] {
			w.hear(c, &buf[i])
		}
		n -= got
	}
}

// hear checks an entry that a client gets.
func (w *powered) hear(c *cutClient, e *engine.Entry) {
	l, ok := w.timeline[e.Offset]
	want := w.entry(l)
	if !ok || e.Index != l.index || e.Source.LogID != want.Source.LogID || string(e.DER) != string(want.DER) {
		w.t.Errorf("after %s comes offset %d, index %d of %s, want %+v (numbered: %v)", c.cursor, e.Offset, e.Index, e.Source.Name, l, ok)
	}
	if e.Offset <= c.cursor.Offset {
		w.t.Errorf("after %s comes offset %d", c.cursor, e.Offset)
	}
	w.read++
	if before := c.seen[l]; before > 0 {
		w.repeated++
		if same, counts := w.timeline[before]; counts && same == l {
			w.t.Errorf("index %d of log %d comes again as %d; it was %d, which a checkpoint covers", l.index, l.log, e.Offset, before)
		}
	}
	c.seen[l], c.cursor.Offset = e.Offset, e.Offset
}

// tell notes what a client is told to have missed, and checks that it is exact.
func (w *powered) tell(c *cutClient, from, to, missed uint64, unknown bool) {
	var lacking uint64
	for offset, l := range w.timeline {
		if offset > from && offset <= to {
			c.told[l] = true
			lacking++
		}
	}
	if w.gaps++; !unknown {
		w.missed += int(missed)
	}
	if !unknown && missed != lacking {
		w.t.Errorf("%d entries after %d up to %d are said to be missing, of %d", missed, from, to, lacking)
	}
}

// complete checks that a client that has caught up has seen everything, or was told of it.
func (w *powered) complete(c *cutClient) {
	if w.disk.Failed() || w.t.Failed() {
		return
	}
	for log, end := range w.positions {
		for index := c.from[log]; index < end; index++ {
			if l := (leaf{log, index}); c.seen[l] == 0 && !c.told[l] {
				w.t.Errorf("a client at %s has never got %+v", c.cursor, l)
				return
			}
		}
	}
}
