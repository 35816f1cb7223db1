package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/certstream-operator/certstream-operator/internal/durable"
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
		to := seg.last // the gap's end, where it is one
		if seg.after > after {
			to = seg.after
		}
		if seg.after > after || seg.aside {
			if err := s.gap(after, to, seg.after > after && i == 0); err != nil {
				return 0, after, err
			}
			after = to
			continue
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

// readWaiting reads what is in no file yet. Called with mu held.
func (s *Segments) readWaiting(after uint64, buf []Entry) (n int, upTo uint64, err error) {
	for _, g := range s.waiting.gaps {
		if g.last <= after {
			continue
		}
		if err := s.gap(after, g.last, false); err != nil {
			return 0, after, err
		}
		after = g.last
	}
	if to := s.waiting.after; after < to {
		if err := s.gap(after, to, true); err != nil {
			return 0, after, err
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
		return 0, after, s.unreadable(seg, err)
	}
	i := sort.Search(len(frames), func(i int) bool { return frames[i].last > after })
	for ; i < len(frames) && n < len(buf); i++ {
		f := frames[i]
		entries, err := s.frame(seg, f, after)
		if err != nil {
			if n > 0 {
				break // the next read tells
			}
			return 0, after, err
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

// frame returns a frame's entries. The error may be the gap, after an offset within it, that it is, or that it has become because it
// cannot be read: the others can.
func (s *Segments) frame(seg *segment, f frame, after uint64) ([]Entry, error) {
	if f.kind == gapFrame {
		return nil, s.gap(after, f.last, false)
	}
	entries, err := s.block(seg, f)
	if err == nil || !isDamage(err) && !errors.Is(err, syscall.EIO) {
		return entries, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known(seg.id); known != nil {
		s.lose(known, []lost{{at: f.at, end: f.end(), gap: f, cause: err}})
	}
	return nil, s.gap(after, f.last, false)
}

// lose notes what of a segment could not be read, once. It is called with mu held, or before anybody else knows the segment.
func (s *Segments) lose(seg *segment, places []lost) {
	for _, l := range places {
		if seg.lost[l.at] {
			continue
		}
		if seg.lost == nil {
			seg.lost = map[int64]bool{}
			s.totals.Corrupt++
		}
		seg.lost[l.at] = true
		missed := s.window.numbered(l.gap.after, l.gap.last)
		if l.gap.kind == entryFrame { // it has been counted as kept
			seg.count, seg.missed = seg.count-min(seg.count, l.gap.count), seg.missed+l.gap.count
		}
		s.totals.Damaged += missed
		s.log.Error("a part of a segment cannot be read; the rest of it is used", "segment", s.path(seg), "error", l.cause, "at", l.at,
			"bytes", l.end-l.at, "after", l.gap.after, "up_to", l.gap.last, "entries", missed)
	}
}

// unreadable decides what it means that a segment's frames cannot be read: it is set aside, or it is no longer there.
func (s *Segments) unreadable(seg *segment, err error) error {
	if !isDamage(err) && !errors.Is(err, syscall.EIO) {
		return err
	}
	s.setAside(seg.id, err)
	return fs.ErrNotExist // look again
}

func (s *Segments) gone(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	seg := s.known(id)
	return seg == nil || seg.aside
}

// known is the segment of an id; nil if it has been dropped. Called with mu held.
func (s *Segments) known(id uint64) *segment {
	for _, seg := range s.list {
		if seg.id == id {
			return seg
		}
	}
	return nil
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
			c, err = s.salvage(seg, f)
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

// salvage reads the frames of a segment whose index cannot be read. What follows the last good one is a gap.
func (s *Segments) salvage(seg *segment, f durable.File) (*contents, error) {
	c, err := scan(f, seg.size)
	if c.size == 0 || err != nil && !isDamage(err) {
		return c, err
	}
	if c.last() < seg.last {
		end := frame{kind: gapFrame, after: c.last(), last: seg.last, at: c.size}
		c.lose([]lost{{at: c.size, end: seg.size, gap: end, cause: err}})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.known(seg.id); known != nil {
		s.lose(known, c.lost)
	}
	return c, nil
}

// internIssuers puts issuers where chains are looked up. Those that cannot be read are left out of chains: the entries are good.
func (s *Segments) internIssuers(f durable.File, frames []frame) error {
	for _, at := range frames {
		ders, err := s.readIssuers(f, at)
		if isDamage(err) {
			s.log.Warn("issuing certificates of a segment cannot be read; chains lack them", "error", err)
			continue
		}
		if err != nil {
			return err
		}
		for _, der := range ders {
			s.options.Issuers.Intern(der)
		}
	}
	return nil
}

func (s *Segments) readIssuers(f durable.File, at frame) ([][]byte, error) {
	raw, err := s.unpack(f, at)
	if err != nil {
		return nil, err
	}
	return parseIssuers(raw)
}

// minSized is the length from which zstd says how long the content is.
const minSized = 256

// unpack reads and decompresses a frame's body.
func (s *Segments) unpack(file durable.File, f frame) ([]byte, error) {
	body, err := readBody(file, f)
	if err != nil {
		return nil, noEOF(err)
	}
	var head zstd.Header
	if err := head.Decode(body); err != nil || head.HasFCS && head.FrameContentSize != uint64(f.raw) || !head.HasFCS && f.raw >= minSized {
		return nil, fmt.Errorf("%w: a frame's size", errCorrupt) // before memory is taken for it
	}
	raw, err := s.decoder.DecodeAll(body, make([]byte, 0, f.raw))
	if err == nil && len(raw) != int(f.raw) {
		err = errors.New("a frame's size")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return raw, nil
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

func (s *Segments) readBlock(file durable.File, f frame) ([]Entry, error) {
	raw, err := s.unpack(file, f)
	if err != nil {
		return nil, err
	}
	entries, err := parseBlock(raw, f.after, s.same)
	if err == nil && (uint64(len(entries)) != f.count || len(entries) > 0 && entries[len(entries)-1].Offset > f.last) {
		err = errBlock
	}
	return dropDead(entries, s.holes), err
}

// dropDead leaves out entries whose offsets do not count.
func dropDead(entries []Entry, holes []Hole) []Entry {
	if len(entries) == 0 {
		return nil
	}
	first, last := entries[0].Offset, entries[len(entries)-1].Offset
	for _, h := range holes {
		if first <= h.UpTo && last > h.After {
			entries = slices.DeleteFunc(entries, func(e Entry) bool { return e.Offset > h.After && e.Offset <= h.UpTo })
		}
	}
	return entries
}

// setAside marks a segment as unreadable and renames its file, so that somebody can look at it, where that has not been done.
func (s *Segments) setAside(id uint64, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seg := s.known(id); seg != nil && !seg.aside {
		s.putAside(seg, cause)
	}
}

// putAside is called with mu held, or before anybody else knows the segment.
func (s *Segments) putAside(seg *segment, cause error) {
	from := s.path(seg)
	kept := seg.count
	seg.aside, seg.count, seg.missed = true, s.window.numbered(seg.after, seg.last), 0
	if s.totals.Damaged += kept; seg.lost == nil {
		s.totals.Corrupt++
	}
	s.log.Error("a segment cannot be read; it is set aside", "segment", from, "as", s.path(seg), "error", cause,
		"after", seg.after, "up_to", seg.last, "entries", seg.count)
	if seg.inPlace {
		return
	}
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
