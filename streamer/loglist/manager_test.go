package loglist

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRefresh holds that a list is looked at hourly, conditionally, and that what changes in it is followed without a restart.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		one, two := newEntry(t, "one"), newEntry(t, "two")
		b.put(t, testURL, listOf(t, 1, one))
		m := b.start(t)
		if got := followed(m); got != "one" {
			t.Fatalf("follows %q", got)
		}
		before := m.Current()

		pass(66 * time.Minute)
		if n := b.web.asked(testURL); n != 2 {
			t.Errorf("asked %d times in 66 minutes", n)
		}
		last := b.web.requests[len(b.web.requests)-1]
		if last.URL.String() != testURL || last.Header.Get("If-None-Match") == "" || last.Header.Get("If-Modified-Since") == "" ||
			last.Header.Get("User-Agent") != "test" {
			t.Errorf("the second request was %v %v", last.URL, last.Header)
		}
		if m.Current() != before || b.metric(t, "certstream_loglist_fetches_total", "outcome", "unchanged") != 1 {
			t.Error("an unchanged list was taken for a change")
		}

		b.put(t, testURL, listOf(t, 2, one.with("state", entry{"retired": entry{"timestamp": "2026-08-01T00:00:00Z"}}), two))
		pass(66 * time.Minute)
		select {
		case <-before.Changed:
		default:
			t.Error("nobody was told of the change")
		}
		if got := followed(m); got != "two" {
			t.Errorf("follows %q after one has retired", got)
		}
		if s := m.Status()[0]; s.Version != "1.2" || s.Signed != "the configured key" || s.Error != "" || s.FromDisk || s.Logs != 2 {
			t.Errorf("status: %+v", s)
		}
	})
}

// TestLastGoodListStays is row 40 of the failure catalogue: whatever is wrong with a new list, the last good one stays in
// force, a metric and the status say why, and the next good one is taken soon.
func TestLastGoodListStays(t *testing.T) {
	for name, tt := range map[string]struct {
		outcome string
		spoil   func(t *testing.T, b *bench)
	}{
		"bad signature": {outcomeSignature, func(t *testing.T, b *bench) {
			list := listOf(t, 2, newEntry(t, "evil"))
			b.web.change(func(w *web) { w.pages[testURL] = list })
		}},
		"half written": {outcomeMalformed, func(t *testing.T, b *bench) {
			list := listOf(t, 2, newEntry(t, "two"))
			b.put(t, testURL, list[:len(list)/2])
		}},
		"empty": {outcomeMalformed, func(t *testing.T, b *bench) { b.put(t, testURL, []byte{}) }},
		"no logs": {outcomeMalformed, func(t *testing.T, b *bench) {
			b.put(t, testURL, []byte(`{"version":"1.3","log_list_timestamp":"2026-08-20T13:03:00Z","operators":[]}`))
		}},
		"older":     {outcomeOlder, func(t *testing.T, b *bench) { b.put(t, testURL, listOf(t, 0, newEntry(t, "old"))) }},
		"too large": {outcomeTooLarge, func(t *testing.T, b *bench) { b.put(t, testURL, make([]byte, maxListBytes+1)) }},
		"HTML":      {outcomeMalformed, func(t *testing.T, b *bench) { b.put(t, testURL, []byte("<html>")) }},
		"status":    {outcomeStatus, func(_ *testing.T, b *bench) { b.web.change(func(w *web) { w.status = http.StatusBadGateway }) }},
		"no network": {outcomeError, func(_ *testing.T, b *bench) {
			b.web.change(func(w *web) { w.err = errors.New("no route to host") })
		}},
		"hangs": {outcomeError, func(_ *testing.T, b *bench) { b.web.change(func(w *web) { w.hang = true }) }},
		"no signature": {outcomeStatus, func(t *testing.T, b *bench) {
			list := listOf(t, 2, newEntry(t, "two"))
			b.web.change(func(w *web) {
				w.pages[testURL] = list
				delete(w.pages, "https://lists.example/v3/list.sig")
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.put(t, testURL, listOf(t, 1, newEntry(t, "one")))
				m := b.start(t)
				tt.spoil(t, b)
				pass(68 * time.Minute)
				s := m.Status()[0]
				if followed(m) != "one" || s.Outcome != tt.outcome || s.Error == "" || s.Version != "1.1" {
					t.Errorf("follows %q, status %+v", followed(m), s)
				}
				if b.metric(t, "certstream_loglist_stale", "source", "custom") != 1 ||
					b.metric(t, "certstream_loglist_fetches_total", "outcome", tt.outcome) == 0 {
					t.Error("no metric says so")
				}
				if !strings.Contains(b.log.String(), "the last good log list stays in force") {
					t.Errorf("the log says only: %s", b.log)
				}
				b.web.change(func(w *web) { w.status, w.err, w.hang = 0, nil, false })
				b.put(t, testURL, listOf(t, 3, newEntry(t, "three")))
				pass(7 * time.Minute)
				if s := m.Status()[0]; followed(m) != "three" || s.Error != "" || b.metric(t, "certstream_loglist_stale") != 0 {
					t.Errorf("afterwards follows %q, status %+v", followed(m), s)
				}
			})
		})
	}
}

