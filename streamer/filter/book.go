package filter

import (
	"encoding/binary"
	"sync/atomic"
)

// ID is a certificate to a Memory: see Memory.ID.
type ID [16]byte

// pool is memory, in bytes, that several books share.
type pool struct{ max, used atomic.Int64 }

// take reserves n bytes, if there are as many.
func (p *pool) take(n int) bool {
	if p.used.Add(int64(n)) <= p.max.Load() {
		return true
	}
	p.used.Add(-int64(n))
	return false
}

func (p *pool) give(n int) { p.used.Add(-int64(n)) }

// note is one certificate in a book: the offset of its newest copy in a class.
type note struct {
	id     ID
	offset uint64
	class  uint32
}

// Sizes of a book, in notes and bytes.
const (
	pageNotes = 128
	noteBytes = 32
	pageBytes = pageNotes * noteBytes
	minIndex  = 2 * pageNotes
	placeSize = 4 // bytes of a place in the index
)

type page [pageNotes]note

// book holds notes in the order in which they were made, and finds them by class and id. It grows as long as its pool has
// memory; then each new note takes the place of the oldest. It is not safe for concurrent use.
type book struct {
	pool    *pool
	pages   []*page  // a ring
	oldest  int      // its place in the ring
	n       int      // notes
	index   []uint32 // places, plus 1, by hash: a power of two, with linear probing; 0 is free
	evicted func(note)
}

// at is the note at a place.
func (b *book) at(place int) *note { return &b.pages[place/pageNotes][place%pageNotes] }

// place is that of the i-th note, the oldest first.
func (b *book) place(i int) int { return (b.oldest + i) % (len(b.pages) * pageNotes) }

// home is where the index would have a note at best. Ids are as good as random to anybody outside.
func (b *book) home(class uint32, id *ID) int {
	return int(binary.LittleEndian.Uint64(id[:])^uint64(class)*0x9e3779b97f4a7c15) & (len(b.index) - 1)
}

// find returns a class's note of a certificate, nil if there is none.
func (b *book) find(class uint32, id *ID) *note {
	if b.n == 0 {
		return nil
	}
	for i := b.home(class, id); b.index[i] != 0; i = (i + 1) & (len(b.index) - 1) {
		if n := b.at(int(b.index[i] - 1)); n.class == class && n.id == *id {
			return n
		}
	}
	return nil
}

// add makes a note of what is not in the book yet.
func (b *book) add(n note) {
	if !b.makeRoom() {
		return
	}
	place := b.place(b.n)
	*b.at(place) = n
	b.n++
	b.enter(place)
}

// makeRoom sees to it that there is a place, and room in the index. It returns false when there is no memory for any.
func (b *book) makeRoom() bool {
	full := b.n == len(b.pages)*pageNotes
	// A ring that has gone round stays as it is: a page more would come between its end and its begin.
	if full && b.oldest == 0 && b.pool.take(pageBytes) {
		b.pages = append(b.pages, new(page))
		full = false
	}
	if !full && 4*(b.n+1) > 3*len(b.index) && !b.growIndex() {
		full = true
	}
	if full && b.n > 0 {
		b.forget()
		return true
	}
	return !full
}

func (b *book) growIndex() bool {
	size := max(minIndex, 2*len(b.index))
	if !b.pool.take(placeSize * size) {
		return false
	}
	b.pool.give(placeSize * len(b.index))
	b.index = make([]uint32, size)
	for i := range b.n {
		b.enter(b.place(i))
	}
	return true
}

// enter puts a place into the index.
func (b *book) enter(place int) {
	n := b.at(place)
	i := b.home(n.class, &n.id)
	for b.index[i] != 0 {
		i = (i + 1) & (len(b.index) - 1)
	}
	b.index[i] = uint32(place + 1)
}

// forget takes out the oldest note.
func (b *book) forget() {
	n := b.at(b.oldest)
	mask := len(b.index) - 1
	free := b.home(n.class, &n.id)
	for b.index[free] != uint32(b.oldest+1) {
		free = (free + 1) & mask
	}
	// What was put further along because of this one moves up (Knuth, TAOCP 6.4, algorithm R).
	for i := (free + 1) & mask; b.index[i] != 0; i = (i + 1) & mask {
		moved := b.at(int(b.index[i] - 1))
		if home := b.home(moved.class, &moved.id); (i-home)&mask >= (i-free)&mask {
			b.index[free] = b.index[i]
			free = i
		}
	}
	b.index[free] = 0
	b.oldest = (b.oldest + 1) % (len(b.pages) * pageNotes)
	b.n--
	if b.evicted != nil {
		b.evicted(*n)
	}
}

// size is the memory that the book has taken from its pool.
func (b *book) size() int { return len(b.pages)*pageBytes + len(b.index)*placeSize }

// close gives the book's memory back.
func (b *book) close() {
	b.pool.give(b.size())
	*b = book{pool: b.pool, evicted: b.evicted}
}
