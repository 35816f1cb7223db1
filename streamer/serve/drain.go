package serve

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/feed"
)

// reconnectSpread is over how long clients are asked to come back, so that they do not all come at once.
const reconnectSpread = 5 * time.Second

// Drain lets nobody in any more and closes the clients one by one, spread over the time given, each after it got all there
// is. It returns when all have left, at once if there are none, and at the latest when ctx ends or some seconds after the last
// was told; then it cuts off who is left.
func (s *Server) Drain(ctx context.Context, over time.Duration) {
	s.draining.Store(true)
	empty := s.whenEmpty()
	if empty == nil {
		return
	}
	list := s.list()
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	start := time.Now()
	for i, c := range list {
		if !pause(ctx, empty, time.Until(start.Add(over*time.Duration(i)/time.Duration(len(list))))) {
			break
		}
		c.leave(&goodbye{reason: reasonDrain, frame: c.drainFrame(), flush: true})
	}
	pause(ctx, empty, s.patience.closing)
	for _, c := range s.list() {
		c.abort(reasonDrain)
	}
}

// pause waits; it returns false when there is nothing more to wait for.
func pause(ctx context.Context, empty <-chan struct{}, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-empty:
		return false
	case <-ctx.Done():
		return false
	}
}

// whenEmpty returns a channel that is closed when the last client has left, or nil when there is none.
func (s *Server) whenEmpty() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	return s.empty
}

// drainFrame asks the client to come back, in the words of its protocol.
func (c *conn) drainFrame() []byte {
	if c.framing == feed.EventStream {
		return fmt.Appendf(nil, "retry: %d\n\n", time.Second.Milliseconds()+rand.N(reconnectSpread).Milliseconds())
	}
	return c.closeFrame(closeRestart, "the server restarts; resume with the last cursor")
}
