package loglist

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBounds holds that a giant list costs no more than is allowed: its logs and its warnings are capped.
func TestBounds(t *testing.T) {
	bad := make([]entry, 500)
	for i := range bad {
		bad[i] = entry{"description": strings.Repeat("x", 1000)}
	}
	list, err := Parse(listOf(t, 1, append(bad, newEntry(t, "good"))...))
	if err != nil || len(list.Logs) != 1 || len(list.Warnings) != maxWarnings || len(list.Warnings[0]) > 300 {
		t.Errorf("%d logs, %d warnings, %v", len(list.Logs), len(list.Warnings), err)
	}

	p := &parser{list: &List{Logs: make([]Log, maxLogs)}, seen: map[[32]byte]bool{}}
	raw, err := json.Marshal(newEntry(t, "one too many"))
	if err != nil {
		t.Fatal(err)
	}
	p.log("Example", RFC6962, raw)
	if len(p.list.Logs) != maxLogs || !strings.Contains(strings.Join(p.list.Warnings, ""), "only the first 10000") {
		t.Errorf("%d logs, warnings %q", len(p.list.Logs), p.list.Warnings)
	}
}

// TestConcurrentUse is for the race detector: options change and are read while lists come in.
func TestConcurrentUse(t *testing.T) {
	b := newBench(t)
	b.opts.Refresh = time.Millisecond
	b.put(t, testURL, listOf(t, 1, newEntry(t, "one")))
	m := New(b.opts, b.deps)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for worker := range 3 {
		all.Go(func() {
			for i := range 50 {
				o := b.opts
				o.Selection.Exclude = []string{fmt.Sprintf("%d-%d", worker, i)}
				if i%10 == 9 {
					o.Sources = append(o.Sources, Source{Name: "custom", URL: filepath.Join(b.deps.Dir, "none.json")})
				}
				m.Update(o)
				m.Current().Followed()
				m.Status()
			}
		})
	}
	now := m.Current()
	for len(now.Followed()) == 0 {
		<-now.Changed
		now = m.Current()
	}
	cancel()
	all.Wait()
	m.Update(b.opts)
	if got := followed(m); got != "one" {
		t.Errorf("follows %q in the end", got)
	}
}
