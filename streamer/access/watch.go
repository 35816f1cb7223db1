package access

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// pollInterval is how often files are read again without having been told of a change: not every file system tells.
	pollInterval = 30 * time.Second
	// settle is how long to wait after a change: writers seldom do just one.
	settle = 100 * time.Millisecond
)

// watcher calls reload when files may have changed. It watches the directories that hold them, and the paths themselves where
// they are directories: files are replaced, and a mounted Secret changes by a swap of symbolic links.
type watcher struct {
	log   *slog.Logger
	what  string
	paths func() []string
	// rearm says that paths has changed; nil when it never does.
	rearm  <-chan struct{}
	reload func() error
}

// run watches until ctx ends.
func (w *watcher) run(ctx context.Context) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		w.log.Warn("changes of files are seen late, by polling", "of", w.what, "error", err)
		w.loop(ctx, nil, nil, nil)
		return
	}
	defer func() { _ = notify.Close() }()
	w.loop(ctx, notify, notify.Events, notify.Errors)
}

// loop waits for something to happen. Without notify it only polls.
func (w *watcher) loop(ctx context.Context, notify *fsnotify.Watcher, events <-chan fsnotify.Event, errs <-chan error) {
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	lastError := ""
	for {
		w.watch(notify) // again each time: directories come into being, and are replaced
		select {
		case <-ctx.Done():
			return
		case <-w.rearm:
			continue
		case <-poll.C:
		case err := <-errs: // events may have been lost
			w.log.Debug("watching files", "of", w.what, "error", err)
		case <-events:
			settled(ctx, events)
		}
		lastError = w.try(lastError)
	}
}

// try reloads, and logs an error that is not the last one again.
func (w *watcher) try(lastError string) string {
	err := w.reload()
	if err == nil {
		return ""
	}
	if err.Error() != lastError {
		w.log.Error("the last good ones stay in force", "of", w.what, "error", err)
	}
	return err.Error()
}

// settled waits until changes have come to rest, and swallows them.
func settled(ctx context.Context, events <-chan fsnotify.Event) {
	end := time.After(settle)
	for {
		select {
		case <-ctx.Done():
			return
		case <-end:
			return
		case <-events:
		}
	}
}

// watch sees to it that exactly the directories of the paths are watched.
func (w *watcher) watch(notify *fsnotify.Watcher) {
	if notify == nil {
		return
	}
	var want []string
	for _, path := range w.paths() {
		want = append(want, filepath.Dir(path), path)
	}
	for _, path := range notify.WatchList() {
		if !slices.Contains(want, path) {
			_ = notify.Remove(path) // gone already, then
		}
	}
	for _, path := range want {
		if err := notify.Add(path); err != nil {
			w.log.Debug("cannot watch", "path", path, "error", err)
		}
	}
}
