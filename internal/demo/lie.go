package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// lieAfter is when the tiled log begins to lie: once its honest beginning has been read.
	lieAfter = 5 * time.Second
	// reread is how soon entries that do not match are read again: no cache is in between that would need longer.
	reread = 10 * time.Second
)

// lies are what the demo's tiled log can do, to rehearse the alarm.
var lies = map[string]func(*logs){
	"altered-entry": (*logs).alterEntry,
	"split-view":    (*logs).splitView,
}

// Lies are the names of the lies that Options.Lie takes.
func Lies() []string {
	var names []string
	for name := range lies {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func checkLie(name string) error {
	if _, ok := lies[name]; !ok && name != "" {
		return fmt.Errorf("lie %q: want one of %s", name, strings.Join(Lies(), ", "))
	}
	return nil
}

// lie has the tiled log lie once it has been read for a while.
func (l *logs) lie(ctx context.Context, name string) {
	timer := time.NewTimer(lieAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
		lies[name](l)
	case <-ctx.Done():
	}
}

// alterEntry serves another certificate than the one that the log is about to sign, for good.
func (l *logs) alterEntry() { l.static.Corrupt(l.static.Size(), l.source()) }

// splitView shows every other look at the tree head a second tree, which has the same beginning and another end.
func (l *logs) splitView() {
	fork := l.static.Fork(l.static.Size())
	fork.Append(l.source())
	fork.Publish()
	l.static.SplitView(fork)
}
