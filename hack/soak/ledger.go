package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ledger is what all collectors together know of offsets: an offset is one entry, for everybody and for ever.
type ledger struct {
	mu      sync.Mutex
	epoch   string
	at      map[uint64]sighting
	crashes []crash
}

// sighting is when an offset was first seen, and what it was.
type sighting struct {
	ref
	at time.Time
}

// crash is what a run left behind: offsets above checkpoint and below first are void, and the logs are read again from positions on.
// The checkpoint takes the positions first: what comes in between has an offset below it, and comes again all the same.
type crash struct {
	checkpoint, first uint64
	positions         map[string]uint64 // by log id
	at                time.Time
	clean             bool
}

func newLedger() *ledger { return &ledger{at: map[uint64]sighting{}} }

// note takes what an offset was seen to be. r is nil for a heartbeat or gap.
func (l *ledger) note(epoch string, offset uint64, r *ref) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == "" {
		l.epoch = epoch
	}
	if epoch != l.epoch {
		return fmt.Errorf("epoch %s in place of %s, though there was state to go on from", epoch, l.epoch)
	}
	if r == nil {
		return nil
	}
	if before, ok := l.at[offset]; !ok {
		l.at[offset] = sighting{*r, time.Now()}
	} else if before.ref != *r {
		return fmt.Errorf("offset %d is used twice: for %v, now for %v", offset, before.ref, *r)
	}
	return nil
}

// ended takes what a run left behind.
func (l *ledger) ended(c crash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.crashes = append(l.crashes, c)
}

// void says whether an offset was given up by one of the first so many crashes.
func (l *ledger) void(offset uint64, crashes int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := sort.Search(crashes, func(i int) bool { return l.crashes[i].first > offset })
	return i < crashes && l.crashes[i].checkpoint < offset
}

// runs is how many runs have ended.
func (l *ledger) runs() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.crashes)
}

// size is how many offsets were seen.
func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.at)
}

// repeated returns the crash for which an entry of a log came at one offset and again at a later one: the first after it.
func (l *ledger) repeated(id string, index, before, offset uint64) (crash, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.crashes[sort.Search(len(l.crashes), func(i int) bool { return l.crashes[i].first > before }):] {
		if !c.clean {
			return c, c.first <= offset && c.positions[id] <= index
		}
	}
	return crash{}, false
}

// crashedBetween says whether a run began above an offset and up to another one.
func (l *ledger) crashedBetween(after, upTo uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.crashes {
		if !c.clean && c.first > after && c.first <= upTo {
			return true
		}
	}
	return false
}

// offsets are all that were seen, in order.
func (l *ledger) offsets() []uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.at))
}

// live counts those of the known offsets, after one up to another, that were still valid when so many runs had ended.
func (l *ledger) live(known []uint64, after, upTo uint64, runs int) (n uint64) {
	from, _ := slices.BinarySearch(known, after+1)
	to, _ := slices.BinarySearch(known, upTo+1)
	for _, o := range known[from:to] {
		if !l.void(o, runs) {
			n++
		}
	}
	return n
}

// sighted is when an offset was first seen.
func (l *ledger) sighted(offset uint64) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at[offset].at
}

// saved is the part of a checkpoint that the promises speak of.
type saved struct {
	Generation uint64    `json:"generation"`
	SavedAt    time.Time `json:"saved_at"`
	Offset     uint64    `json:"offset"`
	Reserved   uint64    `json:"reserved"`
	Clean      bool      `json:"clean"`
	Logs       map[string]struct {
		Position uint64 `json:"position"`
	} `json:"logs"`
}

// readState is the newest checkpoint in a state directory.
func readState(dir string) (saved, error) {
	var newest saved
	for i := range 2 {
		b, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("checkpoint-%d.state", i)))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return saved{}, fmt.Errorf("reading the checkpoint: %w", err)
		}
		var s saved
		_, body, _ := bytes.Cut(b, []byte("\n"))
		if err := json.Unmarshal(body, &s); err != nil {
			return saved{}, fmt.Errorf("checkpoint %d, which a kill must not tear: %w", i, err)
		}
		if s.Generation > newest.Generation {
			newest = s
		}
	}
	return newest, nil
}

// crash says what the next run makes of the checkpoint.
func (s saved) crash(at time.Time) crash {
	c := crash{checkpoint: s.Offset, first: max(s.Reserved, s.Offset) + 1, at: at, clean: s.Clean, positions: map[string]uint64{}}
	for id, l := range s.Logs {
		c.positions[id] = l.Position
	}
	if s.Clean {
		c.first = s.Offset + 1
	}
	return c
}

// splitCursor reads `epoch-offset`.
func splitCursor(cursor string) (epoch string, offset uint64, err error) {
	epoch, digits, ok := strings.Cut(cursor, "-")
	if !ok {
		return "", 0, fmt.Errorf("not a cursor: %q", cursor)
	}
	offset, err = strconv.ParseUint(digits, 10, 64)
	return epoch, offset, err
}
