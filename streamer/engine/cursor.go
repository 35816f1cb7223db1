package engine

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Cursor is a position in the stream that a client hands back to resume after it. It is good on every protocol, stream kind
// and filter, since Offset counts entries.
type Cursor struct {
	// Epoch names the numbering; it consists of [0-9a-z].
	Epoch string
	// Offset is the last entry the client has had evaluated; 0 is before the first.
	Offset uint64
}

// ErrCursor is wrapped by the errors of ParseCursor.
var ErrCursor = errors.New("not a cursor")

// maxCursor bounds what ParseCursor looks at: epochs have at most 13 digits, offsets 20.
const maxCursor = 64

// ParseCursor reads the text form `epoch-offset`.
func ParseCursor(s string) (Cursor, error) {
	epoch, digits, ok := strings.Cut(s, "-")
	if !ok || len(s) > maxCursor || epoch == "" || strings.Trim(epoch, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
		return Cursor{}, fmt.Errorf("%w: want the value of a message's \"cursor\", such as 1x9k2-4711", ErrCursor)
	}
	offset, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return Cursor{}, fmt.Errorf("%w: what follows %q is not a number", ErrCursor, epoch+"-")
	}
	return Cursor{Epoch: epoch, Offset: offset}, nil
}

// Append adds the text form to dst.
func (c Cursor) Append(dst []byte) []byte {
	dst = append(dst, c.Epoch...)
	dst = append(dst, '-')
	return strconv.AppendUint(dst, c.Offset, 10)
}

// String is the text form.
func (c Cursor) String() string { return string(c.Append(nil)) }
