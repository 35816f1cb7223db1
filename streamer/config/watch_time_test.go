package config

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// TestSettle holds how long a directory must be quiet before its file is read, and that a busy one is not waited for for ever.
func TestSettle(t *testing.T) {
	for name, tt := range map[string]struct {
		every time.Duration
		times int
		want  time.Duration
	}{
		"one change":   {0, 0, quiet},
		"a few":        {quiet / 2, 4, 4*quiet/2 + quiet},
		"without end":  {quiet / 2, 1000, longest},
		"then silence": {2 * quiet, 1, quiet},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				changes := make(chan fsnotify.Event)
				go func() {
					for range tt.times {
						select {
						case <-time.After(tt.every):
						case <-ctx.Done():
							return
						}
						select {
						case changes <- fsnotify.Event{}:
						case <-ctx.Done():
							return
						}
					}
				}()
				start := time.Now()
				settle(ctx, changes)
				if took := time.Since(start); took != tt.want {
					t.Errorf("took %v, want %v", took, tt.want)
				}
			})
		})
	}
}

// TestSettleEnds holds that the end of the context is not waited out.
func TestSettleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		settle(ctx, nil)
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
	})
}

// TestPolling holds that without notifications a change is found all the same, that a bad file is reported once however often
// it is looked at, and that an unchanged one is not reported.
func TestPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := write(t, filepath.Join(t.TempDir(), "config.yaml"), "log_level: info\n")
		options := Options{Path: path, Env: []string{}}
		loaded, err := Load(options)
		if err != nil {
			t.Fatal(err)
		}
		var reports []Reload
		w := NewWatcher(WatchOptions{
			Running: loaded, Load: options, Report: func(r Reload) { reports = append(reports, r) },
			Apply: func(*Loaded, []string) error { return nil },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.loop(ctx, nil, nil) }()
		synctest.Wait() // it sleeps while the file is written, and does not see it half
		for _, step := range []struct {
			text  string
			level LogLevel
			total int
		}{
			{"log_level: info\n", "info", 0}, {"log_level: debug\n", "debug", 1}, {"log_level: 3\n", "debug", 2},
			{"log_level: debug\n", "debug", 3}, {"log_level: warn\n", "warn", 4},
		} {
			write(t, path, step.text)
			time.Sleep(3 * pollEvery)
			synctest.Wait()
			if w.Running().LogLevel != step.level || len(reports) != step.total {
				t.Errorf("%s: runs with %s, %d reports", step.text, w.Running().LogLevel, len(reports))
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
