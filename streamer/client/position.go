package client

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// position is where the client is in the stream, and what it asks a server for.
type position struct {
	// cursor is the newest that a server told, "" before the first; epoch and offset are its parts where numbered.
	cursor   string
	epoch    string
	offset   uint64
	numbered bool

	// Before there is a cursor: a time to begin at, or how far to go back from a moment.
	at   string
	back time.Duration
	from time.Time

	// served says that a message came, on whatever connection.
	served bool
}

// parseSince reads Options.Since: a cursor, a time, or a duration before now.
func parseSince(text string, now time.Time) (position, error) {
	if text == "" {
		return position{}, nil
	}
	if back, err := time.ParseDuration(text); err == nil && back >= 0 {
		return position{back: back, from: now}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return position{at: at.UTC().Format(time.RFC3339Nano)}, nil
	}
	if _, _, ok := splitCursor(text); !ok {
		return position{}, fmt.Errorf("since %q: want a cursor such as 1x9k2-4711, a time such as 2026-07-01T12:00:00Z, "+
			"or how far to go back, such as 15m", text)
	}
	var p position
	p.set(text)
	return p, nil
}

// set moves to a cursor.
func (p *position) set(cursor string) {
	p.cursor = cursor
	p.epoch, p.offset, p.numbered = splitCursor(cursor)
	p.numbered = p.numbered && p.offset < maxOffset
}

// maxOffset is more than any server has numbered: at 100,000 entries a second, after 89 years. What comes after a cursor beyond it is
// not taken for a repeat, whatever its number: else one such cursor would silence its epoch for good.
const maxOffset = 1 << 48

// splitCursor takes a cursor apart. To servers they are opaque but for that: offsets rise within an epoch, and none is used twice.
func splitCursor(cursor string) (epoch string, offset uint64, ok bool) {
	epoch, digits, found := strings.Cut(cursor, "-")
	if !found || epoch == "" || !isWord([]byte(epoch), '0') {
		return "", 0, false
	}
	offset, err := strconv.ParseUint(digits, 10, 64)
	return epoch, offset, err == nil
}

// since is what to ask a server for. Where only a duration is known, it grows with the time that attempts take.
func (p *position) since(now time.Time) string {
	switch {
	case p.cursor != "":
		return p.cursor
	case !p.from.IsZero():
		passed := max(now.Sub(p.from), 0)
		return (passed + min(p.back, math.MaxInt64-passed)).Round(time.Millisecond).String()
	}
	return p.at
}

// resuming says that a connection that begins now has something to go on after.
func (p *position) resuming() bool {
	return p.served || p.cursor != "" || p.at != "" || !p.from.IsZero()
}

// repeated says that a message is one that the client has had: no offset is used twice in an epoch.
func (p *position) repeated(m *Message) bool {
	if !m.isContent() || !p.numbered {
		return false
	}
	epoch, offset, ok := splitCursor(m.Cursor)
	return ok && epoch == p.epoch && offset <= p.offset
}

// advance moves to where a message says the stream is. Only a gap leads back, when a server has lost part of its numbering.
func (p *position) advance(m *Message) {
	p.served = true
	if m.Cursor == "" {
		return
	}
	epoch, offset, ok := splitCursor(m.Cursor)
	if ok && p.numbered && epoch == p.epoch && offset < p.offset && m.Type != typeGap {
		return
	}
	p.set(m.Cursor)
}
