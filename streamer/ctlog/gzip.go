package ctlog

import (
	"bytes"
	"fmt"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// inflater is pooled: a gzip reader is 40 kB.
type inflater struct {
	gzip.Reader
	in bytes.Reader
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// inflate unpacks gzip into a new buffer of at most limit bytes.
func inflate(packed []byte, limit int64) (*buffer, error) {
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	z.in.Reset(packed)
	if err := z.Reset(&z.in); err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	out := newBuffer()
	out.grow(3 * len(packed))
	if err := out.readAll(&z.Reader, limit, 0); err != nil {
		out.free()
		return nil, fmt.Errorf("gzip: %w", err)
	}
	return out, nil
}

func looksGzipped(b []byte) bool { return len(b) > 2 && b[0] == 0x1f && b[1] == 0x8b }

// parse hands the body to a parser, unpacked: servers pack without saying so, say so without packing, and pack twice. What is
// announced is unpacked if it looks packed; what does not parse and looks packed, is unpacked and tried again. It returns the
// buffer the parser accepted, which may be another than the answer's; in any case the answer's own is taken over.
func (a answer) parse(limit int64, parser func(body *buffer) error) (*buffer, error) {
	buf, unpacked := a.buffer, 0
	unpack := func() error {
		inflated, err := inflate(buf.b, limit)
		if err != nil {
			return err
		}
		buf.free()
		buf = inflated
		unpacked++
		return nil
	}
	if a.gzipped && looksGzipped(buf.b) {
		if err := unpack(); err != nil {
			buf.free()
			return nil, err
		}
	}
	for {
		err := parser(buf)
		if err == nil {
			return buf, nil
		}
		if unpacked == 2 || !looksGzipped(buf.b) {
			buf.free()
			return nil, err
		}
		if err := unpack(); err != nil {
			buf.free()
			return nil, err
		}
	}
}
