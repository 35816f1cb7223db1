package filter

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"sync/atomic"
)

// DefaultMemory is the memory for deduplication where nothing else is configured, in bytes.
const DefaultMemory = 32 << 20

// Memory knows, for classes with deduplication, which certificates have been there: of each the offset of its newest copy. All
// classes share its bytes; the oldest are forgotten first, whichever class they are of. A copy that is not known is new to
// everybody, so forgetting costs a repetition, never a certificate.
//
// What it knows is evidence, and no more: that an entry with this certificate, which the class's filter matches, is at an offset.
// A client that has been given everything from before that offset on has been sent the certificate.
type Memory struct {
	secret  [16]byte
	replays pool // a quarter of the memory

	mu      sync.Mutex
	classes map[uint32]*Class
	last    uint32 // class number
	shared  pool   // the rest
	book    book   // guarded by mu
	dead    int    // notes of classes that have gone

	suppressed, repeated, expired, forgotten atomic.Uint64
}

// newMemory makes an empty memory of so many bytes.
func newMemory(maxBytes int) *Memory {
	m := &Memory{classes: map[uint32]*Class{}}
	_, _ = rand.Read(m.secret[:]) // it never fails
	m.book = book{pool: &m.shared, evicted: m.evicted}
	m.resize(maxBytes)
	return m
}

// resize sets a new bound. A smaller one takes effect at once for classes, and as they end for replays.
func (m *Memory) resize(maxBytes int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replays.max.Store(int64(maxBytes / 4))
	if before := m.shared.max.Swap(int64(maxBytes - maxBytes/4)); before != m.shared.max.Load() {
		m.rewrite()
	}
}

// ID makes a certificate's identity (certificate.Record.TBSID) short: 16 bytes of its hash with a secret of this process. For a
// certificate to be taken for one of n others by chance has a probability of n/2^128; a million remembered, at 2,000 a second,
// that is once in 10^21 years. Without the secret nobody can look for two that have the same.
func (m *Memory) ID(tbsID [sha256.Size]byte) ID {
	var text [16 + sha256.Size]byte
	copy(text[copy(text[:], m.secret[:]):], tbsID[:])
	sum := sha256.Sum256(text[:])
	return ID(sum[:16])
}

// open numbers a class.
func (m *Memory) open(c *Class) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last++
	c.number = m.last
	m.classes[c.number] = c
}

// close forgets a class. Its notes go when they are half of all, so that it costs little, and with the last class at once.
func (m *Memory) close(c *Class) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.classes, c.number)
	m.dead += c.noted
	switch {
	case len(m.classes) == 0:
		m.book.close()
		m.dead = 0
	case 2*m.dead > m.book.n:
		m.rewrite()
	}
}

// rewrite makes the book anew, of what is still of use. Called with mu held.
func (m *Memory) rewrite() {
	old := m.book
	m.book = book{pool: &m.shared, evicted: m.evicted}
	m.shared.give(old.size())
	m.dead = 0
	for i := range old.n {
		n := old.at(old.place(i))
		if m.classes[n.class] != nil {
			m.book.add(*n)
		}
	}
}

// evicted counts what a book that is full forgets. Called with mu held.
func (m *Memory) evicted(n note) {
	c := m.classes[n.class]
	if c == nil {
		m.dead--
		return
	}
	c.noted--
	m.forgotten.Add(1)
}

// Decide says whether a class is to send an entry that it matches, and remembers it. Offsets must increase from call to call.
// prior, when not 0, is the offset of an earlier copy: clients that have been given everything from before it on do without this
// one. Copies up to kept, which can no longer be read again, do not count.
func (m *Memory) Decide(c *Class, id ID, offset, kept uint64) (prior uint64, send bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.book.find(c.number, &id)
	if known == nil {
		m.learn(c, id, offset)
		return 0, true
	}
	prior, known.offset = known.offset, max(known.offset, offset)
	switch {
	case prior >= offset:
		return 0, true
	case prior <= kept:
		m.expired.Add(1)
		return 0, true
	case prior <= c.floor.Load():
		m.repeated.Add(1)
		return prior, true
	}
	m.suppressed.Add(1)
	return prior, false
}

// learn makes a note of a certificate. Called with mu held.
func (m *Memory) learn(c *Class, id ID, offset uint64) {
	if m.classes[c.number] != c {
		return // it has gone in the meantime
	}
	before := m.book.n
	c.noted++ // before, for what add evicts may be this class's
	m.book.add(note{id: id, offset: offset, class: c.number})
	if m.book.n == before && m.book.n == 0 {
		c.noted-- // there is no memory at all
	}
}

// between is the offset of the newest copy that a class knows of, if it is beyond one offset and before another; else 0.
func (m *Memory) between(c *Class, id *ID, after, before uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.book.find(c.number, id); known != nil && known.offset > after && known.offset < before {
		return known.offset
	}
	return 0
}

// MemoryStats is what a memory holds and has done.
type MemoryStats struct {
	// Classes is the number of filters with deduplication, Certificates how many are remembered for all of them.
	Classes      int `json:"classes"`
	Certificates int `json:"certificates"`
	// Bytes is the memory taken, replays' included, MaxBytes what may be.
	Bytes    int `json:"bytes"`
	MaxBytes int `json:"max_bytes"`
	// Suppressed counts copies that no client of a class was sent, Repeated those sent for clients that came after the copy
	// before, Expired those sent because the copy before can no longer be read again; Forgotten counts certificates that made
	// room for others.
	Suppressed uint64 `json:"suppressed"`
	Repeated   uint64 `json:"repeated"`
	Expired    uint64 `json:"expired"`
	Forgotten  uint64 `json:"forgotten"`
}

// Stats returns the present figures.
func (m *Memory) Stats() MemoryStats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemoryStats{
		Classes: len(m.classes), Certificates: m.book.n - m.dead,
		Bytes:      int(m.shared.used.Load() + m.replays.used.Load()),
		MaxBytes:   int(m.shared.max.Load() + m.replays.max.Load()),
		Suppressed: m.suppressed.Load(), Repeated: m.repeated.Load(), Expired: m.expired.Load(), Forgotten: m.forgotten.Load(),
	}
}