// TestStartWithoutNetwork holds that the last good list is kept on disk and used, with its signature checked again.
func TestStartWithoutNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.put(t, testURL, listOf(t, 1, newEntry(t, "one")))
		b.start(t)
		b.web.change(func(w *web) { w.err = errors.New("no route to host") })

		m := New(b.opts, b.deps)
		if got := followed(m); got != "one" {
			t.Fatalf("follows %q before anything was fetched", got)
		}
		m = b.start(t)
		if s := m.Status()[0]; !s.FromDisk || s.Fetched.IsZero() || s.Error == "" || followed(m) != "one" {
			t.Errorf("status: %+v", s)
		}
		b.web.change(func(w *web) { w.err = nil })
		pass(10 * time.Second)
		if s := m.Status()[0]; s.FromDisk || s.Error != "" {
			t.Errorf("with the network back, unchanged: %+v", s)
		}
	})
}

// TestKeptListIsChecked holds that a list on disk that was tampered with, torn, or of another URL is not used.
func TestKeptListIsChecked(t *testing.T) {
	for name, spoil := range map[string]func(string) string{
		"tampered": func(s string) string { return strings.Replace(s, `"list":"ey`, `"list":"eX`, 1) },
		"torn":     func(s string) string { return s[:len(s)/2] },
		"another":  func(s string) string { return strings.Replace(s, "lists.example", "other.example", 1) },
		"empty":    func(string) string { return "" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.put(t, testURL, listOf(t, 1, newEntry(t, "one")))
				b.start(t)
				files, err := filepath.Glob(filepath.Join(b.deps.Dir, "loglist-custom-*.json"))
				if err != nil || len(files) != 1 {
					t.Fatalf("kept: %v, %v", files, err)
				}
				raw, err := os.ReadFile(files[0])
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(files[0], []byte(spoil(string(raw))), 0o600); err != nil {
					t.Fatal(err)
				}
				if m := New(b.opts, b.deps); followed(m) != "" || !strings.Contains(b.log.String(), "is not used") {
					t.Errorf("follows %q, log %s", followed(m), b.log)
				}
			})
		})
	}
}

// TestUnwritableState holds that a list is used though it cannot be kept, and that this is said.
func TestUnwritableState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		file := filepath.Join(b.deps.Dir, "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		b.deps.Dir = filepath.Join(file, "below")
		b.put(t, testURL, listOf(t, 1, newEntry(t, "one")))
		if m := b.start(t); followed(m) != "one" || !strings.Contains(b.log.String(), "a restart without network will not have it") {
			t.Errorf("follows %q, log %s", followed(m), b.log)
		}
	})
}

// TestRetriesGrow holds that a source that fails is tried again soon, then ever more seldom, and never given up.
func TestRetriesGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		m := b.start(t)
		pass(time.Minute)
		first := b.web.asked(testURL)
		pass(24 * time.Hour)
		day := b.web.asked(testURL) - first
		if first < 3 || first > 6 || day < 1300 || day > 1600 {
			t.Errorf("%d tries in the first minute, %d in the next day", first, day)
		}
		if s := m.Status()[0]; s.Outcome != outcomeStatus || !strings.Contains(b.log.String(), "there is no log list yet") {
			t.Errorf("status %+v", s)
		}
	})
}

