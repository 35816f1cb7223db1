// Package engine numbers entries and keeps them for a while, so that a client can come back for what it missed.
//
// Followers append; the publisher reads behind the head; whoever has fallen behind reads from an older offset. Parsing,
// filtering and encoding happen after Read, so that an entry can be served again in any kind and through any filter.
package engine

import (
	"context"
	"errors"
	"time"
)

// ErrExpired says that entries after the offset asked for are no longer kept.
var ErrExpired = errors.New("the entries after this offset are no longer kept")

// Engine is what numbers and keeps entries. All methods are safe for concurrent use.
type Engine interface {
	// Epoch names the numbering. An offset is never used twice in an epoch.
	Epoch() string
	// Append numbers a batch of entries of one log in the order given, keeps copies of them, and returns the last offset. It
	// blocks, until ctx ends, while the publisher is more than half the kept bytes behind, so that a burst cannot push unread
	// entries out. On an error, n says how many entries of the batch were taken.
	Append(ctx context.Context, batch []Entry) (last uint64, n int, err error)
	// Read fills buf with entries after the offset given, oldest first, and returns how many; 0 at the head. Where entries
	// after it have been dropped, it returns ErrExpired; Oldest then says from where on entries are kept. A *GapError, which is
	// an ErrExpired, says exactly what is missing and where to go on.
	Read(after uint64, buf []Entry) (int, error)
	// Wait blocks until there are entries after the offset given, or ctx ends.
	Wait(ctx context.Context, after uint64) error
	// Consumed tells the engine that the publisher is done with all up to this offset.
	Consumed(offset uint64)
	// Head is the last offset used.
	Head() uint64
	// Oldest is the smallest cursor offset that can be resumed from without a loss: everything after it is kept.
	Oldest() uint64
	// Resume says where a client that hands back a cursor goes on, and what it has missed.
	Resume(c Cursor) Resume
	// At says where a client goes on that wants what was seen at or after a time. Where there may have been more, Lost and
	// Unknown are set.
	At(t time.Time) Resume
	// Stats says what is kept in memory.
	Stats() Stats
}

// Resume is where a cursor leads to.
type Resume struct {
	// From is the offset to go on after.
	From uint64
	// Lost says that entries between the cursor and From are gone, Missed how many. Where EpochUnknown is set, the cursor is
	// not of this numbering and the number is not known.
	Lost, EpochUnknown bool
	Missed             uint64
	// Unknown says that Missed is not known.
	Unknown bool
}

// Stats describes what an engine keeps.
type Stats struct {
	// Entries and Bytes are what is kept, Bytes as memory taken; MaxBytes is the bound.
	Entries, Bytes, MaxBytes int
	// Held is how long ago the oldest kept entry was seen; 0 when there is none.
	Held time.Duration
}
