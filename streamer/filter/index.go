package filter

import (
	"slices"
	"time"
)

// use is a class's interest in a pattern or suffix: what it means for the class when that matches.
type use struct {
	slot  int
	field field
}

// node is a pattern that one or more classes share. It is evaluated once for each text.
type node struct {
	pattern *pattern
	id      int
	uses    []use
}

// The kinds of text that patterns look at.
const (
	domainText = iota
	issuerText
	sourceText
	textKinds
)

func (f field) kind() int {
	switch f {
	case issuerField, excludeIssuerField:
		return issuerText
	case sourceField:
		return sourceText
	}
	return domainText
}

// textIndex holds the patterns over one kind of text.
type textIndex struct {
	nodes map[string]*node
	grams gramIndex
	// others are the nodes whose patterns have no factors: they are tried on every text.
	others []*node
}

// index evaluates all classes together. It is not safe for concurrent changes.
type index struct {
	kinds    [textKinds]textIndex
	suffixes map[string][]use
	longest  int // length of the longest suffix there ever was
	slots    table[*Class]
	nodes    table[*node]
	// unconditional are the classes that match unless an exclude does.
	unconditional []*Class
}

func newIndex() *index {
	x := &index{suffixes: map[string][]use{}}
	for i := range x.kinds {
		x.kinds[i].nodes = map[string]*node{}
	}
	return x
}

func (x *index) add(c *Class) {
	c.slot = x.slots.add(c)
	f := c.filter
	for _, clause := range f.clauses {
		for _, p := range clause.patterns {
			x.addPattern(p, use{c.slot, clause.field})
		}
	}
	for _, suffix := range f.suffixes {
		x.suffixes[suffix] = append(x.suffixes[suffix], use{c.slot, suffixField})
		x.longest = max(x.longest, len(suffix))
	}
	if f.needs == 0 {
		x.unconditional = append(x.unconditional, c)
	}
}

func (x *index) addPattern(p *pattern, u use) {
	texts := &x.kinds[u.field.kind()]
	n := texts.nodes[p.key]
	if n == nil {
		n = &node{pattern: p}
		n.id = x.nodes.add(n)
		texts.nodes[p.key] = n
		for _, factor := range p.factors {
			texts.grams.add(factor, n)
		}
		if len(p.factors) == 0 {
			texts.others = append(texts.others, n)
		}
	}
	n.uses = append(n.uses, u)
}

func (x *index) remove(c *Class) {
	f := c.filter
	for _, clause := range f.clauses {
		for _, p := range clause.patterns {
			x.removePattern(p, use{c.slot, clause.field})
		}
	}
	for _, suffix := range f.suffixes {
		if x.suffixes[suffix] = without(x.suffixes[suffix], use{c.slot, suffixField}); len(x.suffixes[suffix]) == 0 {
			delete(x.suffixes, suffix)
		}
	}
	x.unconditional = without(x.unconditional, c)
	x.slots.remove(c.slot)
}

func (x *index) removePattern(p *pattern, u use) {
	texts := &x.kinds[u.field.kind()]
	n := texts.nodes[p.key]
	if n.uses = without(n.uses, u); len(n.uses) > 0 {
		return
	}
	delete(texts.nodes, p.key)
	for _, factor := range n.pattern.factors {
		texts.grams.remove(factor, n)
	}
	texts.others = without(texts.others, n)
	x.nodes.remove(n.id)
}

// without takes one value out of a list, whose order may change.
func without[T comparable](list []T, value T) []T {
	i := slices.Index(list, value)
	if i < 0 {
		return list
	}
	last := len(list) - 1
	var zero T
	list[i], list[last] = list[last], zero
	return list[:last]
}

// table gives small numbers to things, and gives them again.
type table[T any] struct {
	items []T
	free  []int
}

func (t *table[T]) add(item T) int {
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free, t.items[i] = t.free[:n-1], item
		return i
	}
	t.items = append(t.items, item)
	return len(t.items) - 1
}

func (t *table[T]) remove(i int) {
	var zero T
	t.items[i] = zero
	t.free = append(t.free, i)
}

