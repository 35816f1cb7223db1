package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// run is what both runs have: logs, a streamer, collectors, and promises that may be broken.
type run struct {
	o          options
	out        io.Writer
	w          *world
	p          *program
	l          *ledger
	collectors []*collector
	hits       int // requests that went wrong
	rows       map[string]int

	mu     sync.Mutex
	broken []string
	stop   context.CancelFunc // at the first broken promise
}

// maxBroken bounds what is printed.
const maxBroken = 20

// fail notes a broken promise and ends the run.
func (r *run) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broken = append(r.broken, fmt.Sprintf(format, args...)); len(r.broken) <= maxBroken {
		fmt.Fprintln(r.out, "BROKEN:", r.broken[len(r.broken)-1])
	}
	r.stop()
}

// setUp makes the folder, the binary, the logs' servers and the streamer's configuration.
func (r *run) setUp(ctx context.Context, config string) error {
	dir, err := os.MkdirTemp(r.o.dir, "soak-")
	if err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	if err := errors.Join(r.w.serve(), os.WriteFile(dir+"/ca.pem", r.w.ca.RootPEM(), 0o600)); err != nil {
		return err
	}
	binary := r.o.binary
	if binary == "" {
		binary = dir + "/streamer"
		err = build(ctx, binary, r.o.race)
	}
	if err == nil {
		r.p, err = newProgram(binary, dir, r.w.list(), config)
	}
	return err
}

// plan is a collector to be.
type plan struct {
	wish
	habit
}

// gather makes collectors, which begin before the logs have anything: so all of it is theirs.
func (r *run) gather(ctx context.Context, wait *sync.WaitGroup, plans []plan, rewinds bool) error {
	for i, p := range plans {
		c := newCollector(p, r.w, r.l, r.p.where, r.o.seed+uint64(i))
		c.fail, c.say, c.rewinds = r.fail, r.say, rewinds
		r.collectors = append(r.collectors, c)
		wait.Go(func() { c.run(ctx) })
	}
	return r.until(ctx, 30*time.Second, func() string {
		for _, c := range r.collectors {
			if c.position() == "" {
				return c.name + " is not connected"
			}
		}
		return ""
	})
}

// until waits for something to be so; not says what is still missing.
func (r *run) until(ctx context.Context, patience time.Duration, not func() string) error {
	for end := time.Now().Add(patience); ; {
		what := not()
		if what == "" {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("after %v: %s", patience, what)
		}
		if !pause(ctx, 50*time.Millisecond) {
			return ctx.Err()
		}
	}
}

// trouble lets the logs have rows of the catalogue until ctx ends.
func (r *run) trouble(ctx context.Context, t trouble, seed uint64) {
	r.rows = map[string]int{}
	t.began = func(l *growing, row row) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rows[row.String()]++
		r.say("%s: %v", l.Name(), row)
	}
	var wait sync.WaitGroup
	for _, l := range r.w.logs {
		wait.Go(func() {
			hits := t.run(ctx, l, newRand(seed, uint64(100+l.id)))
			r.mu.Lock()
			defer r.mu.Unlock()
			l.hits += hits
			r.hits += hits
		})
	}
	wait.Wait()
}

// say prints a line where the run is verbose.
func (r *run) say(format string, args ...any) {
	if r.o.verbose {
		fmt.Fprintf(r.out, time.Now().Format("15:04:05.000 ")+format+"\n", args...)
	}
}

// caughtUp waits until the streamer has read all logs and all collectors have got it.
func (r *run) caughtUp(ctx context.Context, patience time.Duration) error {
	for _, l := range r.w.logs {
		l.Thaw()
		l.Publish()
	}
	for _, c := range r.collectors {
		c.mu.Lock()
		c.settled = true
		c.mu.Unlock()
	}
	return r.until(ctx, patience, func() string {
		s, err := r.p.status(ctx)
		if err != nil {
			return err.Error()
		}
		for _, l := range s.Logs {
			if at := r.log(l.Name); at == nil || l.Position != at.Size() || l.Unverified == "" && l.VerifiedPosition != l.Position {
				return fmt.Sprintf("%+v", l)
			}
		}
		if len(s.Logs) != len(r.w.logs) {
			return fmt.Sprintf("%d logs are followed, want %d", len(s.Logs), len(r.w.logs))
		}
		for _, c := range r.collectors {
			if !c.reached(s.Head) {
				return fmt.Sprintf("%s is at %s, the streamer at %d", c.name, c.position(), s.Head)
			}
		}
		return ""
	})
}

func (r *run) log(name string) *growing {
	for _, l := range r.w.logs {
		if l.Name() == name {
			return l
		}
	}
	return nil
}

// end says how it went: what is needed to do it again, or that nothing was broken.
func (r *run) end(what string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.broken) == 0 {
		fmt.Fprintf(r.out, "%s: no promise broken\n\n", what)
		return os.RemoveAll(r.p.dir)
	}
	fmt.Fprintf(r.out, "\nthe last lines of %s:\n%s\n\n", r.p.path("streamer.log"), r.p.logTail(200))
	fmt.Fprintf(r.out, "%s: %d promises broken; seed %d; state, log and configuration are kept in %s\n", what, len(r.broken), r.o.seed, r.p.dir)
	return fmt.Errorf("%s: %d promises broken, the first: %s", what, len(r.broken), r.broken[0])
}
