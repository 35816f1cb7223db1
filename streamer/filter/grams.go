package filter

import "bytes"

// gramSize is the length of the pieces that texts are looked up by.
const gramSize = 4

// sieveBits is the logarithm of the sieve's size: 16 KiB, which stay in the first cache.
const sieveBits = 13

// gramIndex finds which of many texts occur in another. Each text is filed under one of its four-byte pieces (all of it when
// it is shorter), so that a scan costs one look at the sieve for each byte and length in use, however many texts there are;
// and unlike an automaton it changes at no cost when a filter comes or goes.
type gramIndex struct {
	lengths [gramSize]lengthIndex
}

// lengthIndex holds the texts filed under pieces of one length.
type lengthIndex struct {
	// sieve counts the pieces by hash: most that a scan looks up are not there, and need no look into the map.
	sieve []uint16
	files map[uint32][]filed
}

// filed is a text to be found, with what to do then.
type filed struct {
	text []byte
	// at is where in text the piece begins.
	at   int
	node *node
}

func sieveSlot(gram uint32) uint32 { return gram * 0x9e3779b1 >> (32 - sieveBits) }

func gramOf(text []byte) uint32 {
	var gram uint32
	for _, c := range text {
		gram = gram<<8 | uint32(c)
	}
	return gram
}

// add files a text, of at least one byte.
func (x *gramIndex) add(text []byte, n *node) {
	size := min(len(text), gramSize)
	l := &x.lengths[size-1]
	if l.files == nil {
		l.sieve, l.files = make([]uint16, 1<<sieveBits), map[uint32][]filed{}
	}
	gram, at := l.rarest(text, size)
	l.files[gram] = append(l.files[gram], filed{text, at, n})
	if slot := &l.sieve[sieveSlot(gram)]; *slot < 1<<16-1 {
		*slot++
	}
}

// rarest chooses the piece that the fewest texts are filed under. Of those the last counts less, since it is the end of a name.
func (l *lengthIndex) rarest(text []byte, size int) (gram uint32, at int) {
	least := -1
	for i := 0; i+size <= len(text); i++ {
		g := gramOf(text[i : i+size])
		if n := len(l.files[g]) + common(text[i:i+size]); least < 0 || n < least {
			least, gram, at = n, g, i
		}
	}
	return gram, at
}

// common is a handicap for the pieces that names are full of.
func common(piece []byte) int {
	for _, text := range []string{"www.", ".com", ".net", ".org", "http"} {
		if string(piece) == text {
			return 1 << 20
		}
	}
	return bytes.Count(piece, []byte("."))
}

// remove takes back what add filed.
func (x *gramIndex) remove(text []byte, n *node) {
	size := min(len(text), gramSize)
	l := &x.lengths[size-1]
	for i := 0; i+size <= len(text); i++ {
		gram := gramOf(text[i : i+size])
		for j, f := range l.files[gram] {
			if f.node == n && bytes.Equal(f.text, text) {
				l.drop(gram, j)
				return
			}
		}
	}
}

func (l *lengthIndex) drop(gram uint32, j int) {
	files := l.files[gram]
	last := len(files) - 1
	files[j], files[last] = files[last], filed{}
	if last == 0 {
		delete(l.files, gram)
	} else {
		l.files[gram] = files[:last]
	}
	// A count that has reached its end stays there: then the sieve lets too much through, which costs time but no match.
	if slot := &l.sieve[sieveSlot(gram)]; *slot < 1<<16-1 {
		*slot--
	}
	if len(l.files) == 0 {
		l.sieve, l.files = nil, nil
	}
}

// scan calls found for each filed text that occurs in folded, once for each occurrence of its piece.
func (x *gramIndex) scan(folded []byte, found func(n *node)) {
	for i := range x.lengths {
		if x.lengths[i].files != nil {
			x.lengths[i].scan(folded, i+1, found)
		}
	}
}

func (l *lengthIndex) scan(folded []byte, size int, found func(n *node)) {
	var gram uint32
	mask := uint32(1)<<(8*size) - 1
	if size == 4 {
		mask = ^uint32(0)
	}
	for i, c := range folded {
		gram = (gram<<8 | uint32(c)) & mask
		if i+1 < size || l.sieve[sieveSlot(gram)] == 0 {
			continue
		}
		for _, f := range l.files[gram] {
			begin := i + 1 - size - f.at
			if begin >= 0 && begin+len(f.text) <= len(folded) && bytes.Equal(folded[begin:begin+len(f.text)], f.text) {
				found(f.node)
			}
		}
	}
}
