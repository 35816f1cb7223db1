package ctlog

import "sync"

// batchMemory is what a Batch's entries live in. It is pooled as a whole.
type batchMemory struct {
	Batch
	body    *buffer
	entries []Entry
	chains  [][]byte
	issuers []Hash
	// unhashed leaves the leaf hashes out.
	unhashed bool
}

// maxPooledEntries is the longest list of entries that is kept for reuse.
const maxPooledEntries = maxPage

var batches = sync.Pool{New: func() any { return new(batchMemory) }}

func newBatch() *batchMemory {
	m := batches.Get().(*batchMemory)
	if m.release == nil {
		m.release = m.free
	}
	m.reset()
	m.unhashed = false
	return m
}

func (m *batchMemory) reset() {
	m.entries, m.chains, m.issuers = m.entries[:0], m.chains[:0], m.issuers[:0]
}

func (m *batchMemory) free() {
	if m.body == nil {
		return // given back before
	}
	m.body.free()
	m.body, m.Entries = nil, nil
	if cap(m.entries) > maxPooledEntries {
		return
	}
	clear(m.entries)
	clear(m.chains)
	batches.Put(m)
}

// next adds a zero entry.
func (m *batchMemory) next(index uint64) *Entry {
	m.entries = append(m.entries, Entry{Index: index})
	return &m.entries[len(m.entries)-1]
}
