package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"syscall"
	"time"
)

// blockKey names a block for good.
type blockKey struct {
	segment uint64
	at      int64
}

// read fills buf with entries after an offset. With none and no error, it returns the offset up to which there are none; where
// that is the one given, what follows is not here but in the window.
func (s *Segments) read(after uint64, buf []Entry) (n int, upTo uint64, err error) {
	for {
		s.mu.Lock()
		i := s.find(after)
		if i == len(s.list) {
			n, upTo, err = s.readWaiting(after, buf)
			s.mu.Unlock()
			return n, upTo, err
		}
		seg := *s.list[i]
		s.mu.Unlock()
		switch {
		case seg.after > after && s.missing(after, seg.after) == 0:
			after = seg.after
			continue
		case seg.after > after:
			return 0, after, &GapError{From: after, To: seg.after, Missed: s.missing(after, seg.after), Unknown: i > 0, Expired: i == 0}
		case seg.aside:
			return 0, after, gapWithin(after, seg.last, seg.count, seg.unknown)
		}
		n, upTo, err = s.readSegment(&seg, after, buf)
		if !errors.Is(err, fs.ErrNotExist) { // else it has just been dropped, or set aside
			return n, upTo, err
		}
		if !s.gone(seg.id) {
			s.setAside(seg.id, err)
		}
	}
}

// gapWithin is the gap from an offset within a gap to its end.
func gapWithin(after, to, missed uint64, unknown bool) *GapError {
	return &GapError{From: after, To: to, Missed: min(missed, to-after), Unknown: unknown}
}

// readWaiting reads what is in no file yet. Called with mu held.
func (s *Segments) readWaiting(after uint64, buf []Entry) (n int, upTo uint64, err error) {
	for _, g := range s.waiting.gaps {
		if g.last <= after {
			continue
		}
		if g.count > 0 {
			return 0, after, gapWithin(after, g.last, g.count, false)
		}
		after = g.last
	}
	if to := s.waiting.after; after < to {
		if missed := s.missing(after, to); missed > 0 {
			return 0, after, &GapError{From: after, To: to, Missed: missed, Expired: true}
		}
		after = to
	}
	entries := s.waiting.entries
	i := sort.Search(len(entries), func(i int) bool { return entries[i].Offset > after })
	return copy(buf, entries[i:]), max(after, s.pos), nil
}

// readSegment reads the entries after an offset that the segment covers.
func (s *Segments) readSegment(seg *segment, after uint64, buf []Entry) (n int, upTo uint64, err error) {
	frames, err := s.frames(seg)
	if err != nil {
		return 0, after, s.damaged(seg, after, err)
	}
	i := sort.Search(len(frames), func(i int) bool { return frames[i].last > after })
	for ; i < len(frames) && n < len(buf); i++ {
		f := frames[i]
		if f.kind == gapFrame {
			if f.count > 0 && n == 0 {
				return 0, after, gapWithin(after, f.last, f.count, f.flags&unknownCount != 0)
			}
			if f.count > 0 {
				break
			}
			after = f.last
			continue
		}
		entries, err := s.block(seg, f)
		if err != nil {
			if n > 0 {
				break // the next read tells
			}
			return 0, after, s.damaged(seg, after, err)
		}
		at := sort.Search(len(entries), func(i int) bool { return entries[i].Offset > after })
		copied := copy(buf[n:], entries[at:])
		n += copied
		if after = f.last; copied < len(entries)-at {
			after = entries[at+copied-1].Offset
		}
	}
	return n, after, nil
}

// damaged decides what an error of reading means: what is on disk is bad, and the segment is set aside, or it is no longer there.
func (s *Segments) damaged(seg *segment, after uint64, err error) error {
	if !isDamage(err) && !errors.Is(err, syscall.EIO) {
		return err
	}
	if last, missed, unknown, ok := s.setAside(seg.id, err); ok {
		return gapWithin(after, last, missed, unknown)
	}
	return fs.ErrNotExist // somebody else has; look again
}

func (s *Segments) gone(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.list {
		if seg.id == id {
			return seg.aside
		}
	}
	return true
}

