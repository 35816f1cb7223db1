package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// collector reads one stream over all crashes and holds what it gets against the logs.
type collector struct {
	wish
	name  string
	w     *world
	l     *ledger
	at    where
	rng   *rand.Rand
	habit habit
	fail  func(format string, args ...any)
	say   func(format string, args ...any)
	// rewinds says that a log may have served wrong entries, which the streamer sends again once it has found out.
	rewinds bool

	mu      sync.Mutex
	cursor  string
	offset  uint64
	logs    []received
	gaps    []gap
	stats   collected
	settled bool // no more naps: the end is near
	// again counts the repeats after the kill before the run that began at againFrom.
	again     int
	againFrom uint64
}

// habit is how a collector behaves; the zero value stays connected as long as it can.
type habit struct {
	// hopEvery is the mean number of messages after which it hangs up and comes back, napFor how long it may stay away.
	hopEvery int
	napFor   time.Duration
	// library reads with streamer/client.
	library bool
}

// received is what came of one log.
type received struct {
	offsets []uint64 // by index, of the last time it came; 0: never
	wrong   map[uint64]string
	index   uint64 // of the last message
	offset  uint64
	any     bool
}

// gap is a notice that entries are missing.
type gap struct {
	reason   string
	from, to uint64
	missed   uint64
	runs     int // that had ended when it came
}

// collected counts.
type collected struct {
	messages, repeats, connections int
	// mostRepeated is the largest number of repeats after one kill, oldestRepeat how long before the kill the oldest had come.
	mostRepeated int
	oldestRepeat time.Duration
	missed       uint64
	gaps         int
}

// message is what is read of one.
type message struct {
	Type   string          `json:"message_type"`
	Cursor string          `json:"cursor"`
	Data   json.RawMessage `json:"data"`
}

// certificate is what is read of a message's data.
type certificate struct {
	Index  uint64 `json:"cert_index"`
	Source struct {
		Name string `json:"name"`
	} `json:"source"`
	Leaf struct {
		Domains []string `json:"all_domains"`
		SHA256  string   `json:"sha256"`
		DER     string   `json:"as_der"`
	} `json:"leaf_cert"`
}

// gapData is what is read of a gap notice.
type gapData struct {
	Reason string  `json:"reason"`
	Missed *uint64 `json:"missed"`
	From   string  `json:"from"`
	To     string  `json:"to"`
}

// newCollector makes a collector that begins at the stream's head.
func newCollector(p plan, w *world, l *ledger, at where, seed uint64) *collector {
	c := &collector{wish: p.wish, habit: p.habit, name: p.protocol + " " + p.kind, w: w, l: l, at: at, rng: newRand(seed, 2)}
	if p.filtered {
		c.name += " filtered"
	}
	if p.library {
		c.name += " (streamer/client)"
	}
	if p.napFor > 5*time.Second {
		c.name += " (often away)"
	}
	for range w.logs {
		c.logs = append(c.logs, received{wrong: map[uint64]string{}})
	}
	return c
}

// run connects, reads and comes back until ctx ends.
func (c *collector) run(ctx context.Context) {
	if c.habit.library {
		c.runLibrary(ctx)
		return
	}
	for ctx.Err() == nil {
		s, err := dial(ctx, c.at, c.wish, c.position())
		if errors.Is(err, errRefused) {
			c.fail("%s: %v", c.name, err)
			return
		}
		if err != nil {
			pause(ctx, time.Duration(10+c.rng.IntN(40))*time.Millisecond)
			continue
		}
		c.read(ctx, s)
		c.nap(ctx)
	}
}

// read takes messages until the connection ends, or the collector has had enough.
func (c *collector) read(ctx context.Context, s stream) {
	stop := context.AfterFunc(ctx, s.close)
	defer stop()
	defer s.close()
	c.mu.Lock()
	c.stats.connections++
	c.mu.Unlock()
	left := -1
	if c.habit.hopEvery > 0 {
		left = 1 + c.rng.IntN(2*c.habit.hopEvery)
	}
	for ; left != 0; left-- {
		text, id, err := s.next()
		if err != nil {
			return
		}
		var m message
		if err := json.Unmarshal(text, &m); err != nil {
			c.fail("%s: %v in %.200s", c.name, err, text)
			return
		}
		if m.Type == "error" {
			return // TCP's refusal while the streamer starts or stops
		}
		if id != "" && m.Cursor != "" && id != m.Cursor {
			c.fail("%s: id %s on a message with cursor %s", c.name, id, m.Cursor)
		}
		if err := c.take(m); err != nil {
			c.fail("%s: %v", c.name, err)
			return
		}
	}
}

