package engine

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/certstream-operator/certstream-operator/internal/durable"
)

// reopen goes on with what is in the folder: it looks at each segment's end, cuts the last one at its last whole frame, and sets
// aside what cannot be read. What was numbered above the checkpoint comes from the logs again, under new offsets: it is in a hole.
func (s *Segments) reopen() {
	list, err := s.load()
	if err == nil {
		list, err = s.goOn(list)
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
		err := s.inspect(seg, next, i+1 == len(list))
		if err != nil && !isDamage(err) && !isOutOfReach(err) {
			return nil, err
		}
		switch {
		case err == nil:
			if i+1 < len(list) {
				seg.last = min(seg.last, next) // more where the disk failed, and it was written again
			}
			found = append(found, seg)
		case next > seg.after:
			seg.last, seg.count = next, s.window.numbered(seg.after, next)
			seg.inPlace = !isDamage(err)
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

// inspect finds out what a segment holds. Of one that was set aside nothing but the size is wanted.
func (s *Segments) inspect(seg *segment, next uint64, last bool) error {
	f, err := s.fs.Open(s.path(seg), false)
	if err == nil {
		if seg.size, err = f.Size(); err == nil && !seg.aside {
			err = s.examine(seg, f, next, last)
		}
		err = errors.Join(err, f.Close())
	}
	if seg.aside && isOutOfReach(err) {
		return nil
	}
	return err
}

// isOutOfReach says that it is this one file that cannot be read, for now or for good; what the whole disk suffers from is not meant.
func isOutOfReach(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.ELOOP) ||
		errors.Is(err, durable.ErrNoFile)
}

// isDamage says that a file was read, and is not what was written.
func isDamage(err error) bool {
	return errors.Is(err, errCorrupt) || errors.Is(err, errTorn) || errors.Is(err, errBlock)
}

// examine fills in what a segment says of itself. The last one may be torn: what is whole of it is good.
func (s *Segments) examine(seg *segment, f durable.File, next uint64, last bool) error {
	if tail, _, missed, err := readTail(f, seg.size); err == nil && tail.last >= seg.after {
		seg.last, seg.count, seg.missed, seg.first, seg.latest = tail.last, tail.count, missed, tail.first, tail.latest
		return nil
	}
	c, err := scan(f, seg.size)
	if c.size > 0 && (c.epoch != s.window.epoch || c.after != seg.after) {
		return fmt.Errorf("%w: the segment is of epoch %q, after offset %d", errCorrupt, c.epoch, c.after)
	}
	if c.size == 0 || err != nil && !isDamage(err) {
		return err
	}
	if err != nil {
		s.log.Warn("a segment ends in what was not written whole", "segment", s.path(seg), "error", err,
			"good_bytes", c.size, "other_bytes", seg.size-c.size, "last_offset", c.last(), "checkpoint", s.checkpoint)
	}
	if !last && c.last() < next {
		end := frame{kind: gapFrame, after: c.last(), last: next}
		c.lost = append(c.lost, lost{at: c.size, end: seg.size, gap: end, cause: cmp.Or(err, errTorn)})
	}
	s.lose(seg, slices.DeleteFunc(c.lost, func(l lost) bool { return l.gap.after >= s.checkpoint })) // else it is cut
	seg.last, seg.size, seg.open = c.last(), c.size, last && !c.sealed
	seg.count, seg.missed, seg.first, seg.latest = summary(c.frames)
	return nil
}

// goOn removes segments that have nothing but what was numbered above the checkpoint, and opens the last one to go on writing. What
// else there is above the checkpoint stays, and is passed over by readers: nothing that was synced is ever written over.
func (s *Segments) goOn(list []*segment) ([]*segment, error) {
	for len(list) > 0 && list[len(list)-1].after >= max(s.checkpoint, 1) {
		if err := s.fs.RemoveAll(s.path(list[len(list)-1])); err != nil {
			return nil, err
		}
		list = list[:len(list)-1]
	}
	if len(list) == 0 || !list[len(list)-1].open {
		return list, nil
	}
	return list, s.append(list[len(list)-1])
}

// append opens the last segment to go on writing behind its last whole frame.
func (s *Segments) append(seg *segment) error {
	f, err := s.fs.Open(s.path(seg), true)
	if isOutOfReach(err) && seg.last > seg.after { // it may be read only: another one goes on after it
		s.log.Warn("a segment cannot be written to; the next one is begun", "segment", s.path(seg), "error", err)
		seg.open = false
		return nil
	}
	if err != nil {
		return err
	}
	c, err := scan(f, seg.size)
	if err == nil {
		err = s.internIssuers(f, c.issuers)
	}
	if err == nil {
		err = f.Truncate(seg.size)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	seg.frames = c.frames
	s.writer.file, s.writer.known = f, map[Fingerprint]bool{}
	s.writer.synced = mark{pos: seg.last, size: seg.size, frames: len(seg.frames)}
	return nil
}

func lastOf(frames []frame) uint64 {
	if len(frames) == 0 {
		return 0
	}
	return frames[len(frames)-1].last
}
