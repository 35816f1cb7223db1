package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/certstream-operator/certstream-operator/internal/durable"
)

// The stored form, as measured on real certificates (docs/performance.md): larger blocks or more effort save little.
const (
	blockBytes      = 256 << 10 // before compression
	maxSegmentBytes = 64 << 20
	minSegmentBytes = 512 << 10
)

// How the writer paces itself.
const (
	segmentBatch = 128                  // entries taken from the window at a time
	segmentPause = 5 * time.Millisecond // between two looks at a window that grows slowly
	segmentTick  = time.Second          // between two looks at ages
	segmentRetry = 5 * time.Second      // after the disk has failed
	syncPatience = 10 * time.Second     // what a checkpoint waits for a slow disk at most
	// roomReserve is what retention leaves free on the volume, so that checkpoints can always be written.
	roomReserve = 16 << 20
)

// SegmentLimits bound what is kept on disk. They may change at any time.
type SegmentLimits struct {
	// MaxBytes bounds the files' sizes together; 0 keeps nothing. MaxAge bounds how long ago an entry was seen; 0 is no bound.
	MaxBytes int64
	MaxAge   time.Duration
}

// SegmentOptions configure Segments. Dir, Window, Issuers and Log must be set.
type SegmentOptions struct {
	// Dir is the folder of the segments; it is theirs alone.
	Dir    string
	Limits SegmentLimits
	// Window is where entries come from, Issuers where their chains are found and put.
	Window  *Window
	Issuers *Issuers
	Log     *slog.Logger
	// FS is where the folder is; nil means the operating system's.
	FS durable.FS

	reserve int64
	segment int64 // size at which a segment is full; 0 follows from the limits
}

// Segments keep entries on disk. They are one more reader of the window: Append knows nothing of them, and a disk too slow for
// the stream leaves a counted hole in what is kept. Run writes; all other methods are safe for concurrent use, by any number.
type Segments struct {
	options    SegmentOptions
	fs         durable.FS
	dir        string // of this epoch
	window     *Window
	checkpoint uint64 // at the start: what was numbered above it and below begin is read from its log again
	begin      uint64 // the first offset of this run, less one
	holes      []Hole
	log        *slog.Logger
	limits     atomic.Pointer[SegmentLimits]
	requests   chan syncRequest
	stopped    chan struct{}

	decoder *zstd.Decoder
	blocks  recent[blockKey, []Entry]
	indexes recent[uint64, *contents]

	mu      sync.Mutex
	sources map[Source]*Source
	list    []*segment // by offset; the last one may be open for writing
	pos     uint64     // everything up to here is in list or waiting, or known to be missing
	waiting waiting
	ids     uint64
	totals  SegmentTotals
	failure error

	writer segmentWriter // only Run's
}

// segment is a file of the list.
type segment struct {
	id          uint64 // never used twice, unlike names
	after, last uint64
	count       uint64
	missed      uint64 // by its gaps
	first       int64  // ms since 1970, 0 if it has no entries
	latest      int64
	size        int64
	frames      []frame        // of the one being written
	open        bool           // being written
	aside       bool           // it could not be read at all: count is what it had
	inPlace     bool           // though set aside, its file has its name still: the next start tries again
	lost        map[int64]bool // places that could not be read
}

// waiting is what has been taken from the window and is not in a file yet: gaps, then entries.
type waiting struct {
	after   uint64 // of the entries
	gaps    []frame
	entries []Entry
	bytes   int
}

// SegmentTotals count since the start.
type SegmentTotals struct {
	// Missed is how many entries were never kept: the disk was too slow, full or failing. Corrupt is in how many segments something
	// could not be read, Damaged how many entries that were kept are lost with it. Errors counts failures of the disk.
	Missed, Corrupt, Damaged, Errors uint64
}

// SegmentStats describe what is kept on disk.
type SegmentStats struct {
	Segments        int
	Entries         uint64
	Bytes, MaxBytes int64
	MaxAge          time.Duration
	// Oldest is when the oldest entry was seen; zero when there is none.
	Oldest time.Time
	// After is the offset after which entries are kept, UpTo the last one.
	After, UpTo uint64
	// Aside is in how many of the segments something could not be read: holes in what is kept.
	Aside int
	// Error is why nothing is written at present, Full that it is for want of room.
	Error  string
	Full   bool
	Totals SegmentTotals
}

// GapError says that entries between two offsets are not kept, though older or newer ones are.
type GapError struct {
	// After From, up to To, Missed entries are missing.
	From, To, Missed uint64
	// Expired says that everything up to To has been dropped for its age or the bound of bytes.
	Expired bool
}

// Error says what is missing.
func (e *GapError) Error() string {
	return fmt.Sprintf("%d entries after offset %d up to %d are not kept", e.Missed, e.From, e.To)
}

// Unwrap makes it an ErrExpired.
func (e *GapError) Unwrap() error { return ErrExpired }