// nap stays away for a while.
func (c *collector) nap(ctx context.Context) {
	if c.habit.napFor == 0 {
		return
	}
	for end := time.Now().Add(time.Duration(c.rng.Int64N(int64(c.habit.napFor)))); time.Now().Before(end) && !c.isSettled(); {
		if !pause(ctx, min(time.Until(end), 100*time.Millisecond)) {
			return
		}
	}
}

func (c *collector) isSettled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settled
}

func (c *collector) position() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cursor
}

// reached says whether everything up to an offset has been evaluated for the collector.
func (c *collector) reached(offset uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset >= offset
}

// take judges a message.
func (c *collector) take(m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.messages++
	if m.Type == "gap" {
		return c.takeGap(m)
	}
	epoch, offset, err := splitCursor(m.Cursor)
	if err != nil {
		return err
	}
	var r *ref
	switch {
	case m.Type == "heartbeat" && offset >= c.offset:
	case offset <= c.offset:
		return fmt.Errorf("a %s at %s after %s: offsets must increase", m.Type, m.Cursor, c.cursor)
	case m.Type == "dns_entries":
		r, err = c.takeNames(m, offset)
	case m.Type == "certificate_update":
		r, err = c.takeCertificate(m, offset)
	}
	if err == nil {
		err = c.l.note(epoch, offset, r)
	}
	c.cursor, c.offset = m.Cursor, offset
	return err
}

// takeNames finds out which entry names are of.
func (c *collector) takeNames(m message, offset uint64) (*ref, error) {
	var names []string
	if err := json.Unmarshal(m.Data, &names); err != nil || len(names) == 0 {
		return nil, fmt.Errorf("names %.200s: %w", m.Data, err)
	}
	r, ok := c.w.find(names[0])
	if !ok && c.rewinds {
		return nil, nil // an entry that a log served wrongly
	}
	if !ok {
		return nil, fmt.Errorf("a name that is in no log: %v", names)
	}
	if err := c.count(r, offset); err != nil || c.rewinds {
		return nil, err // a log that serves an entry in another's place has names come at the wrong offsets
	}
	return &r, nil
}

// takeCertificate holds a certificate against the log that it is said to be from.
func (c *collector) takeCertificate(m message, offset uint64) (*ref, error) {
	var d certificate
	if err := json.Unmarshal(m.Data, &d); err != nil {
		return nil, fmt.Errorf("certificate %.200s: %w", m.Data, err)
	}
	i := slices.IndexFunc(c.w.logs, func(g *growing) bool { return g.Name() == d.Source.Name })
	if i < 0 {
		return nil, fmt.Errorf("a certificate of log %q", d.Source.Name)
	}
	r := ref{i, d.Index}
	t, ok := c.w.logs[i].at(d.Index)
	if !ok {
		return nil, fmt.Errorf("%v does not exist yet", r)
	}
	if err := c.count(r, offset); err != nil {
		return nil, err
	}
	wrong := d.differs(t)
	if wrong == "" || !c.wants(t) { // what a filter let through by mistake is not put right
		delete(c.logs[i].wrong, d.Index)
		return &r, nil
	}
	if !c.rewinds {
		return nil, fmt.Errorf("%v: %s", r, wrong)
	}
	c.logs[i].wrong[d.Index] = wrong
	return &r, nil
}

// differs says in what a message is not what the log holds.
func (d *certificate) differs(t truth) string {
	switch {
	case t.opaque:
		return ""
	case strings.ReplaceAll(d.Leaf.SHA256, ":", "") != strings.ToUpper(hex.EncodeToString(t.sum[:])):
		return fmt.Sprintf("certificate %s, the log holds %X", d.Leaf.SHA256, t.sum)
	case t.name != "" && !slices.Contains(d.Leaf.Domains, t.name):
		return fmt.Sprintf("names %v, the log holds %s", d.Leaf.Domains, t.name)
	}
	if d.Leaf.DER == "" {
		return ""
	}
	if der, err := base64.StdEncoding.DecodeString(d.Leaf.DER); err != nil || sha256.Sum256(der) != t.sum {
		return "as_der is not the log's certificate"
	}
	return ""
}

