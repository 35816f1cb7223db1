package engine

import (
	"errors"
	"io/fs"
	"time"
)

// age drops what is too old, and ends a segment that holds up the end of the rest.
func (s *Segments) age(now time.Time) {
	s.blocks.tick()
	s.indexes.tick()
	s.shrink(0)
	limit := s.limits.Load().MaxAge
	if limit <= 0 {
		return
	}
	for len(s.list) > 0 && !s.list[0].open && now.Sub(time.UnixMilli(s.list[0].latest)) > limit {
		s.dropOldest()
	}
	if s.letGo(); s.writer.file == nil {
		return
	}
	s.mu.Lock()
	seg := s.list[len(s.list)-1]
	due := seg.count > 0 && now.Sub(time.UnixMilli(seg.first)) > limit/8
	s.mu.Unlock()
	if due {
		_ = s.seal() // fail has told
	}
}

// shrink drops the oldest segments until so many bytes more are within the bound.
func (s *Segments) shrink(need int64) {
	limit := s.limits.Load().MaxBytes
	total := need
	for _, seg := range s.list {
		total += seg.size
	}
	for len(s.list) > 0 && !s.list[0].open && total > limit {
		total -= s.list[0].size
		s.dropOldest()
	}
}

func (s *Segments) dropOldest() {
	s.mu.Lock()
	path := s.path(s.list[0])
	s.list = s.list[1:]
	s.mu.Unlock()
	if err := s.fs.RemoveAll(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Error("a segment that is no longer kept cannot be removed", "segment", path, "error", err)
	}
}

// clear drops everything: retention has been switched off.
func (s *Segments) clear() {
	if !s.writer.loaded {
		return
	}
	if s.writer.file != nil {
		_ = s.writer.file.Close() // it is removed next
	}
	for len(s.list) > 0 {
		s.dropOldest()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer.loaded, s.writer.file, s.failure = false, nil, nil
	s.pos, s.waiting = 0, waiting{}
}
