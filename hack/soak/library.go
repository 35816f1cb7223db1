package main

import (
	"context"
	"errors"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// runLibrary reads as a user of streamer/client does, who now and then starts anew with the cursor that the client had.
func (c *collector) runLibrary(ctx context.Context) {
	schemes := map[string]string{"ws": "ws://" + c.at.http, "sse": "http://" + c.at.http, "tcp": "tcp://" + c.at.tcp}
	o := client.Options{
		URL: schemes[c.protocol], Stream: client.Stream(c.kind), MinBackoff: 20 * time.Millisecond, MaxBackoff: 100 * time.Millisecond,
		IdleTimeout: idle,
	}
	if c.filtered {
		o.Filter.Suffix = []string{"wanted.test"}
	}
	for ctx.Err() == nil {
		o.Since = c.position()
		library, err := client.New(o)
		if err != nil {
			c.fail("%s: %v", c.name, err)
			return
		}
		if err := c.readLibrary(ctx, library); err != nil {
			c.fail("%s: %v", c.name, err)
			return
		}
		if library.Cursor() != c.position() {
			c.fail("%s: the client is at %s, its last message at %s", c.name, library.Cursor(), c.position())
			return
		}
		c.nap(ctx)
	}
}

func (c *collector) readLibrary(ctx context.Context, library *client.Client) error {
	left := 1 + c.rng.IntN(2*max(c.habit.hopEvery, 1))
	for m, err := range library.Messages(ctx) {
		if err != nil {
			if errors.Is(err, context.Canceled) {
				err = nil
			}
			return err
		}
		if m.Raw == nil { // the client's own: it connects again
			c.mu.Lock()
			c.stats.connections++
			c.mu.Unlock()
			continue
		}
		if unknown, ok := m.Event().(*client.Unknown); ok {
			return errors.Join(errors.New("the client does not know a "+m.Type), unknown.Err)
		}
		if err := c.take(message{Type: m.Type, Cursor: m.Cursor, Data: m.Data}); err != nil {
			return err
		}
		if left--; left == 0 && c.habit.hopEvery > 0 {
			return nil
		}
	}
	return nil
}
