package filter

import (
	"encoding/binary"
	"slices"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// newClass opens a class with deduplication in a set.
func newClass(t testing.TB, s *Set, q Query) *Class {
	t.Helper()
	q.Dedup = On
	f, err := Compile(q, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s.Add(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tbsOf(certificate int) (tbs [32]byte) {
	binary.LittleEndian.PutUint64(tbs[8:], uint64(certificate))
	return tbs
}

func TestDecide(t *testing.T) {
	s := NewSet(DefaultOptions())
	m, c := s.Memory(), newClass(t, s, Query{})
	one, two := m.ID(tbsOf(1)), m.ID(tbsOf(2))
	for i, step := range []struct {
		id           ID
		offset, kept uint64
		prior        uint64
		send         bool
		join         uint64 // before it
	}{
		{id: one, offset: 5, send: true},
		{id: two, offset: 6, send: true},
		{id: one, offset: 7, prior: 5},
		{id: one, offset: 8, prior: 7},
		{id: one, offset: 10, prior: 8, send: true, join: 9}, // somebody has come who has not had it
		{id: one, offset: 11, prior: 10},                     // now everybody has
		{id: two, offset: 12, prior: 6, send: true},
		{id: two, offset: 13, prior: 12, send: true, join: 12}, // what is at 12 is not after 12
		{id: two, offset: 14, prior: 13, join: 3},              // somebody who goes back has it before him
		{id: two, offset: 20, kept: 13, prior: 14},
		{id: two, offset: 30, kept: 20, send: true}, // the copy at 20 cannot be read again
		{id: two, offset: 31, kept: 20, prior: 30},
	} {
		if step.join > 0 {
			m.Once(c, step.join)
		}
		prior, send := m.Decide(c, step.id, step.offset, step.kept)
		if prior != step.prior || send != step.send {
			t.Errorf("step %d, offset %d: after %d, %v; want %d, %v", i, step.offset, prior, send, step.prior, step.send)
		}
	}
	other := newClass(t, s, Query{Suffix: Values{"example.org"}})
	if prior, send := m.Decide(other, one, 40, 0); prior != 0 || !send {
		t.Error("one class knows what another was sent")
	}
	got := m.Stats()
	want := MemoryStats{Classes: 2, Certificates: 3, Bytes: got.Bytes, MaxBytes: DefaultMemory,
		Suppressed: 6, Repeated: 3, Expired: 1}
	if got != want {
		t.Errorf("stats: %+v, want %+v", got, want)
	}
}

// TestMemoryIsGivenBack: what a class remembers goes with it.
func TestMemoryIsGivenBack(t *testing.T) {
	s := NewSet(DefaultOptions())
	m := s.Memory()
	a, b := newClass(t, s, Query{}), newClass(t, s, Query{Domain: Values{"b"}})
	for i := range 3000 {
		m.Decide(a, m.ID(tbsOf(i)), uint64(i+1), 0)
		if i%10 == 0 {
			m.Decide(b, m.ID(tbsOf(i)), uint64(i+1), 0)
		}
	}
	full := m.Stats()
	if full.Certificates != 3300 || full.Bytes < 3300*noteBytes || full.Bytes > 3300*48 {
		t.Errorf("%+v", full)
	}
	s.Remove(a)
	if got := m.Stats(); got.Certificates != 300 || got.Bytes > full.Bytes/5 {
		t.Errorf("after a class has gone: %+v", got)
	}
	if _, send := m.Decide(a, m.ID(tbsOf(1)), 5000, 0); !send {
		t.Error("a class that has gone still decides")
	}
	if prior, _ := m.Decide(b, m.ID(tbsOf(2990)), 5001, 0); prior != 2991 {
		t.Errorf("the other class has forgotten: %d", prior)
	}
	s.Remove(b)
	if got := m.Stats(); got.Certificates != 0 || got.Bytes != 0 || got.Classes != 0 {
		t.Errorf("after the last: %+v", got)
	}
}

// TestMemoryIsBounded fills the memory, and changes its bound while it is full: the newest are known, the oldest forgotten.
func TestMemoryIsBounded(t *testing.T) {
	s := NewSet(Options{MemoryBytes: 1 << 20})
	m, c := s.Memory(), newClass(t, s, Query{})
	const n = 100000
	for i := range n {
		m.Decide(c, m.ID(tbsOf(i)), uint64(i+1), 0)
	}
	for _, bound := range []int{1 << 20, 256 << 10, 2 << 20} {
		s.Update(Options{MemoryBytes: bound})
		got := m.Stats()
		if got.Bytes > bound || got.MaxBytes != bound || got.Certificates == 0 || got.Certificates > bound/noteBytes {
			t.Fatalf("%+v", got)
		}
		for i := n - 1; i >= 0; i-- {
			id := m.ID(tbsOf(i))
			if known := m.between(c, &id, 0, n+1) > 0; known != (n-i <= got.Certificates) {
				t.Fatalf("of %d certificates, that %d before the last: known: %v", got.Certificates, n-i, known)
			}
		}
		if want := uint64(n - got.Certificates); got.Forgotten != want {
			t.Errorf("%d forgotten, %d counted", want, got.Forgotten)
		}
	}
	before := m.Stats().Certificates
	for i := range n {
		m.Decide(c, m.ID(tbsOf(n+i)), uint64(n+i+1), 0)
	}
	if after := m.Stats().Certificates; after < 2*before {
		t.Errorf("with more memory %d are remembered, with less %d", after, before)
	}
	if noteBytes != unsafe.Sizeof(note{}) {
		t.Errorf("a note takes %d bytes", unsafe.Sizeof(note{}))
	}
}

// TestBookAgainstModel makes notes at random in a book of little memory and compares with a list.
func TestBookAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pool{}
		p.max.Store(int64(rapid.IntRange(0, 5*pageBytes).Draw(t, "bytes")))
		var forgotten, model []note
		b := &book{pool: p, evicted: func(n note) { forgotten = append(forgotten, n) }}
		for i := range rapid.IntRange(0, 1500).Draw(t, "notes") {
			n := note{offset: uint64(i), class: uint32(i % 3)}
			// Ids that collide in the index, as real ones hardly do.
			binary.LittleEndian.PutUint64(n.id[:], uint64(rapid.IntRange(0, 40).Draw(t, "home")))
			binary.LittleEndian.PutUint64(n.id[8:], uint64(i))
			b.add(n)
			model = append(model, n)
			if p.used.Load() > p.max.Load() {
				t.Fatalf("%d bytes of %d", p.used.Load(), p.max.Load())
			}
			if b.n > 0 && rapid.IntRange(0, 99).Draw(t, "forget") == 0 {
				b.forget()
			}
		}
		if b.n == 0 {
			model = nil
		}
		if b.size() == 0 && len(model) > 0 {
			t.Fatal("notes without memory")
		}
		kept := model[len(model)-b.n:]
		if !slices.Equal(forgotten, model[:len(model)-b.n]) && b.n > 0 {
			t.Fatalf("%d forgotten of %d are not the oldest", len(forgotten), len(model))
		}
		for i, n := range kept {
			if *b.at(b.place(i)) != n || b.find(n.class, &n.id) == nil || *b.find(n.class, &n.id) != n {
				t.Fatalf("note %d of %d is lost", i, len(kept))
			}
			if b.find(n.class+3, &n.id) != nil {
				t.Fatal("found for another class")
			}
		}
		for _, n := range forgotten {
			if b.find(n.class, &n.id) != nil {
				t.Fatal("forgotten and found")
			}
		}
		b.close()
		if p.used.Load() != 0 {
			t.Fatalf("%d bytes are not given back", p.used.Load())
		}
	})
}

// TestOnce is one client that is caught up.
func TestOnce(t *testing.T) {
	s := NewSet(DefaultOptions())
	m, c := s.Memory(), newClass(t, s, Query{})
	one, two, three := m.ID(tbsOf(1)), m.ID(tbsOf(2)), m.ID(tbsOf(3))
	m.Decide(c, two, 50, 0)
	o := m.Once(c, 10)
	for i, step := range []struct {
		id     ID
		offset uint64
		kept   uint64
		has    bool
	}{
		{one, 11, 0, false},
		{one, 12, 0, true},
		{one, 11, 0, false}, // it could not be sent, and is made again
		{one, 12, 0, true},
		{two, 40, 0, false}, // the copy that the class knows of is later
		{two, 50, 0, true},
		{two, 60, 0, true},
		{three, 61, 0, false},
	} {
		if has := o.Has(step.id, step.offset, step.kept); has != step.has {
			t.Errorf("step %d: at %d the client has it: %v", i, step.offset, has)
		}
	}
	if used := m.Stats().Bytes; used <= m.book.size() {
		t.Errorf("%d bytes", used)
	}
	if !o.Tell() || m.Once(c, 10).Tell() {
		t.Error("what there is to tell")
	}
	o.Close()
	if prior, send := m.Decide(c, three, 70, 0); prior != 61 || send {
		t.Errorf("what the client was sent on its way is not known: %d, %v", prior, send)
	}
	if used := m.Stats().Bytes; used != m.book.size() {
		t.Errorf("%d bytes are left", used-m.book.size())
	}
	late := m.Once(c, 55)
	if late.Has(two, 60, 0) {
		t.Error("a client that began at 55 has not had what was at 50")
	}
	if !m.Once(c, 45).Has(two, 60, 0) || m.Once(c, 45).Has(two, 60, 50) {
		t.Error("the copy at 50 counts as long as it is kept")
	}
	late.Close()
	late.Close()
}

// TestOnceIsBounded: no replay takes more than its share, and without memory none is refused.
func TestOnceIsBounded(t *testing.T) {
	s := NewSet(Options{MemoryBytes: 1 << 20})
	m, c := s.Memory(), newClass(t, s, Query{})
	var all []*Once
	for range 40 {
		o := m.Once(c, 0)
		for i := range 3000 {
			if o.Has(m.ID(tbsOf(i)), uint64(i+1), 0) {
				t.Fatal("a certificate that was not there")
			}
		}
		all = append(all, o)
	}
	if used := int(m.replays.used.Load()); used > 256<<10 || used < 128<<10 {
		t.Errorf("%d bytes", used)
	}
	if o := all[0]; !o.Has(m.ID(tbsOf(2999)), 5000, 0) || o.book.size() > 40<<10 {
		t.Errorf("the last is not known, or %d bytes", o.book.size())
	}
	for _, o := range all {
		o.Close()
	}
	if used := m.replays.used.Load(); used != 0 {
		t.Errorf("%d bytes are left", used)
	}
}