// match is the state of one evaluation. It is used again for the next one.
type match struct {
	index *index
	// matched holds, by slot, the fields matched so far; touched are the slots with any.
	matched []field
	touched []int
	// text is the text being looked at, folded its folded form, number its number among those of this match's life.
	text, folded []byte
	number       uint64
	// seen holds, by node, the number of the last text it was tried on.
	seen []uint64
	// candidates are the regular expressions still to be tried.
	candidates []candidate
}

type candidate struct {
	node *node
	text []byte
}

// run evaluates all classes on a record, and returns the time spent in regular expressions.
func (m *match) run(x *index, s *Subject) time.Duration {
	m.reset(x)
	for _, name := range s.Domains {
		m.scan(domainText, name)
		if len(x.suffixes) > 0 {
			eachSuffix(m.folded, x.longest, m.suffix)
		}
	}
	m.scan(issuerText, s.Issuer)
	if s.Source != nil && len(x.kinds[sourceText].nodes) > 0 {
		for _, text := range [...]string{s.Source.Name, s.Source.Operator, s.Source.URL} {
			m.scan(sourceText, []byte(text))
		}
	}
	return m.tryCandidates()
}

func (m *match) reset(x *index) {
	m.index = x
	for _, slot := range m.touched {
		m.matched[slot] = 0
	}
	m.touched, m.candidates = m.touched[:0], m.candidates[:0]
	m.matched = grown(m.matched, len(x.slots.items))
	m.seen = grown(m.seen, len(x.nodes.items))
}

// grown makes a list at least n long.
func grown[T any](list []T, n int) []T {
	if len(list) >= n {
		return list
	}
	return append(list, make([]T, n-len(list))...)
}

func (m *match) scan(kind int, text []byte) {
	m.text, m.folded = text, appendFold(m.folded[:0], text)
	m.number++
	texts := &m.index.kinds[kind]
	if len(texts.nodes) == 0 {
		return
	}
	texts.grams.scan(m.folded, m.found)
	for _, n := range texts.others {
		m.found(n)
	}
}

// found is told that the text may match a node's pattern.
func (m *match) found(n *node) {
	if m.seen[n.id] == m.number {
		return
	}
	m.seen[n.id] = m.number
	switch {
	case n.pattern.re != nil:
		m.candidates = append(m.candidates, candidate{n, m.text})
	case n.pattern.literal() || matchGlob(n.pattern.glob, m.folded):
		m.mark(n.uses)
	}
}

func (m *match) suffix(suffix []byte) bool {
	m.mark(m.index.suffixes[string(suffix)])
	return true
}

func (m *match) mark(uses []use) {
	for _, u := range uses {
		if m.matched[u.slot] == 0 {
			m.touched = append(m.touched, u.slot)
		}
		m.matched[u.slot] |= u.field
	}
}

// tryCandidates runs the regular expressions whose result can still change something.
func (m *match) tryCandidates() time.Duration {
	if len(m.candidates) == 0 {
		return 0
	}
	begin := time.Now()
	for _, c := range m.candidates {
		if slices.ContainsFunc(c.node.uses, m.open) && c.node.pattern.re.Match(c.text) {
			m.mark(c.node.uses)
		}
	}
	clear(m.candidates) // the texts are borrowed
	return time.Since(begin)
}

// open says whether a class may still change its mind by this use.
func (m *match) open(u use) bool {
	f, matched := m.index.slots.items[u.slot].filter, m.matched[u.slot]
	switch {
	case matched&excludes != 0 || matched&u.field != 0:
		return false
	case f.any:
		return u.field&excludes != 0 || matched == 0
	}
	// Fields without regular expressions are decided by now.
	return f.plain&^matched == 0
}

// appendMatching adds the classes that match.
func (m *match) appendMatching(dst []*Class) []*Class {
	for _, slot := range m.touched {
		if c := m.index.slots.items[slot]; c.filter.needs != 0 && c.filter.decide(m.matched[slot]) {
			dst = append(dst, c)
		}
	}
	for _, c := range m.index.unconditional {
		if c.filter.decide(m.matched[c.slot]) {
			dst = append(dst, c)
		}
	}
	return dst
}
