package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// A segment is a file of frames: a head, then issuers, blocks of entries and gaps as they come, and, once it is full, an index
// and a tail by which it can be read without looking at the rest. Each frame is a header with a checksum of its own, and a body
// with another. Where a frame begins at an offset, the one before it has ended there: together they cover all offsets from the
// head's on.
const (
	frameMagic  = 0x46535443 // "CTSF"
	frameHeader = 64
	tailBody    = 16
	tailSize    = frameHeader + tailBody
	formatOne   = 1
)

// frameKind says what is in a frame.
type frameKind uint8

const (
	headFrame   frameKind = iota + 1 // format, epoch
	issuerFrame                      // issuing certificates
	entryFrame                       // a block, compressed
	gapFrame                         // nothing: entries that are not kept, or offsets that were never used
	indexFrame                       // places of all entry and gap frames
	tailFrame                        // place of the index, entries missing
	lastFrame   = tailFrame
)

// frame is a frame's header.
type frame struct {
	kind  frameKind
	flags uint8
	// stored is the body's length, raw that before compression.
	stored, raw uint32
	// The frame covers the offsets after `after` up to `last`; count is how many entries it has, or is missing.
	after, last, count uint64
	// first and latest are the times the entries were seen, in ms since 1970.
	first, latest int64
	sum           uint32 // of the body

	at int64 // where it is in the file; in no header
}

var (
	errTorn    = errors.New("the file ends within a frame")
	errCorrupt = errors.New("what is on disk is not what was written")
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// appendFrame adds a frame to dst.
func appendFrame(dst []byte, f frame, body []byte) []byte {
	return append(appendHeader(dst, f.of(body, 0)), body...)
}

func appendHeader(dst []byte, f frame) []byte {
	at := len(dst)
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, frameMagic)
	dst = append(dst, byte(f.kind), f.flags, 0, 0)
	dst = le.AppendUint32(le.AppendUint32(dst, f.stored), f.raw)
	dst = le.AppendUint64(le.AppendUint64(le.AppendUint64(dst, f.after), f.last), f.count)
	dst = le.AppendUint64(le.AppendUint64(dst, uint64(f.first)), uint64(f.latest))
	dst = le.AppendUint32(dst, f.sum)
	return le.AppendUint32(dst, checksum(dst[at:]))
}

// parseHeader reads the header at the beginning of b.
func parseHeader(b []byte) (frame, error) {
	le := binary.LittleEndian
	if len(b) < frameHeader {
		return frame{}, errTorn
	}
	if le.Uint32(b) != frameMagic || le.Uint32(b[60:]) != checksum(b[:60]) {
		return frame{}, fmt.Errorf("%w: a frame's header", errCorrupt)
	}
	f := frame{
		kind: frameKind(b[4]), flags: b[5], stored: le.Uint32(b[8:]), raw: le.Uint32(b[12:]),
		after: le.Uint64(b[16:]), last: le.Uint64(b[24:]), count: le.Uint64(b[32:]),
		first: int64(le.Uint64(b[40:])), latest: int64(le.Uint64(b[48:])), sum: le.Uint32(b[56:]),
	}
	if f.kind < headFrame || f.kind > lastFrame || f.last < f.after || f.stored > maxBlockBytes || f.raw > maxBlockBytes {
		return frame{}, fmt.Errorf("%w: a frame's header", errCorrupt)
	}
	return f, nil
}

// readFrame reads and checks the frame at a place of a file of so many bytes. At the file's end it returns io.EOF. Where the body
// alone is bad, it returns the header with the error.
func readFrame(r io.ReaderAt, at, size int64) (frame, []byte, error) {
	if at >= size {
		return frame{}, nil, io.EOF
	}
	var header [frameHeader]byte
	n, err := r.ReadAt(header[:], at)
	switch {
	case n == 0 && errors.Is(err, io.EOF):
		return frame{}, nil, io.EOF
	case n < frameHeader && errors.Is(err, io.EOF):
		return frame{}, nil, errTorn
	case n < frameHeader:
		return frame{}, nil, err
	}
	f, err := parseHeader(header[:])
	if err != nil {
		return frame{}, nil, err
	}
	if f.at = at; f.end() > size {
		return frame{}, nil, errTorn
	}
	body, err := readBody(r, f)
	return f, body, err
}

func readBody(r io.ReaderAt, f frame) ([]byte, error) {
	body := make([]byte, f.stored)
	if n, err := r.ReadAt(body, f.at+frameHeader); n < len(body) {
		if errors.Is(err, io.EOF) {
			return nil, errTorn
		}
		return nil, err
	}
	if checksum(body) != f.sum {
		return nil, fmt.Errorf("%w: a frame's content", errCorrupt)
	}
	return body, nil
}

// of is the frame with a body, at a place.
func (f frame) of(body []byte, at int64) frame {
	f.at, f.stored, f.sum = at, uint32(len(body)), checksum(body)
	return f
}

// end is where the next frame begins.
func (f frame) end() int64 { return f.at + frameHeader + int64(f.stored) }

