package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// watched is a Watcher at work on a file, with what it reports.
type watched struct {
	*Watcher
	reports chan Reload
	applied []*Loaded
	refuse  error
}

// startWatcher loads a file and watches it until the test ends. It returns when the directory is being watched.
func startWatcher(t *testing.T, path string, env ...string) *watched {
	t.Helper()
	options := Options{Path: path, Search: []string{}, Env: env}
	loaded, err := Load(options)
	if err != nil {
		t.Fatal(err)
	}
	w := &watched{reports: make(chan Reload, 16)}
	w.Watcher = NewWatcher(WatchOptions{
		Running: loaded, Load: options, Report: func(r Reload) { w.reports <- r },
		Apply: func(next *Loaded, _ []string) error {
			if w.refuse == nil {
				w.applied = append(w.applied, next)
			}
			return w.refuse
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	w.Reload() // answered only once Run is in its loop, where notifications are on
	w.next(t)
	return w
}

// next waits for a report; only a broken watcher makes it wait long.
func (w *watched) next(t *testing.T) Reload {
	t.Helper()
	select {
	case r := <-w.reports:
		return r
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was reported")
		return Reload{}
	}
}

// configMap imitates how the kubelet writes a volume: a directory per version, and a link `..data` to it that is swapped.
type configMap struct {
	dir     string
	version int
}

func (m *configMap) write(t *testing.T, text string) {
	t.Helper()
	m.version++
	version := filepath.Join(m.dir, "..v"+string(rune('0'+m.version)))
	if err := os.Mkdir(version, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(version, "config.yaml"), text)
	if err := os.Symlink(filepath.Base(version), filepath.Join(m.dir, "..data_tmp")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(m.dir, "..data_tmp"), filepath.Join(m.dir, "..data")); err != nil {
		t.Fatal(err)
	}
	if m.version == 1 {
		if err := os.Symlink("..data/config.yaml", m.path()); err != nil {
			t.Fatal(err)
		}
	}
}

func (m *configMap) path() string { return filepath.Join(m.dir, "config.yaml") }

// TestWatchConfigMap follows a ConfigMap's link swaps: good, bad, and good again; and tells live from restart.
func TestWatchConfigMap(t *testing.T) {
	m := &configMap{dir: t.TempDir()}
	m.write(t, "rate_limit: {per_second: 1}\n")
	w := startWatcher(t, m.path(), "CERTSTREAM_HOST=127.0.0.1")

	m.write(t, "rate_limit: {per_second: 2}\nport: 9000\nhost: 0.0.0.0\n")
	r := w.next(t)
	if r.Err != nil || !slices.Equal(r.Live, []string{"rate_limit.per_second"}) || !slices.Equal(r.Restart, []string{"port"}) {
		t.Fatalf("reload: %+v", r)
	}
	running := w.Running()
	if running.RateLimit.PerSecond != 2 || running.Port != 8080 || running.Host != "127.0.0.1" ||
		running.Hash != r.Hash || r.Hash == "" {
		t.Errorf("running: %+v", running)
	}

	m.write(t, "rate_limit: {per_second: x}\nport: 9000\n")
	r = w.next(t)
	if invalid := new(InvalidError); !errors.As(r.Err, &invalid) || r.Hash == running.Hash || w.Running() != running {
		t.Errorf("a bad file: %+v, running %+v", r, w.Running())
	}

	m.write(t, "rate_limit: {per_second: 3}\nport: 9000\n")
	r = w.next(t)
	if r.Err != nil || !slices.Equal(r.Restart, []string{"port"}) || w.Running().RateLimit.PerSecond != 3 {
		t.Errorf("after a bad file, with port still waiting: %+v", r)
	}
}

// TestWatchFile follows a plain file: written in place, replaced, emptied, removed, and back.
func TestWatchFile(t *testing.T) {
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "config.yaml"), "log_level: info\n")
	w := startWatcher(t, path)

	write(t, path, "log_level: debug\n")
	if r := w.next(t); r.Err != nil || !slices.Equal(r.Live, []string{"log_level"}) {
		t.Errorf("written in place: %+v", r)
	}
	if err := os.Rename(write(t, filepath.Join(dir, "new"), "log_level: warn\n"), path); err != nil {
		t.Fatal(err)
	}
	if r := w.next(t); r.Err != nil || w.Running().LogLevel != "warn" {
		t.Errorf("replaced: %+v", r)
	}
	write(t, path, "")
	if r := w.next(t); !errors.Is(r.Err, errEmpty) || w.Running().LogLevel != "warn" {
		t.Errorf("emptied: %+v", r)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if r := w.next(t); !errors.Is(r.Err, os.ErrNotExist) || r.Hash != "" || w.Running().LogLevel != "warn" {
		t.Errorf("removed: %+v", r)
	}
	write(t, path, "log_level: error\n")
	if r := w.next(t); r.Err != nil || w.Running().LogLevel != "error" {
		t.Errorf("back: %+v", r)
	}
}

// TestWatchApplyRefuses holds that what cannot be put into force leaves the running configuration, and may be tried again.
func TestWatchApplyRefuses(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "config.yaml"), "log_level: info\n")
	w := startWatcher(t, path)
	running := w.Running()
	w.refuse = errors.New("no such key")
	write(t, path, "log_level: debug\n")
	if r := w.next(t); r.Err == nil || !strings.Contains(r.Err.Error(), "no such key") || w.Running() != running {
		t.Errorf("refused: %+v", r)
	}
	w.refuse = nil
	w.Reload()
	if r := w.next(t); r.Err != nil || w.Running().LogLevel != "debug" {
		t.Errorf("asked again: %+v", r)
	}
}

// TestWatchOff holds that with hot_reload off only Reload reads the file.
func TestWatchOff(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "config.yaml"), "hot_reload: {enabled: false}\n")
	w := startWatcher(t, path)
	write(t, path, "hot_reload: {enabled: false}\nlog_level: debug\n")
	w.Reload()
	if r := w.next(t); r.Err != nil || !slices.Equal(r.Live, []string{"log_level"}) || len(w.applied) != 2 {
		t.Errorf("asked: %+v", r)
	}
}

// TestWatchPath holds that hot_reload.watch_path names the file to read again, as in certstream-server-rust.
func TestWatchPath(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "live.yaml")
	file := "hot_reload: {watch_path: " + other + "}\n"
	write(t, other, file)
	w := startWatcher(t, write(t, filepath.Join(dir, "config.yaml"), file))
	write(t, other, file+"log_level: debug\n")
	if r := w.next(t); r.Err != nil || w.Running().LogLevel != "debug" {
		t.Errorf("the other file: %+v", r)
	}
}

// TestWatchWithoutFile holds that the environment alone can be loaded again.
func TestWatchWithoutFile(t *testing.T) {
	w := startWatcher(t, "", "CERTSTREAM_LOG_LEVEL=debug")
	w.Reload()
	if r := w.next(t); r.Err != nil || len(r.Live) != 0 || w.Running().LogLevel != "debug" {
		t.Errorf("reload: %+v", r)
	}
}

// TestWatchStops holds that a watcher ends while changes go on.
func TestWatchStops(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "config.yaml"), "{}\n")
	w := startWatcher(t, path)
	for i := range 5 {
		write(t, path, "port: "+string(rune('1'+i))+"\n")
	}
	if r := w.next(t); r.Err != nil {
		t.Error(r.Err)
	}
}
