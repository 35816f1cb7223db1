package serve

import (
	"errors"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// origin is where a client wants to begin: behind a cursor, or, where it is none, with what was seen from at on.
type origin struct {
	cursor engine.Cursor
	at     time.Time
}

// foreign is the cursor of a client that hands back what is none: no numbering has this name.
var foreign = engine.Cursor{Epoch: "0"}

var errSince = errors.New(`not a place to begin: want a message's "cursor" such as 1x9k2-4711, a time such as ` +
	`2026-07-01T12:00:00Z, or how far to go back, such as 15m`)

// parseSince reads a cursor, a time as in RFC 3339, or a duration before now.
func parseSince(text string, now time.Time) (*origin, error) {
	if c, err := engine.ParseCursor(text); err == nil {
		return &origin{cursor: c}, nil
	}
	if back, err := time.ParseDuration(text); err == nil && back >= 0 {
		return &origin{at: now.Add(-back)}, nil
	}
	// A plus sign in a URL that is not written as %2B is a space.
	if at, err := time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+")); err == nil {
		return &origin{at: at}, nil
	}
	return nil, errSince
}

// resume goes back to where a client wants to begin, and tells it what is no longer kept. Called with mu held.
func (c *conn) resume(from origin) {
	var r engine.Resume
	gap := message.Gap{Reason: message.GapExpired, From: from.cursor}
	if from.cursor.Epoch != "" {
		r = c.server.engine.Resume(from.cursor)
	} else {
		r = c.server.engine.At(from.at)
		r.From = min(r.From, c.stream.Head())   // what the publisher has yet to send out has not been evaluated for anybody
		gap.From = c.server.publisher.Cursor(0) // which of them were seen after the time, nobody knows any more
	}
	c.offset, c.resumed = r.From, true
	if r.Lost || r.EpochUnknown {
		if r.EpochUnknown {
			gap.Reason = message.GapEpoch
		}
		gap.Missed, gap.Unknown, gap.To = r.Missed, r.EpochUnknown || r.Unknown, c.server.publisher.Cursor(c.offset)
		c.out = c.stream.Gap(c.out, gap)
	}
	c.out = c.stream.Notices(c.out, c.offset)
}
