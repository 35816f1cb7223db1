package engine

import (
	"errors"
	"time"
)

// Retained is a window with segments behind it: what the window no longer has is read from disk.
type Retained struct {
	*Window
	segments *Segments
}

// NewRetained puts segments behind their window.
func NewRetained(s *Segments) *Retained { return &Retained{Window: s.window, segments: s} }

// Read implements Engine. Where entries are missing, the error is a *GapError: the reader may go on at its To.
func (r *Retained) Read(after uint64, buf []Entry) (int, error) {
	for {
		n, err := r.Window.Read(after, buf)
		// A window that nothing has come into yet has nothing older, and does not say that it expired.
		if !errors.Is(err, ErrExpired) && (n > 0 || err != nil || after >= r.Window.Oldest()) {
			return n, err
		}
		n, upTo, err := r.segments.read(after, buf)
		if n > 0 || err != nil {
			return n, r.shorten(err)
		}
		if upTo > after {
			after = upTo
			continue
		}
		to := r.Window.Oldest()
		if err := r.segments.gap(after, to, after < r.Oldest()); err != nil {
			return 0, err
		}
		after = to
	}
}

// shorten makes a gap end where the window begins: it has everything from there on, be a segment unreadable.
func (r *Retained) shorten(err error) error {
	var gap *GapError
	oldest := r.Window.Oldest()
	if !errors.As(err, &gap) || gap.To <= oldest || gap.From >= oldest {
		return err
	}
	gap.To, gap.Missed = oldest, r.numbered(gap.From, oldest)
	return gap
}

// Oldest implements Engine: after it there may be gaps, which Read tells of.
func (r *Retained) Oldest() uint64 {
	r.segments.mu.Lock()
	defer r.segments.mu.Unlock()
	return min(r.segments.oldest(), r.Window.Oldest())
}

// Resume implements Engine. A cursor that segments reach back to loses nothing; one of another numbering gets all there is.
func (r *Retained) Resume(c Cursor) Resume {
	resume := r.Window.Resume(c)
	oldest := r.Oldest()
	switch {
	case resume.EpochUnknown:
		resume.From = oldest
		return resume
	case !resume.Lost:
		return resume
	}
	if c.Offset >= oldest {
		return Resume{From: c.Offset}
	}
	missed := r.numbered(c.Offset, oldest)
	return Resume{From: oldest, Lost: missed > 0, Missed: missed}
}

// At implements Engine.
func (r *Retained) At(t time.Time) Resume {
	resume := r.Window.At(t)
	if resume.From > r.Window.Oldest() {
		return resume // else there may be older ones on disk
	}
	if after, ok := r.segments.at(t); ok && after < resume.From {
		return Resume{From: after, Lost: r.Oldest() > 0 && !r.segments.reaches(t), Unknown: true}
	}
	return resume
}
