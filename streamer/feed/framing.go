package feed

import "encoding/binary"

// Framing is how messages are told apart on the wire.
type Framing uint8

// The framings of the three protocols.
const (
	// WebSocket is unmasked, uncompressed, unfragmented text frames (RFC 6455 §5.2).
	WebSocket Framing = iota
	// EventStream is text/event-stream (HTML standard §9.2).
	EventStream
	// Lines is one JSON object per line, ended by \n.
	Lines
	// Framings is their number.
	Framings = int(iota)
)

// String names the framing by its protocol, as metrics do.
func (f Framing) String() string {
	switch f {
	case WebSocket:
		return "websocket"
	case EventStream:
		return "sse"
	}
	return "tcp"
}

// Event is what a frame is about. An event stream names all but messages, so that a page's onmessage sees certificates only.
type Event uint8

// The events.
const (
	Message Event = iota
	Heartbeat
	Gap
	Failure
)

// eventLines begin an event of the event stream.
var eventLines = [...]string{Message: "", Heartbeat: "event: heartbeat\n", Gap: "event: gap\n", Failure: "event: error\n"}

// overhead is at least what a framing adds to a message and its cursor.
const overhead = 64

// WebSocket header bytes (RFC 6455 §5.2).
const (
	finText  = 0x81
	finPing  = 0x89
	length16 = 126
	length64 = 127
)

// AppendFrame appends one frame. json is a single line; cursor is the position after it.
func AppendFrame(dst []byte, f Framing, event Event, cursor, json []byte) []byte {
	switch f {
	case WebSocket:
		return append(appendHeader(dst, len(json)), json...)
	case EventStream:
		dst = append(dst, eventLines[event]...)
		dst = append(append(append(dst, "id: "...), cursor...), '\n')
		return append(append(append(dst, "data: "...), json...), "\n\n"...)
	default:
		return append(append(dst, json...), '\n')
	}
}

func appendHeader(dst []byte, n int) []byte {
	switch {
	case n < length16:
		return append(dst, finText, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, finText, length16), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, finText, length64), uint64(n))
	}
}

// AppendPing appends what makes a peer answer; only WebSocket has such a thing.
func AppendPing(dst []byte, f Framing) []byte {
	if f == WebSocket {
		return append(dst, finPing, 0)
	}
	return dst
}
