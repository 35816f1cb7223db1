package engine

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
)

// reopen goes on with what is in the folder: it looks at each segment's end, cuts the last one at its last whole frame, and sets
// aside what cannot be read. What was numbered above the checkpoint comes from the logs again, under new offsets, so it goes too.
func (s *Segments) reopen() {
	list, err := s.load()
	if err == nil {
		list, err = s.cut(list)
	}
	if err != nil {
		s.fail(fmt.Errorf("opening the segments: %w", err))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = list
	s.pos = s.window.Oldest()
	switch {
	case len(list) > 0:
		s.pos = list[len(list)-1].last
	case s.pos == s.begin:
		s.pos = s.checkpoint // that nothing was numbered in between is worth keeping
	}
	s.waiting = waiting{after: s.pos}
	s.writer.synced.pos, s.writer.loaded = s.pos, true
	for _, seg := range list {
		s.ids++
		seg.id = s.ids
	}
}

// load lists the segments in the folder, and removes those of other epochs, to which no cursor leads any more.
func (s *Segments) load() ([]*segment, error) {
	if err := s.fs.MkdirAll(s.dir); err != nil {
		return nil, err
	}
	epochs, err := s.fs.List(s.options.Dir)
	if err != nil {
		return nil, err
	}
	for _, name := range epochs {
		if name != s.window.epoch {
			s.log.Warn("removing segments of an earlier numbering: no cursor leads to them", "epoch", name)
			if err := s.fs.RemoveAll(filepath.Join(s.options.Dir, name)); err != nil {
				return nil, err
			}
		}
	}
	names, err := s.fs.List(s.dir)
	if err != nil {
		return nil, err
	}
	var list []*segment
	for _, name := range names {
		if seg := parseName(name); seg != nil {
			list = append(list, seg)
		}
	}
	slices.SortFunc(list, func(a, b *segment) int { return cmp.Compare(a.after, b.after) })
	return s.look(list)
}

// look reads what each segment holds.
func (s *Segments) look(list []*segment) (found []*segment, err error) {
	for i, seg := range list {
		next := s.checkpoint
		if i+1 < len(list) {
			next = list[i+1].after
		}
		f, err := s.fs.Open(s.path(seg), false)
		if err != nil {
			return nil, err
		}
		if seg.size, err = f.Size(); err == nil && !seg.aside {
			err = s.examine(seg, f, next, i+1 == len(list))
		}
		if err := errors.Join(err, f.Close()); err != nil && !isDamage(err) {
			return nil, err
		}
		switch {
		case err == nil:
			found = append(found, seg)
		case next > seg.after:
			seg.last, seg.count, seg.unknown = next, s.missing(seg.after, next), i+1 < len(list)
			s.putAside(seg, err)
			found = append(found, seg)
		default: // it was being made when the process ended
			if err := s.fs.RemoveAll(s.path(seg)); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// isDamage says that a file was read, and is not what was written.
func isDamage(err error) bool {
	return errors.Is(err, errCorrupt) || errors.Is(err, errTorn) || errors.Is(err, errBlock)
}

// examine fills in what a segment says of itself. The last one may be torn: what is whole of it is good.
func (s *Segments) examine(seg *segment, f segmentFile, next uint64, last bool) error {
	if tail, _, missed, err := readTail(f, seg.size); err == nil && tail.last >= seg.after {
		seg.last, seg.count, seg.missed, seg.first, seg.latest = tail.last, tail.count, missed, tail.first, tail.latest
		return nil
	}
	c, err := scan(f)
	if c.size > 0 && (c.epoch != s.window.epoch || c.after != seg.after) {
		return fmt.Errorf("%w: the segment is of epoch %q, after offset %d", errCorrupt, c.epoch, c.after)
	}
	whole := err == nil || c.size > 0 && isDamage(err) && (last || c.last() >= next)
	if !whole {
		return err
	}
	if err != nil {
		s.log.Warn("a segment ends in what was not written whole; cutting it", "segment", s.path(seg), "error", err,
			"kept_bytes", c.size, "cut_bytes", seg.size-c.size, "last_offset", c.last())
	}
	seg.last, seg.size, seg.open = c.last(), c.size, last && !c.sealed
	seg.count, seg.missed, seg.first, seg.latest = summary(c.frames)
	return nil
}

// cut drops what is above the checkpoint.
func (s *Segments) cut(list []*segment) ([]*segment, error) {
	for len(list) > 0 {
		seg := list[len(list)-1]
		var err error
		switch {
		case seg.after > s.checkpoint:
			err = s.fs.RemoveAll(s.path(seg))
		case seg.last <= s.checkpoint && !seg.open:
			return list, nil
		case seg.aside:
			path := s.path(seg)
			seg.last = s.checkpoint
			return list, s.fs.Rename(path, s.path(seg))
		default:
			if err = s.cutSegment(seg); isDamage(err) {
				seg.last, seg.missed, seg.count = max(seg.after, s.checkpoint), 0, s.missing(seg.after, max(seg.after, s.checkpoint))
				s.putAside(seg, err)
				return list, nil
			}
			return list, err
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		list = list[:len(list)-1]
	}
	return list, nil
}

// cutSegment makes the last segment end at its last whole frame, or at the checkpoint, and opens it to go on writing.
func (s *Segments) cutSegment(seg *segment) error {
	f, err := s.fs.Open(s.path(seg), true)
	if err != nil {
		return err
	}
	frames, size, err := s.cutFile(f)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	seg.frames, seg.size, seg.open, seg.last = frames, size, true, max(seg.after, lastOf(frames))
	seg.count, seg.missed, seg.first, seg.latest = summary(frames)
	s.writer.file, s.writer.known = f, map[Fingerprint]bool{}
	s.writer.synced = mark{pos: seg.last, size: size, frames: len(frames)}
	return nil
}

// cutFile drops the frames above the checkpoint, and of one that goes beyond it what is above.
func (s *Segments) cutFile(f segmentFile) (frames []frame, size int64, err error) {
	c, err := scan(f)
	if err != nil && !isDamage(err) {
		return nil, 0, err
	}
	if err := s.internIssuers(f, c.issuers); err != nil && !isDamage(err) {
		return nil, 0, err
	}
	keep := sort.Search(len(c.frames), func(i int) bool { return c.frames[i].last > s.checkpoint })
	frames, size = c.frames[:keep], c.size
	if c.sealed && keep == len(c.frames) {
		return nil, 0, fmt.Errorf("%w: a full segment is not to be cut", errCorrupt)
	}
	var rest frame
	var body []byte
	if keep < len(c.frames) {
		over := c.frames[keep]
		if size = over.at; over.after < s.checkpoint {
			if rest, body, err = s.clip(f, over); err != nil {
				return nil, 0, err
			}
		}
	}
	if err := f.Truncate(size); err != nil {
		return nil, 0, err
	}
	if rest.kind != 0 {
		if _, err := f.WriteAt(appendFrame(nil, rest, body), size); err != nil {
			return nil, 0, err
		}
		frames, size = append(frames, rest), rest.end()
	}
	return frames, size, nil
}

// clip makes the frame that covers a frame's offsets up to the checkpoint, at the same place.
func (s *Segments) clip(f segmentFile, over frame) (rest frame, body []byte, err error) {
	gap := frame{kind: gapFrame, flags: over.flags, after: over.after, last: s.checkpoint, count: min(over.count, s.checkpoint-over.after)}
	if over.kind == gapFrame {
		return gap.of(nil, over.at), nil, nil
	}
	entries, err := s.readBlock(f, over)
	if err != nil {
		return frame{}, nil, err
	}
	entries = entries[:sort.Search(len(entries), func(i int) bool { return entries[i].Offset > s.checkpoint })]
	if gap.count = 0; len(entries) == 0 {
		return gap.of(nil, over.at), nil, nil // offsets that were never used
	}
	rest, body = s.writer.encode(over.after, entries)
	rest.last = s.checkpoint
	return rest.of(body, over.at), body, nil
}

func lastOf(frames []frame) uint64 {
	if len(frames) == 0 {
		return 0
	}
	return frames[len(frames)-1].last
}