// TestUnion joins two lists by log id; the first one's entry counts.
func TestUnion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		const other = "https://other.example/list.json"
		both, mine, theirs := newEntry(t, "both"), newEntry(t, "mine"), newEntry(t, "theirs")
		b.put(t, testURL, listOf(t, 1, both, mine))
		b.opts.Sources = append(b.opts.Sources, Source{Name: "apple", URL: other})
		m := b.start(t)
		if got := followed(m); got != "both mine" {
			t.Errorf("with one of two at hand: %q", got)
		}
		b.web.change(func(w *web) { w.pages[other] = listOf(t, 1, both.with("description", "renamed"), theirs) })
		pass(time.Minute)
		if got := followed(m); got != "both mine theirs" {
			t.Errorf("with both: %q", got)
		}
		if s := m.Status(); s[0].Signed == "" || s[1].Signed != "" {
			t.Errorf("status: %+v", s)
		}
	})
}

// TestUpdate holds that options change while running: the selection at once, the source without letting go of its logs
// before the new one is there.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		const other = "https://other.example/list.json"
		b.put(t, testURL, listOf(t, 1, newEntry(t, "one"), newEntry(t, "two")))
		m := b.start(t)
		next := b.opts
		next.Selection.Exclude = []string{"o*"}
		next.Custom = []Custom{{Name: "mine", URL: "https://mine.example/"}}
		m.Update(next)
		if got := followed(m); got != "mine two" {
			t.Errorf("after a change of the selection: %q", got)
		}
		if b.web.asked(testURL) != 1 {
			t.Error("a change of the selection must not ask for the list again")
		}
		next.Sources = []Source{b.source(other)}
		m.Update(next)
		pass(time.Second)
		if got := followed(m); got != "mine two" {
			t.Errorf("while the new list is not there: %q", got)
		}
		b.put(t, other, listOf(t, 1, newEntry(t, "three")))
		pass(5 * time.Minute)
		if got := followed(m); got != "mine three" {
			t.Errorf("with the new list: %q", got)
		}
		next.Sources = nil
		m.Update(next)
		if got := followed(m); got != "mine" {
			t.Errorf("without any list: %q", got)
		}
	})
}

// TestFiles reads a list from a path and from a file URL, signed and not.
func TestFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		path := filepath.Join(t.TempDir(), "logs.json")
		list := listOf(t, 1, newEntry(t, "one"))
		for file, data := range map[string][]byte{path: list, strings.TrimSuffix(path, ".json") + ".sig": b.sign(t, list)} {
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range []Source{
			{Name: "custom", URL: path}, {Name: "custom", URL: "file://" + path}, b.source(path), b.source("file://" + path),
		} {
			b.opts.Sources = []Source{s}
			m := b.start(t)
			if got := followed(m); got != "one" || m.Status()[0].Signed != s.KeyName {
				t.Errorf("%s: follows %q, status %+v", s.URL, got, m.Status()[0])
			}
			pass(70 * time.Minute)
			if b.metric(t, "certstream_loglist_fetches_total", "outcome", "unchanged") == 0 || m.Status()[0].Error != "" {
				t.Errorf("%s: looked at again: %+v", s.URL, m.Status()[0])
			}
		}
	})
}

// TestRunEnds holds that Run ends while a request hangs.
func TestRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.web.hang = true
		m := New(b.opts, b.deps)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestRefreshOnce holds that one look is to be had without Run.
func TestRefreshOnce(t *testing.T) {
	b := newBench(t)
	b.put(t, testURL, listOf(t, 1, newEntry(t, "one")))
	m := New(b.opts, b.deps)
	m.Refresh(t.Context())
	m.Refresh(t.Context())
	if got := followed(m); got != "one" || b.web.asked(testURL) != 1 {
		t.Errorf("follows %q after asking %d times", got, b.web.asked(testURL))
	}
}