// contents is what is known of a segment file.
type contents struct {
	epoch string
	after uint64
	// frames are the entry and gap frames in order, issuers those with certificates.
	frames, issuers []frame
	lost            []lost
	sealed          bool
	size            int64 // up to where all is whole
}

// last is the offset up to which the segment covers all.
func (c *contents) last() uint64 {
	if len(c.frames) == 0 {
		return c.after
	}
	return c.frames[len(c.frames)-1].last
}

// scan reads a segment of so many bytes from its beginning, checking everything. What is not whole, but has something whole
// behind it, is a gap in what it returns, and noted as lost. Else the error is about the first frame that is not whole; what comes
// before it is good.
func scan(r io.ReaderAt, size int64) (*contents, error) {
	head, body, err := readFrame(r, 0, size)
	if err != nil {
		return &contents{}, noEOF(err)
	}
	if head.kind != headFrame || len(body) == 0 || body[0] != formatOne {
		return &contents{}, fmt.Errorf("%w: no segment of this format", errCorrupt)
	}
	c := &contents{epoch: string(body[1:]), after: head.after, size: head.end()}
	for !c.sealed {
		f, _, err := readFrame(r, c.size, size)
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err == nil && f.after != c.last() {
			err = fmt.Errorf("%w: a frame begins at offset %d, the one before it ends at %d", errCorrupt, f.after, c.last())
		}
		if err == nil {
			c.add(f)
			continue
		}
		if !isDamage(err) || !c.resync(r, size, err) {
			return c, err
		}
	}
	return c, nil
}

// noEOF makes the end of a file that should go on an error of its own.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return errTorn
	}
	return err
}

func (c *contents) add(f frame) {
	switch f.kind {
	case entryFrame, gapFrame:
		c.frames = append(c.frames, f)
	case issuerFrame:
		c.issuers = append(c.issuers, f)
	case tailFrame:
		c.sealed = true
	}
	c.size = f.end()
}

// appendIndex encodes what a sealed segment's index says.
func appendIndex(dst []byte, c *contents) []byte {
	for _, list := range [][]frame{c.issuers, c.frames} {
		for _, f := range list {
			dst = appendHeader(binary.LittleEndian.AppendUint64(dst, uint64(f.at)), f)
		}
	}
	return dst
}

// seal encodes the index and the tail that end a segment.
func (c *contents) seal() []byte {
	end := frame{kind: indexFrame, after: c.last(), last: c.last()}
	out := appendFrame(nil, end, appendIndex(nil, c))
	end.kind = tailFrame
	var missed uint64
	end.count, missed, end.first, end.latest = summary(c.frames)
	body := binary.LittleEndian.AppendUint64(nil, uint64(c.size))
	return appendFrame(out, end, binary.LittleEndian.AppendUint64(body, missed))
}

// summary is how many entries frames have and lack, and when the first and the latest were seen.
func summary(frames []frame) (count, missed uint64, first, latest int64) {
	for _, f := range frames {
		if f.kind == gapFrame {
			missed += f.count
			continue
		}
		count += f.count
		latest = max(latest, f.latest)
		if first == 0 || f.first < first {
			first = f.first
		}
	}
	return count, missed, first, latest
}

// readTail reads the end of a sealed segment of so many bytes: a frame, where the index is, and how many entries are missing.
func readTail(r io.ReaderAt, size int64) (tail frame, index int64, missed uint64, err error) {
	tail, body, err := readFrame(r, max(size-tailSize, 0), size)
	if err != nil || tail.kind != tailFrame || len(body) != tailBody {
		return frame{}, 0, 0, errors.Join(errTorn, err)
	}
	return tail, int64(binary.LittleEndian.Uint64(body)), binary.LittleEndian.Uint64(body[8:]), nil
}

// readIndex reads the index of a sealed segment that begins after an offset.
func readIndex(r io.ReaderAt, size int64, after uint64) (*contents, error) {
	tail, at, _, err := readTail(r, size)
	if err != nil {
		return nil, err
	}
	index, body, err := readFrame(r, at, size)
	if err != nil {
		return nil, noEOF(err)
	}
	const each = 8 + frameHeader
	if index.kind != indexFrame || len(body)%each != 0 {
		return nil, fmt.Errorf("%w: a segment's index", errCorrupt)
	}
	c := &contents{after: after}
	for ; len(body) > 0; body = body[each:] {
		f, err := parseHeader(body[8:])
		if err != nil {
			return nil, err
		}
		if f.kind != issuerFrame && f.after != c.last() {
			return nil, fmt.Errorf("%w: a segment's index", errCorrupt)
		}
		if f.at = int64(binary.LittleEndian.Uint64(body)); f.at < 0 || f.at > size || f.end() > size {
			return nil, fmt.Errorf("%w: a segment's index", errCorrupt)
		}
		c.add(f)
	}
	if c.size, c.sealed = size, true; c.last() != tail.last {
		return nil, fmt.Errorf("%w: a segment's index", errCorrupt)
	}
	return c, nil
}
