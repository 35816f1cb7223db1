package message

import (
	"strconv"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// AppendHeartbeat appends a heartbeat. Its cursor says: every record up to here has been evaluated for this client.
func AppendHeartbeat(dst []byte, now time.Time, c engine.Cursor) []byte {
	dst = append(dst, `{"message_type":"heartbeat","timestamp":`...)
	dst = appendSeconds(dst, uint64(max(now.UnixMilli(), 0)))
	dst = append(dst, `,"cursor":`...)
	return append(appendCursor(dst, c), '}')
}

// GapReason says why messages are missing.
type GapReason string

// The reasons of gaps.
const (
	GapSlow    GapReason = "slow"    // the client did not keep up
	GapExpired GapReason = "expired" // the cursor is older than what is kept
	GapEpoch   GapReason = "epoch"   // the cursor is of another numbering
	GapSegment GapReason = "segment" // the disk lacks them: never written, or damaged
	GapIngest  GapReason = "ingest"  // a follower skipped, as the user configured
)

// Gap tells a client that messages are missing.
type Gap struct {
	Reason GapReason
	// Missed counts the records missing; Unknown says that their number is not known.
	Missed  uint64
	Unknown bool
	// From and To are where the stream stopped and where it goes on; not for GapIngest.
	From, To engine.Cursor
	// Log is the name of the log whose entries from FromIndex up to, not including, ToIndex were skipped; only for GapIngest.
	Log                string
	FromIndex, ToIndex uint64
}

// AppendGap appends a gap notice.
func AppendGap(dst []byte, g Gap) []byte {
	dst = append(dst, `{"message_type":"gap","data":{"reason":`...)
	dst = appendText(dst, string(g.Reason))
	dst = append(dst, `,"missed":`...)
	if g.Unknown {
		dst = append(dst, `null`...)
	} else {
		dst = strconv.AppendUint(dst, g.Missed, 10)
	}
	if g.Reason == GapIngest {
		dst = appendText(append(dst, `,"log":`...), g.Log)
		dst = strconv.AppendUint(append(dst, `,"from_index":`...), g.FromIndex, 10)
		dst = strconv.AppendUint(append(dst, `,"to_index":`...), g.ToIndex, 10)
	} else {
		dst = appendCursor(append(dst, `,"from":`...), g.From)
		dst = appendCursor(append(dst, `,"to":`...), g.To)
	}
	return append(dst, `}}`...)
}

func appendCursor(dst []byte, c engine.Cursor) []byte {
	dst = append(dst, '"')
	dst = c.Append(dst)
	return append(dst, '"')
}