// frames are the frames of a segment. The first to ask after a while has its issuers put where chains are looked up.
func (s *Segments) frames(seg *segment) ([]frame, error) {
	if seg.open {
		return seg.frames, nil
	}
	c, err := s.indexes.get(seg.id, func() (*contents, error) {
		f, err := s.fs.Open(s.path(seg), false)
		if err != nil {
			return nil, err
		}
		c, err := readIndex(f, seg.size, seg.after)
		if err != nil {
			c, err = scan(f)
			if c.last() >= seg.last {
				err = nil // behind what counts
			}
		}
		if err == nil {
			err = s.internIssuers(f, c.issuers)
		}
		return c, errors.Join(err, f.Close())
	})
	if err != nil {
		return nil, err
	}
	return c.frames, nil
}

func (s *Segments) internIssuers(f segmentFile, frames []frame) error {
	for _, at := range frames {
		body, err := readBody(f, at)
		if err != nil {
			return noEOF(err)
		}
		raw, err := s.decoder.DecodeAll(body, nil)
		if err != nil {
			return fmt.Errorf("%w: %w", errCorrupt, err)
		}
		ders, err := parseIssuers(raw)
		if err != nil {
			return err
		}
		for _, der := range ders {
			s.options.Issuers.Intern(der)
		}
	}
	return nil
}

// block returns the entries of a frame. Readers at about the same place share them.
func (s *Segments) block(seg *segment, f frame) ([]Entry, error) {
	return s.blocks.get(blockKey{seg.id, f.at}, func() ([]Entry, error) {
		file, err := s.fs.Open(s.path(seg), false)
		if err != nil {
			return nil, err
		}
		entries, err := s.readBlock(file, f)
		return entries, errors.Join(err, file.Close())
	})
}

func (s *Segments) readBlock(file segmentFile, f frame) ([]Entry, error) {
	body, err := readBody(file, f)
	if err != nil {
		return nil, noEOF(err)
	}
	raw, err := s.decoder.DecodeAll(body, make([]byte, 0, f.raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	entries, err := parseBlock(raw, f.after, s.same)
	if err == nil && (uint64(len(entries)) != f.count || len(entries) > 0 && entries[len(entries)-1].Offset > f.last) {
		err = errBlock
	}
	return entries, err
}

// setAside marks a segment as unreadable and renames its file, so that somebody can look at it. It returns false where that has
// been done, or the segment is gone.
func (s *Segments) setAside(id uint64, cause error) (last, missed uint64, unknown, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.list {
		if seg.id == id && !seg.aside {
			s.putAside(seg, cause)
			return seg.last, seg.count, seg.unknown, true
		}
	}
	return 0, 0, false, false
}

// putAside is called with mu held, or before anybody else knows the segment.
func (s *Segments) putAside(seg *segment, cause error) {
	from := s.path(seg)
	seg.aside, seg.count, seg.missed = true, seg.count+seg.missed, 0
	s.totals.Corrupt++
	s.log.Error("a segment cannot be read; it is set aside", "segment", from, "as", s.path(seg), "error", cause,
		"after", seg.after, "up_to", seg.last, "entries", seg.count)
	if err := s.fs.Rename(from, s.path(seg)); err != nil {
		s.log.Error("setting a segment aside", "segment", from, "error", err)
	}
}

// at returns the offset before the first entry seen at or after a time; false where there is none in a file.
func (s *Segments) at(t time.Time) (after uint64, ok bool) {
	ms := t.UnixMilli()
	s.mu.Lock()
	list := make([]segment, len(s.list))
	for i := range s.list {
		list[i] = *s.list[i]
	}
	s.mu.Unlock()
	for i := range list {
		seg := &list[i]
		if seg.aside || seg.latest < ms {
			continue
		}
		frames, err := s.frames(seg)
		if err != nil {
			return seg.after, true // reading from there tells what is wrong
		}
		return s.atFrame(seg, frames, ms), true
	}
	return 0, false
}

// reaches says whether something older than a time is kept.
func (s *Segments) reaches(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.list {
		if seg.count > 0 && !seg.aside {
			return seg.first <= t.UnixMilli()
		}
	}
	return false
}

func (s *Segments) atFrame(seg *segment, frames []frame, ms int64) uint64 {
	for _, f := range frames {
		if f.kind != entryFrame || f.latest < ms {
			continue
		}
		entries, err := s.block(seg, f)
		if err != nil {
			return f.after
		}
		for i := range entries {
			if entries[i].Seen >= ms {
				return entries[i].Offset - 1
			}
		}
	}
	return seg.last
}
