package engine

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
)

// A block is some entries in their stored form, before compression:
//
//	sources: number, then each: log id, name, operator, URL, protocol
//	chains:  number, then each: number of fingerprints, fingerprints
//	entries: number, then each: offset − last offset, source, index, timestamp, seen − last seen, type, chain + 1 (0: none),
//	         length of the certificate, text of what is malformed
//	certificates, one after the other
//
// Numbers are varints; texts have their length before them. A block needs nothing of any other.

var errBlock = errors.New("a block's content is not what was written")

// Bounds that no block written exceeds: they keep what a damaged one makes us reserve small.
const (
	maxBlockBytes = 64 << 20
	minEntryBytes = 9
)

// blockWriter encodes entries; its memory is used again.
type blockWriter struct {
	sources map[*Source]uint64
	chains  map[chainKey]uint64
	table   []byte
	links   []byte
	rows    []byte
}

// chainKey names a chain by its memory: equal chains share one slice in the window.
type chainKey struct {
	first *Fingerprint
	n     int
}

// append adds the stored form of entries to dst.
func (w *blockWriter) append(dst []byte, after uint64, entries []Entry) []byte {
	w.sources, w.chains = map[*Source]uint64{}, map[chainKey]uint64{}
	w.table, w.links, w.rows = w.table[:0], w.links[:0], w.rows[:0]
	last, seen := after, int64(0)
	for i := range entries {
		e := &entries[i]
		w.rows = binary.AppendUvarint(w.rows, e.Offset-last)
		w.rows = binary.AppendUvarint(w.rows, w.source(e.Source))
		w.rows = binary.AppendUvarint(w.rows, e.Index)
		w.rows = binary.AppendUvarint(w.rows, e.Timestamp)
		w.rows = binary.AppendVarint(w.rows, e.Seen-seen)
		w.rows = binary.AppendUvarint(w.rows, uint64(e.Type))
		w.rows = binary.AppendUvarint(w.rows, w.chain(e.Chain))
		w.rows = binary.AppendUvarint(w.rows, uint64(len(e.DER)))
		w.rows = appendString(w.rows, e.Malformed)
		last, seen = e.Offset, e.Seen
	}
	dst = append(binary.AppendUvarint(dst, uint64(len(w.sources))), w.table...)
	dst = append(binary.AppendUvarint(dst, uint64(len(w.chains))), w.links...)
	dst = append(binary.AppendUvarint(dst, uint64(len(entries))), w.rows...)
	for i := range entries {
		dst = append(dst, entries[i].DER...)
	}
	return dst
}

func (w *blockWriter) source(s *Source) uint64 {
	at, ok := w.sources[s]
	if !ok {
		at = uint64(len(w.sources))
		w.sources[s] = at
		if s == nil {
			s = &Source{}
		}
		w.table = append(w.table, s.LogID[:]...)
		for _, text := range []string{s.Name, s.Operator, s.URL, string(s.Protocol)} {
			w.table = appendString(w.table, text)
		}
	}
	return at
}

func (w *blockWriter) chain(chain []Fingerprint) uint64 {
	if len(chain) == 0 {
		return 0
	}
	key := chainKey{&chain[0], len(chain)}
	at, ok := w.chains[key]
	if !ok {
		at = uint64(len(w.chains))
		w.chains[key] = at
		w.links = binary.AppendUvarint(w.links, uint64(len(chain)))
		for i := range chain {
			w.links = append(w.links, chain[i][:]...)
		}
	}
	return at + 1
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// blockReader reads from b and remembers that something was missing.
type blockReader struct {
	b   []byte
	bad bool
}

func (r *blockReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *blockReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// take returns the next n bytes, nil for none.
func (r *blockReader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	if n == 0 {
		return nil
	}
	return taken
}

func (r *blockReader) text() string { return string(r.take(r.uvarint())) }

// number reads how many there are of something that takes at least size bytes each.
func (r *blockReader) number(size int) int {
	n := r.uvarint()
	if n > uint64(len(r.b)/size) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *blockReader) fingerprint() (f Fingerprint) {
	copy(f[:], r.take(uint64(len(f))))
	return f
}

// parseBlock reads a block. The entries borrow from b. same returns the one source that stands for all equal ones.
func parseBlock(b []byte, after uint64, same func(Source) *Source) ([]Entry, error) {
	r := &blockReader{b: b}
	sources := make([]*Source, r.number(len(Fingerprint{})))
	for i := range sources {
		s := Source{LogID: r.fingerprint(), Name: r.text(), Operator: r.text(), URL: r.text(), Protocol: Protocol(r.text())}
		sources[i] = same(s)
	}
	chains := make([][]Fingerprint, r.number(1))
	for i := range chains {
		chains[i] = make([]Fingerprint, r.number(len(Fingerprint{})))
		for j := range chains[i] {
			chains[i][j] = r.fingerprint()
		}
	}
	entries := make([]Entry, r.number(minEntryBytes))
	lengths := make([]uint64, len(entries))
	last, seen := after, int64(0)
	for i := range entries {
		if lengths[i] = r.entry(&entries[i], &last, &seen, sources, chains); r.bad {
			return nil, errBlock
		}
	}
	for i, n := range lengths {
		entries[i].DER = r.take(n)
	}
	if r.bad || len(r.b) > 0 {
		return nil, errBlock
	}
	return entries, nil
}

// entry reads one row and returns the length of its certificate.
func (r *blockReader) entry(e *Entry, last *uint64, seen *int64, sources []*Source, chains [][]Fingerprint) (length uint64) {
	step, source := r.uvarint(), r.uvarint()
	e.Index, e.Timestamp = r.uvarint(), r.uvarint()
	e.Seen = *seen + r.varint()
	kind, chain := r.uvarint(), r.uvarint()
	length, e.Malformed = r.uvarint(), r.text()
	e.Offset, e.Type = *last+step, EntryType(kind)
	if step == 0 || e.Offset < *last || source >= uint64(len(sources)) || chain > uint64(len(chains)) || kind > math.MaxUint16 {
		r.bad = true
		return 0
	}
	e.Source = sources[source]
	if chain > 0 {
		e.Chain = slices.Clip(chains[chain-1])
	}
	*last, *seen = e.Offset, e.Seen
	return length
}

// appendIssuers and parseIssuers are the stored form of issuing certificates: their number, then each with its length.
func appendIssuers(dst []byte, ders [][]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(ders)))
	for _, der := range ders {
		dst = append(binary.AppendUvarint(dst, uint64(len(der))), der...)
	}
	return dst
}

func parseIssuers(b []byte) ([][]byte, error) {
	r := &blockReader{b: b}
	ders := make([][]byte, r.number(1))
	for i := range ders {
		ders[i] = r.take(r.uvarint())
	}
	if r.bad || len(r.b) > 0 {
		return nil, errBlock
	}
	return ders, nil
}
