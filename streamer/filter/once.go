package filter

// Once is what one client of a class with deduplication has been sent of late, while it is being caught up. It is for one
// goroutine at a time.
type Once struct {
	memory *Memory
	class  *Class
	after  uint64
	book   *book // nil before there is something to remember, and when the client has caught up
}

// keptReplayed is how many certificates a client that has caught up leaves to its class, so that copies of them that come live
// are known: the last ones.
const keptReplayed = 4096

// Once begins with a client that is given everything after an offset. The class sends again, from its next decision on, what that
// client may not have been sent.
func (m *Memory) Once(c *Class, after uint64) *Once {
	for floor := c.floor.Load(); floor < after && !c.floor.CompareAndSwap(floor, after); {
		floor = c.floor.Load()
	}
	return &Once{memory: m, class: c, after: after}
}

// After is the offset that the client began at.
func (o *Once) After() uint64 { return o.after }

// Has says whether the client has been sent a certificate before an entry of it at an offset, and remembers that it is now. The
// same offsets may come again, when what was made for them could not be sent; kept is as in Decide.
func (o *Once) Has(id ID, offset, kept uint64) bool {
	if o.book == nil {
		o.book = &book{pool: &o.memory.replays}
	}
	if n := o.book.find(0, &id); n != nil {
		sent := n.offset < offset
		n.offset = min(n.offset, offset)
		return sent
	}
	earlier := o.memory.between(o.class, &id, max(o.after, kept), offset)
	if 8*o.book.size() > int(o.memory.replays.max.Load()) && o.book.n > 0 { // the others' turn too
		o.book.forget()
	}
	if earlier > 0 {
		offset = earlier
	}
	o.book.add(note{id: id, offset: offset})
	return earlier > 0
}

// Tell leaves what the client was sent to its class, whose decisions from now on take it into account. It returns false when
// there is nothing to tell.
func (o *Once) Tell() bool {
	if o.book == nil {
		return false
	}
	m := o.memory
	for i := max(0, o.book.n-keptReplayed); i < o.book.n; i++ {
		n := o.book.at(o.book.place(i))
		m.mu.Lock()
		if m.book.find(o.class.number, &n.id) == nil { // else what it knows is newer
			m.learn(o.class, n.id, n.offset)
		}
		m.mu.Unlock()
	}
	return true
}

// Close gives the client's memory back.
func (o *Once) Close() {
	if o.book != nil {
		o.book.close()
		o.book = nil
	}
}