// NewSegments makes segments that go on with what is in the folder, as soon as Run runs.
func NewSegments(o SegmentOptions) (*Segments, error) {
	if o.FS == nil {
		o.FS = durable.Disk{}
	}
	if o.reserve == 0 {
		o.reserve = roomReserve
	}
	decoder, err := newDecoder()
	if err != nil {
		return nil, err
	}
	encoder, err := newEncoder()
	if err != nil {
		return nil, err
	}
	s := &Segments{
		options:    o,
		fs:         o.FS,
		dir:        filepath.Join(o.Dir, o.Window.epoch),
		window:     o.Window,
		checkpoint: o.Window.checkpoint,
		begin:      o.Window.first - 1,
		holes:      o.Window.holes,
		log:        o.Log,
		requests:   make(chan syncRequest),
		stopped:    make(chan struct{}),
		decoder:    decoder,
		blocks:     recent[blockKey, []Entry]{max: 16},
		indexes:    recent[uint64, *contents]{max: 8},
		sources:    map[Source]*Source{},
	}
	s.writer.encoder = encoder
	s.SetLimits(o.Limits)
	if o.Limits.MaxBytes > 0 {
		s.reopen()
	}
	return s, nil
}

// SetLimits changes the bounds. Lower ones take effect within a second.
func (s *Segments) SetLimits(l SegmentLimits) { s.limits.Store(&l) }

// Stats says what is kept.
func (s *Segments) Stats() SegmentStats {
	l := *s.limits.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := SegmentStats{MaxBytes: l.MaxBytes, MaxAge: l.MaxAge, Totals: s.totals, After: min(s.oldest(), s.pos), UpTo: s.pos}
	for _, seg := range s.list {
		stats.Bytes += seg.size
		if seg.aside || len(seg.lost) > 0 {
			stats.Aside++
		}
		if seg.aside {
			continue
		}
		stats.Segments++
		stats.Entries += seg.count
		if stats.Oldest.IsZero() && seg.count > 0 {
			stats.Oldest = time.UnixMilli(seg.first)
		}
	}
	if s.failure != nil {
		stats.Error = s.failure.Error()
		stats.Full = errors.Is(s.failure, errNoRoom) || errors.Is(s.failure, syscall.ENOSPC) || errors.Is(s.failure, syscall.EDQUOT)
	}
	return stats
}

// oldest is the offset after which entries are kept; above all offsets if none are. Called with mu held.
func (s *Segments) oldest() uint64 {
	if len(s.list) > 0 {
		return s.list[0].after
	}
	if len(s.waiting.entries) > 0 {
		return s.waiting.after
	}
	return math.MaxUint64
}

// gap is the error that nothing is kept after an offset up to another; nil where nothing was numbered there.
func (s *Segments) gap(from, to uint64, expired bool) error {
	missed := s.window.numbered(from, to)
	if missed == 0 {
		return nil
	}
	return &GapError{From: from, To: to, Missed: missed, Expired: expired}
}

// find is the index in list of the first segment that goes beyond an offset. Called with mu held.
func (s *Segments) find(after uint64) int {
	return sort.Search(len(s.list), func(i int) bool { return s.list[i].last > after })
}

// same returns the one source that stands for all equal ones.
func (s *Segments) same(source Source) *Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.sources[source]
	if !ok {
		known = &source
		s.sources[source] = known
	}
	return known
}

const (
	segmentSuffix = ".segment"
	asideSuffix   = ".corrupt"
)

func (s *Segments) path(seg *segment) string {
	if !seg.aside || seg.inPlace {
		return filepath.Join(s.dir, fmt.Sprintf("%020d%s", seg.after, segmentSuffix))
	}
	return filepath.Join(s.dir, fmt.Sprintf("%020d-%020d-%d%s", seg.after, seg.last, seg.count, asideSuffix))
}

// parseName reads what path has made; nil if it has not.
func parseName(name string) *segment {
	var seg segment
	var err error
	if digits, ok := strings.CutSuffix(name, segmentSuffix); ok {
		if seg.after, err = strconv.ParseUint(digits, 10, 64); err != nil {
			return nil
		}
		return &seg
	}
	bounds, ok := strings.CutSuffix(name, asideSuffix)
	parts := strings.Split(bounds, "-")
	if !ok || len(parts) != 3 {
		return nil
	}
	for i, number := range []*uint64{&seg.after, &seg.last, &seg.count} {
		if *number, err = strconv.ParseUint(parts[i], 10, 64); err != nil {
			return nil
		}
	}
	if seg.aside = true; seg.last < seg.after {
		return nil
	}
	return &seg
}

// Sync has everything up to an offset written and on disk, before a checkpoint says that it need not be read from the logs
// again. It waits for a disk that is slow, but not for long: the stream goes on without retention, and so do checkpoints.
func (s *Segments) Sync(ctx context.Context, upTo uint64) error {
	ctx, cancel := context.WithTimeout(ctx, syncPatience)
	defer cancel()
	r := syncRequest{upTo: upTo, done: make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-s.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for segments to be written: %w", ctx.Err())
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for segments to be on disk: %w", ctx.Err())
	}
}

type syncRequest struct {
	upTo uint64
	done chan error
}
