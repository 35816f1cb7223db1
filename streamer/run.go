package streamer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// shutdownGrace is how long requests that are no streams have to end.
const shutdownGrace = time.Second

// group runs functions until the first fails or the group is stopped.
type group struct {
	ctx    context.Context
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu  sync.Mutex
	err error
}

func newGroup(ctx context.Context) *group {
	g := &group{}
	g.ctx, g.cancel = context.WithCancel(ctx)
	return g
}

func (g *group) run(what string, f func(ctx context.Context) error) {
	g.wait.Go(func() {
		if err := f(g.ctx); err != nil {
			g.mu.Lock()
			g.err = errors.Join(g.err, fmt.Errorf("%s: %w", what, err))
			g.mu.Unlock()
			g.cancel()
		}
	})
}

// stop ends the group, waits for it, and returns what went wrong, be it in its last moments.
func (g *group) stop() error {
	g.cancel()
	g.wait.Wait()
	return g.err
}

// quiet adapts functions that only end with their context.
func quiet(f func(ctx context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		f(ctx)
		return nil
	}
}

// Run follows and serves until ctx ends, then drains: a checkpoint; not ready, but serving on for a moment; then the logs are
// left alone, so that every client can reach the head, and the clients are closed over the drain period. A client that comes
// back after the restart with its last cursor has missed nothing. With now, the drain is cut short.
func (s *Streamer) Run(ctx, now context.Context) error {
	serving, following := newGroup(context.WithoutCancel(ctx)), newGroup(context.WithoutCancel(ctx))
	s.sayWhere()
	s.startServing(serving)
	s.startFollowing(following)
	select {
	case <-ctx.Done():
	case <-serving.ctx.Done():
	case <-following.ctx.Done():
	}
	s.linger(now)
	err := following.stop() // its last act is the last checkpoint
	s.drain(now)
	err = errors.Join(err, serving.stop(), s.Close())
	s.logger.Info("stopped", "offset", s.window.Head())
	return err
}

func (s *Streamer) sayWhere() {
	attributes := []any{"http", s.HTTPAddr().String(), "tls", s.tls != nil}
	if tcp := s.TCPAddr(); tcp != nil {
		attributes = append(attributes, "tcp", tcp.String())
	}
	if admin := s.AdminAddr(); admin != nil {
		attributes = append(attributes, "admin", admin.String())
	}
	s.logger.Info("serving", attributes...)
}

func (s *Streamer) startFollowing(g *group) {
	g.run("following logs", s.supervisor.Run)
	g.run("log list", s.list.Run)
	g.run("log list", quiet(s.followLogs))
}

func (s *Streamer) startServing(g *group) {
	g.run("publishing", s.publisher.Run)
	if s.segments != nil {
		g.run("keeping entries", quiet(s.segments.Run))
	}
	g.run("serving", quiet(s.server.Run))
	g.run("tokens", quiet(s.gate.Run))
	g.run("configuration", s.watcher.Run)
	g.run("throughput", quiet(func(ctx context.Context) { s.throughput.run(ctx, s.window.Head) }))
	if s.tls != nil {
		g.run("TLS certificate", quiet(s.tls.Run))
	}
	options := httpOptions(s.config())
	g.run("serving HTTP", func(ctx context.Context) error { return s.serveHTTP(ctx, options) })
	if s.listeners.tcp != nil {
		g.run("serving TCP", func(ctx context.Context) error { return s.server.ServeTCP(ctx, s.listeners.tcp) })
	}
	if s.listeners.admin != nil {
		g.run("admin listener", func(ctx context.Context) error {
			return serve.RunAdmin(ctx, s.listeners.admin, s.endpoints, options, s.logger)
		})
	}
}

func (s *Streamer) serveHTTP(ctx context.Context, options serve.HTTPOptions) error {
	server := serve.NewHTTPServer(s.server, options, s.logger)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(s.listeners.http) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // requests that take longer are cut
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// linger saves where we are and, as long as there are clients, goes on for a moment: whoever routes them here needs it to
// learn that we are going.
func (s *Streamer) linger(now context.Context) {
	s.draining.Store(true)
	s.logger.Info("shutting down", "clients", s.server.Clients())
	if err := s.supervisor.Checkpoint(context.WithoutCancel(now)); err != nil {
		s.logger.Error("writing the checkpoint", "error", err)
	}
	if s.server.Clients() > 0 {
		pause(now, s.config().Drain.Delay.Std())
	}
}

// drain lets clients read what there is and closes them.
func (s *Streamer) drain(now context.Context) {
	for s.server.Clients() > 0 && s.publisher.Head() < s.window.Head() && now.Err() == nil {
		pause(now, time.Millisecond)
	}
	s.server.Drain(now, s.config().Drain.Period.Std())
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
