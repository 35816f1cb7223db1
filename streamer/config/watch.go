package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Times of the watcher: how long a directory must be quiet, how long that is waited for, and how often the file is looked at
// where notifications fail.
const (
	quiet     = 50 * time.Millisecond
	longest   = time.Second
	pollEvery = 30 * time.Second
)

// WatchOptions say what a Watcher does.
type WatchOptions struct {
	// Running is what was loaded at the start, Load how.
	Running *Loaded
	Load    Options
	// Apply puts a configuration into force, of which the settings named differ from the running one; those that need a
	// restart are as they run. An error leaves the running one in force. It is called by one goroutine.
	Apply func(next *Loaded, live []string) error
	// Report is told how each reload went; nil tells nobody.
	Report func(Reload)
	Logger *slog.Logger
}

// Reload is how a reload went.
type Reload struct {
	// Err says why the running configuration stays; nil when the new one is in force.
	Err error
	// Hash is that of the file read; empty when it could not be read.
	Hash string
	// Live are the settings applied; Restart those that wait for a restart, also from earlier reloads.
	Live, Restart []string
	Warnings      []string
}

// Watcher reloads the configuration when its file changes. A ConfigMap's files change by their directory's `..data` link being
// swapped; so the directory is what it watches.
type Watcher struct {
	opts   WatchOptions
	reload chan struct{}

	mu      sync.Mutex
	running *Loaded

	// seen is the hash of what was read last, or the error of reading it; only Run's goroutine uses it.
	seen string
}

// NewWatcher makes a Watcher; Run makes it work.
func NewWatcher(o WatchOptions) *Watcher {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Report == nil {
		o.Report = func(Reload) {}
	}
	if o.Load.Env == nil {
		o.Load.Env = os.Environ()
	}
	return &Watcher{opts: o, running: o.Running, seen: o.Running.Hash, reload: make(chan struct{}, 1)}
}

// Running is the configuration in force, with the hash of the file it is from.
func (w *Watcher) Running() *Loaded {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

// Reload asks for the file to be read again, changed or not: what SIGHUP means. It does not wait.
func (w *Watcher) Reload() {
	select {
	case w.reload <- struct{}{}:
	default:
	}
}

// Run watches until ctx ends. With hot_reload off, or without a file, it waits for Reload only.
func (w *Watcher) Run(ctx context.Context) error {
	if path := w.path(); !w.Running().HotReload.Enabled || path == "" {
		return w.wait(ctx)
	}
	events, err := fsnotify.NewWatcher()
	if err != nil {
		w.opts.Logger.Warn("file notifications are not to be had; the configuration is looked at from time to time",
			"every", pollEvery, "error", err)
		return w.loop(ctx, nil, nil)
	}
	defer func() { _ = events.Close() }()
	w.watchDirs(events)
	return w.loop(ctx, events, events.Events)
}

func (w *Watcher) wait(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.reload:
			w.read(true)
		}
	}
}

// path is the file to read again.
func (w *Watcher) path() string {
	running := w.Running()
	if p := running.HotReload.WatchPath; p != "" {
		if info, err := os.Stat(p); err != nil || !info.IsDir() {
			return p
		}
	}
	return running.Path
}

// watchDirs watches, again where it was lost, the directories that matter.
func (w *Watcher) watchDirs(events *fsnotify.Watcher) {
	dirs := []string{filepath.Dir(w.path())}
	if p := w.Running().HotReload.WatchPath; p != "" && w.path() != p {
		dirs = append(dirs, p)
	}
	for _, dir := range dirs {
		if slices.Contains(events.WatchList(), dir) {
			continue
		}
		if err := events.Add(dir); err != nil {
			w.opts.Logger.Warn("the configuration's directory cannot be watched; it is looked at from time to time",
				"directory", dir, "every", pollEvery, "error", err)
		}
	}
}

// loop reads the file when its directory has become quiet, from time to time, and when asked.
func (w *Watcher) loop(ctx context.Context, events *fsnotify.Watcher, changes <-chan fsnotify.Event) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	w.read(false)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.reload:
			w.read(true)
		case <-poll.C:
			if events != nil {
				w.watchDirs(events)
			}
			w.read(false)
		case _, ok := <-changes:
			if !ok {
				changes = nil
				continue
			}
			settle(ctx, changes)
			w.read(false)
		}
	}
}

// settle waits until there has been no change for a while, so that a file is not read half written.
func settle(ctx context.Context, changes <-chan fsnotify.Event) {
	end := time.NewTimer(longest)
	defer end.Stop()
	for {
		still := time.NewTimer(quiet)
		select {
		case <-changes:
			still.Stop()
		case <-still.C:
			return
		case <-end.C:
			still.Stop()
			return
		case <-ctx.Done():
			still.Stop()
			return
		}
	}
}

// errEmpty refuses a file that is just being written, or was emptied by mistake: it would reset everything to the defaults.
var errEmpty = errors.New("the file is empty: write {} for the defaults")

// read reads the file and, if it is not what was read last or must is set, puts it into force and reports.
func (w *Watcher) read(must bool) {
	var data []byte
	var err error
	path := w.path()
	if path != "" {
		data, err = readFile(path)
	} else {
		path, data, err = w.opts.Load.read()
	}
	hash := hashOf(data)
	if err == nil && path != "" && len(data) == 0 {
		err = errEmpty
	}
	if err != nil {
		hash = ""
	}
	seen := hash
	if err != nil {
		seen = err.Error()
	}
	if seen == w.seen && !must {
		return
	}
	w.seen = seen
	r := Reload{Err: err, Hash: hash}
	if err == nil {
		r = w.apply(path, data)
	}
	w.log(path, r)
	w.opts.Report(r)
}

// apply puts a file's content into force.
func (w *Watcher) apply(path string, data []byte) Reload {
	r := Reload{Hash: hashOf(data)}
	next, err := load(path, data, w.opts.Load.Env)
	if err != nil {
		r.Err = err
		return r
	}
	running := w.Running()
	r.Live, r.Restart = Diff(running.Config, next.Config)
	r.Warnings = next.Warnings
	next.Config = merge(running.Config, next.Config)
	if err := w.opts.Apply(next, r.Live); err != nil {
		r.Err = fmt.Errorf("applying the configuration: %w", err)
		return r
	}
	w.mu.Lock()
	w.running = next
	w.mu.Unlock()
	return r
}

func (w *Watcher) log(path string, r Reload) {
	if r.Err != nil {
		w.opts.Logger.Error("the configuration was not reloaded; the running one stays", "file", path, "error", r.Err)
		return
	}
	w.opts.Logger.Info("configuration reloaded", "file", path, "hash", r.Hash, "applied", r.Live)
	if len(r.Restart) > 0 {
		w.opts.Logger.Warn("some settings wait for a restart", "settings", r.Restart)
	}
	for _, text := range r.Warnings {
		w.opts.Logger.Warn("configuration", "warning", text)
	}
}
