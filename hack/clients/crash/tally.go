package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"sync"
)

// tally counts what a client prints.
type tally struct {
	mu   sync.Mutex
	rest []byte
	logs map[string]*seen
}

// seen is what came of a log.
type seen struct {
	times       map[uint64]int
	first, last uint64
	// disordered counts entries that came for the first time after one with a higher index.
	disordered int
}

var line = regexp.MustCompile(`^(https?://\S+) (\d+)(\s|$)`)

// Write takes the client's output.
func (t *tally) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest = append(t.rest, b...)
	for {
		text, rest, whole := bytes.Cut(t.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		t.note(string(text))
		t.rest = rest
	}
}

// cut forgets the beginning of a line: the client was killed within it.
func (t *tally) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest = nil
}

func (t *tally) note(text string) {
	m := line.FindStringSubmatch(text)
	if m == nil {
		return
	}
	index, err := strconv.ParseUint(m[2], 10, 64)
	if err != nil {
		return
	}
	s := t.logs[m[1]]
	if s == nil {
		s = &seen{times: map[uint64]int{}, first: index, last: index}
		t.logs[m[1]] = s
	}
	if index < s.first {
		return // from before the client came: a server that is killed before its first checkpoint begins anew
	}
	if s.times[index]++; s.times[index] == 1 && index < s.last {
		s.disordered++
	}
	s.last = max(s.last, index)
}

// count is how many different entries came.
func (t *tally) count() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.logs {
		n += len(s.times)
	}
	return n
}

// reached says that the last entry of a log has come.
func (t *tally) reached(log string, size uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.logs[log]
	return s != nil && s.times[size-1] > 0
}

func (t *tally) totals() (entries, missing, repeated, disordered int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.logs {
		entries += len(s.times)
		missing += int(s.last-s.first) + 1 - len(s.times)
		disordered += s.disordered
		for _, n := range s.times {
			repeated += n - 1
		}
	}
	return entries, missing, repeated, disordered
}

func (t *tally) summary() string {
	entries, missing, repeated, disordered := t.totals()
	return fmt.Sprintf("%d entries of %d logs: %d missing, %d out of order, %d repeated", entries, len(t.logs), missing, disordered, repeated)
}

// verdict is an error when something is missing or out of order. Entries may come again: what a server had not put into a
// checkpoint when it was killed, it reads again.
func (t *tally) verdict() error {
	if _, missing, _, disordered := t.totals(); missing > 0 || disordered > 0 {
		return fmt.Errorf("%d entries are missing, %d out of order", missing, disordered)
	}
	return nil
}
