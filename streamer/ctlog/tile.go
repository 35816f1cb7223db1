package ctlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// tileWidth is the number of entries, or hashes, in a full tile (static-ct-api, Merkle Tree).
const tileWidth = 256

// tilePath is the path of a tile below the monitoring prefix; width 256 is the full tile.
func tilePath(kind string, index, width uint64) string {
	path := "tile/" + kind + "/" + tileNumber(index)
	if width < tileWidth {
		path += ".p/" + strconv.FormatUint(width, 10)
	}
	return path
}

// tileNumber writes a number in groups of three digits, all but the last with an x: 1234067 is x001/x234/067.
func tileNumber(n uint64) string {
	s := fmt.Sprintf("%03d", n%1000)
	for n /= 1000; n > 0; n /= 1000 {
		s = fmt.Sprintf("x%03d/%s", n%1000, s)
	}
	return s
}

var (
	errTileTruncated = errors.New("the tile is truncated")
	errTileTooLong   = errors.New("the tile has bytes left over")
)

// decodeTile reads a data tile of exactly width entries, the first of which has the given index. The buffer's headroom, and
// the bytes in front of each entry, are borrowed while its leaf is hashed. Unless lenient, each entry must state its index.
func (m *batchMemory) decodeTile(body *buffer, first, width uint64, lenient bool) error {
	m.reset()
	r := reader{b: body.b}
	buf := body.all[:headroom+len(body.b)]
	for i := range width {
		if err := m.decodeTileEntry(&r, buf, first+i, lenient); err != nil {
			return fmt.Errorf("entry %d of %d: %w", i, width, err)
		}
	}
	if len(r.b) > 0 {
		return errTileTooLong
	}
	return nil
}

// decodeTileEntry reads one TileLeaf (static-ct-api, Log entries).
func (m *batchMemory) decodeTileEntry(r *reader, buf []byte, index uint64, lenient bool) error {
	from := len(buf) - len(r.b)
	head := r.take(10)
	if r.failed {
		return errTileTruncated
	}
	e := m.next(index)
	e.Timestamp, e.Type = binary.BigEndian.Uint64(head), binary.BigEndian.Uint16(head[8:])
	switch e.Type {
	case typeX509:
		e.Certificate = r.vector(3)
	case typePrecert:
		r.take(32)
		r.vector(3)
	default:
		return fmt.Errorf("unknown entry type %d", e.Type)
	}
	extensions := r.vector(2)
	to := len(buf) - len(r.b)
	if e.Type == typePrecert {
		e.Certificate = r.vector(3)
	}
	fingerprints := r.vector(2)
	if r.failed || len(fingerprints)%len(Hash{}) != 0 {
		return errTileTruncated
	}
	m.takeIssuers(e, fingerprints)
	if err := checkLeafIndex(extensions, index, lenient); err != nil {
		return err
	}
	e.leaf, e.tiled = buf[from:to:to], true
	if !m.unhashed {
		e.LeafHash = hashInPlace(buf, from, to, 0, 0, 0)
	}
	return nil
}

func (m *batchMemory) takeIssuers(e *Entry, fingerprints []byte) {
	first := len(m.issuers)
	for ; len(fingerprints) > 0; fingerprints = fingerprints[len(Hash{}):] {
		m.issuers = append(m.issuers, Hash(fingerprints[:len(Hash{})]))
	}
	if n := len(m.issuers); n > first {
		e.Issuers = m.issuers[first:n:n]
	}
}

// leafIndexExtension is the type of the CtExtension that holds the index (static-ct-api, SCT extension).
const leafIndexExtension = 0

// checkLeafIndex finds the leaf_index among CtExtensions and compares it.
func checkLeafIndex(extensions []byte, index uint64, lenient bool) error {
	for r := (reader{b: extensions}); len(r.b) > 0; {
		kind := r.uint(1)
		data := r.vector(2)
		switch {
		case r.failed:
			return errors.New("broken extensions")
		case kind != leafIndexExtension:
			continue
		case len(data) != 5:
			return errors.New("leaf_index is not five bytes long")
		}
		if got := (&reader{b: data}).uint(5); got != index {
			return fmt.Errorf("leaf_index is %d where %d was expected", got, index)
		}
		return nil
	}
	if lenient {
		return nil
	}
	return errors.New("leaf_index is missing")
}
