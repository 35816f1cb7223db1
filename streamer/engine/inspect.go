package engine

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/durable"
)

// SegmentsDir is the folder of segments within a state directory.
const SegmentsDir = "segments"

// SegmentFile is a segment as somebody sees it who only looks at the files, be it while a streamer writes them.
type SegmentFile struct {
	Path, Epoch string
	// The segment covers the offsets after After up to UpTo.
	After, UpTo, Entries uint64
	Bytes                int64
	// Oldest and Newest are when its entries were seen; zero when there are none.
	Oldest, Newest time.Time
	// Full says that it is complete, Aside that a streamer could not read it and has set it aside.
	Full, Aside bool
	// Missed counts entries that were not kept.
	Missed uint64
	// Problem is what is wrong with it. What comes before that is good. The last segment of a streamer that runs, or was killed,
	// may end in a part of a frame.
	Problem error

	frames, issuers []frame
	holes           []Hole
}

// Inspect lists the segments in a folder, by epoch and offset, after checking each frame's checksum. holes are those of the
// numbering, so that Each passes over what does not count.
func Inspect(dir string, holes []Hole) ([]SegmentFile, error) {
	epochs, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("looking for segments: %w", err)
	}
	var all []SegmentFile
	for _, epoch := range epochs {
		names, err := durable.Disk{}.List(filepath.Join(dir, epoch.Name()))
		if err != nil {
			return nil, fmt.Errorf("looking for segments: %w", err)
		}
		for _, name := range names {
			if seg := parseName(name); seg != nil {
				all = append(all, inspect(filepath.Join(dir, epoch.Name(), name), epoch.Name(), seg))
			}
		}
	}
	for i := range all {
		all[i].holes = holes
	}
	slices.SortFunc(all, func(a, b SegmentFile) int {
		return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), cmp.Compare(a.After, b.After))
	})
	return all, nil
}

func inspect(path, epoch string, seg *segment) SegmentFile {
	file := SegmentFile{Path: path, Epoch: epoch, After: seg.after, UpTo: max(seg.after, seg.last), Aside: seg.aside}
	f, err := durable.Disk{}.Open(path, false)
	if err != nil {
		file.Problem = err
		return file
	}
	defer func() { _ = f.Close() }() // it was only read
	if file.Bytes, file.Problem = f.Size(); file.Problem != nil {
		return file
	}
	c, err := scan(f, file.Bytes)
	if len(c.lost) > 0 {
		first := c.lost[0]
		err = fmt.Errorf("%w, in %d places, first in %d bytes at %d", first.cause, len(c.lost), first.end-first.at, first.at)
	}
	file.Problem, file.Full, file.frames, file.issuers = err, c.sealed, c.frames, c.issuers
	if err == nil && (c.epoch != epoch || c.after != seg.after) {
		file.Problem = fmt.Errorf("%w: it says to be of epoch %s, after offset %d", errCorrupt, c.epoch, c.after)
	}
	if len(c.frames) > 0 && !seg.aside {
		file.UpTo = c.last()
	}
	count, missed, first, latest := summary(c.frames)
	file.Missed = missed
	if file.Entries = count; count > 0 {
		file.Oldest, file.Newest = time.UnixMilli(first), time.UnixMilli(latest)
	}
	return file
}

// Torn says that the file ends within a frame, as one does that is being written.
func (f *SegmentFile) Torn() bool { return errors.Is(f.Problem, errTorn) }

// Each calls do with the entries seen from a time up to, not including, another, in order, until it returns an error; zero times
// are no bounds. The entries are valid during the call only. Issuers are put where chains are looked up.
func (f *SegmentFile) Each(from, to time.Time, issuers *Issuers, do func(*Entry) error) error {
	reader, err := newSegmentReader(issuers, f.holes)
	if err != nil {
		return err
	}
	defer reader.decoder.Close()
	file, err := durable.Disk{}.Open(f.Path, false)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it was only read
	if err := reader.internIssuers(file, f.issuers); err != nil {
		return fmt.Errorf("%s: %w", f.Path, err)
	}
	for _, frame := range f.frames {
		if frame.kind != entryFrame || !overlaps(frame.first, frame.latest, from, to) {
			continue
		}
		entries, err := reader.readBlock(file, frame)
		if err != nil {
			return fmt.Errorf("%s, after offset %d: %w", f.Path, frame.after, err)
		}
		for i := range entries {
			if !overlaps(entries[i].Seen, entries[i].Seen, from, to) {
				continue
			}
			if err := do(&entries[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// overlaps says whether a span of ms since 1970 has something of a span of time.
func overlaps(first, last int64, from, to time.Time) bool {
	return (from.IsZero() || last >= from.UnixMilli()) && (to.IsZero() || first < to.UnixMilli())
}

// newSegmentReader makes what reads blocks and nothing else.
func newSegmentReader(issuers *Issuers, holes []Hole) (*Segments, error) {
	decoder, err := newDecoder()
	if err != nil {
		return nil, err
	}
	return &Segments{
		options: SegmentOptions{Issuers: issuers}, holes: holes, decoder: decoder, sources: map[Source]*Source{}, log: slog.New(slog.DiscardHandler),
	}, nil
}
