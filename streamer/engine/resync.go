package engine

import (
	"bytes"
	"encoding/binary"
	"io"
)

// lost is a stretch of a segment that is not what was written, and what it had: the gap stands for it among the frames.
type lost struct {
	at, end int64
	gap     frame
	cause   error
}

// resync goes on behind what is not whole at the end of what is known. Frames that have a good header are passed one by one; where
// the header is bad too, the next good one is looked for. It returns false where nothing whole follows: the file ends here.
func (c *contents) resync(r io.ReaderAt, size int64, cause error) bool {
	at, last := c.size, c.last()
	var passed []lost
	pass := func(to int64, upTo, count uint64) {
		if upTo > last || to > at {
			gap := frame{kind: gapFrame, after: last, last: upTo, count: count, at: at}
			passed = append(passed, lost{at: at, end: to, gap: gap, cause: cause})
		}
		at, last = to, upTo
	}
	for next := at; next < size; {
		f, _, err := readFrame(r, next, size)
		switch {
		case err == nil && f.after >= last && next > c.size:
			pass(next, f.after, f.after-last)
			c.lose(passed)
			c.size = next
			return true
		case f.kind != 0 && f.after == last && next == at && err != nil:
			pass(f.end(), f.last, f.count)
			next = at
		default:
			next = seek(r, next+1, size)
		}
	}
	return false
}

// lose puts gaps where frames were.
func (c *contents) lose(passed []lost) {
	for _, l := range passed {
		if l.gap.last > l.gap.after {
			c.frames = append(c.frames, l.gap)
		}
		c.lost = append(c.lost, l)
	}
}

// seek returns the next place with a good header; size if there is none.
func seek(r io.ReaderAt, from, size int64) int64 {
	magic := binary.LittleEndian.AppendUint32(nil, frameMagic)
	buf := make([]byte, min(64<<10, max(size-from, 0)))
	for size-from >= frameHeader {
		n, _ := r.ReadAt(buf[:min(int64(len(buf)), size-from)], from) // what cannot be read has no header
		if n < frameHeader {
			return size
		}
		for at := 0; ; at++ {
			i := bytes.Index(buf[at:n], magic)
			if i < 0 || at+i+frameHeader > n {
				break
			}
			at += i
			if _, err := parseHeader(buf[at:]); err == nil {
				return from + int64(at)
			}
		}
		from += int64(n - frameHeader + 1)
	}
	return size
}