// count notes that an entry has come, and whether it may come now.
func (c *collector) count(r ref, offset uint64) error {
	got := &c.logs[r.log]
	if n := int(r.index) + 1; n > len(got.offsets) {
		got.offsets = append(got.offsets, make([]uint64, n-len(got.offsets))...)
	}
	before := got.offsets[r.index]
	if before > 0 {
		c.stats.repeats++
	}
	if err := c.mayRepeat(r, before, offset); err != nil {
		return err
	}
	if got.any && r.index <= got.index && !c.rewinds && !c.l.crashedBetween(got.offset, offset) {
		return fmt.Errorf("%v at offset %d after entry %d of that log at %d, without a kill in between", r, offset, got.index, got.offset)
	}
	got.offsets[r.index], got.index, got.offset, got.any = offset, r.index, offset, true
	return nil
}

// mayRepeat: an entry comes again only if a kill came after it, and the checkpoint that it went back to had not got that far.
func (c *collector) mayRepeat(r ref, before, offset uint64) error {
	if before == 0 || c.rewinds {
		return nil
	}
	id := c.w.logs[r.log].ID()
	crash, ok := c.l.repeated(hex.EncodeToString(id[:]), r.index, before, offset)
	if !ok {
		return fmt.Errorf("%v at offset %d came before, at %d, and no checkpoint that a kill went back to was behind it", r, offset, before)
	}
	if c.againFrom != crash.first {
		c.again, c.againFrom = 0, crash.first
	}
	c.again++
	c.stats.mostRepeated = max(c.stats.mostRepeated, c.again)
	c.stats.oldestRepeat = max(c.stats.oldestRepeat, crash.at.Sub(c.l.sighted(before)))
	return nil
}

// takeGap holds a gap against what others got in its place.
func (c *collector) takeGap(m message) error {
	var d gapData
	if err := json.Unmarshal(m.Data, &d); err != nil {
		return fmt.Errorf("gap %s: %w", m.Data, err)
	}
	epoch, from, err := splitCursor(d.From)
	_, to, errTo := splitCursor(d.To)
	if err != nil || errTo != nil || d.Missed == nil {
		return fmt.Errorf("a gap without bounds: %s", m.Data)
	}
	if from < c.offset || to <= from {
		return fmt.Errorf("a gap from %d to %d at offset %d", from, to, c.offset)
	}
	c.say("%s: a gap (%s) from %d to %d of %d", c.name, d.Reason, from, to, *d.Missed)
	if d.Reason == "segment" {
		return fmt.Errorf("a gap of entries that retention should have: %s", m.Data) // a kill leaves the disk whole
	}
	c.gaps = append(c.gaps, gap{d.Reason, from, to, *d.Missed, c.l.runs()})
	c.stats.gaps++
	c.stats.missed += *d.Missed
	c.cursor, c.offset = d.To, to
	return c.l.note(epoch, to, nil)
}

// wants says whether an entry belongs to the collector's stream.
func (c *collector) wants(t truth) bool {
	return (c.kind != "domains" || t.name != "") && (!c.filtered || t.wanted)
}

// judge says what is missing at the end, and whether each gap said exactly what was missing.
func (c *collector) judge() (missing int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.l.offsets()
	for _, g := range c.gaps {
		if n := c.l.live(known, g.from, g.to, g.runs); n != g.missed {
			c.fail("%s: a gap (%s) from %d to %d of %d, others got %d entries there", c.name, g.reason, g.from, g.to, g.missed, n)
		}
	}
	where := c.l.places(c.w)
	for i, l := range c.w.logs {
		for index := range l.Size() {
			t, _ := l.at(index)
			if !c.wants(t) || index < uint64(len(c.logs[i].offsets)) && c.logs[i].offsets[index] > 0 {
				continue
			}
			if at := where[i][index]; at == 0 || !slices.ContainsFunc(c.gaps, func(g gap) bool { return g.from < at && at <= g.to }) {
				missing++
				c.fail("%s: %v is missing; others got it at offset %d; gaps %v", c.name, ref{i, index}, at, c.gaps)
			}
		}
		for index, wrong := range c.logs[i].wrong {
			c.fail("%s: %v was never put right: %s", c.name, ref{i, index}, wrong)
		}
	}
	return missing
}

// places gives the last offset of each entry.
func (l *ledger) places(w *world) [][]uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	where := make([][]uint64, len(w.logs))
	for i := range where {
		where[i] = make([]uint64, w.logs[i].Size())
	}
	for offset, s := range l.at {
		where[s.log][s.index] = max(where[s.log][s.index], offset)
	}
	return where
}
