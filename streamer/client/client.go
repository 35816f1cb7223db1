// Package client reads a certstream: this project's streamer over WebSocket, server-sent events or raw TCP, and the certstream
// servers that came before it over WebSocket. It connects again by itself and goes on where it was.
//
//	c, err := client.New(client.Options{URL: "ws://127.0.0.1:8080", Stream: client.Domains})
//	…
//	for event, err := range c.Events(ctx) {
//		if err != nil {
//			return err // ctx ended, or the server refused for good
//		}
//		switch e := event.(type) {
//		case *client.DomainNames:
//			fmt.Println(e.Names)
//		case *client.Gap:
//			log.Printf("missed %d: %s", e.Missed, e.Reason)
//		}
//		save(c.Cursor()) // what Options.Since takes after a restart of this program
//	}
//
// # What comes, and what does not
//
// After a lost connection the client asks for what came after the last message that the loop got: no message is missing and
// none comes twice, over a restart or a crash of the server too, as far as the server still holds what was missed. What it does
// not hold comes as a *Gap, in its place in the stream. After a crash a server may read a few seconds of its logs again; those
// entries come again under new cursors, and Certificate.ID tells them apart.
//
// Servers without cursors (CaliDog's, certstream-server-go, certstream-server-rust, LeakIX's go-certstream) cannot resume. The
// client says so where it matters: with a *Gap of reason GapUnresumed after each reconnect. It evaluates the filter itself there.
//
// # A slow loop
//
// There is no queue and no goroutine between the socket and the loop: the next message is read when the loop asks for it. A loop
// that is slow for a while finds what it missed in the kernel's socket buffers, then in the server's memory, then on its disk, and
// goes on from there at its own pace. Only when it falls behind what the server holds does it get a *Gap. The client holds one
// message at a time, of at most Options.MaxMessage bytes, and 64 KiB of buffers, however far it is behind. Who wants to
// work on messages in parallel hands them to a bounded channel, and saves a cursor only when all up to it are done.
//
// # Which transport
//
// WebSocket (ws, wss) is the default: every certstream server has it, and its pings tell a dead path from a quiet stream.
// SSE (http, https) passes proxies that let only plain HTTP through. Raw TCP (tcp, tls) has the least overhead, inside one's own
// network. All three carry the same messages and cursors: one may resume on another.
package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Client reads one stream. It may be used by one goroutine at a time.
type Client struct {
	options  Options
	url      *url.URL
	dial     func(ctx context.Context, since string) (transport, error)
	filter   *predicate
	position position
}

// transport is one connection.
type transport interface {
	// next returns the next message; the bytes are the caller's.
	next() ([]byte, error)
	close()
}

// New checks the options. It does not connect.
func New(o Options) (*Client, error) {
	o = o.withDefaults()
	u, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	c := &Client{options: o, url: u}
	if c.position, err = parseSince(o.Since, time.Now()); err != nil {
		return nil, err
	}
	if c.filter, err = o.Filter.compile(); err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "ws", "wss":
		c.dial = c.dialWebSocket
	case "http", "https":
		c.dial = c.dialSSE
	case "tcp", "tls":
		c.dial = c.dialTCP
	default:
		return nil, fmt.Errorf("URL %q: want ws, wss, http, https, tcp or tls before ://", o.URL)
	}
	return c, nil
}

// Cursor is the position behind the newest event that the loop got, "" where the server tells none: what Options.Since takes.
// Saved at the end of a loop's body it covers that event and all before it.
func (c *Client) Cursor() string { return c.position.cursor }

// Events yields what the server sends, decoded, and a *Reconnecting whenever the connection is lost. It goes on until ctx ends
// or the loop is left; then the connection is closed, and another call goes on where this one stopped. An error is the last thing
// it yields: ctx's, a *Refused or a *Closed that no second attempt would change, or ErrTooLong.
func (c *Client) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for m, err := range c.Messages(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(m.Event(), nil) {
				return
			}
		}
	}
}

// Messages is Events without the decoding of what is inside: for those who pass messages on.
func (c *Client) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		retry := backoff{min: c.options.MinBackoff, max: c.options.MaxBackoff}
		for {
			begun := time.Now()
			done, served, err := c.session(ctx, yield)
			switch {
			case done:
				return
			case ctx.Err() != nil:
				yield(Message{}, ctx.Err())
				return
			case final(err, c.position.served):
				yield(Message{}, err)
				return
			case served && time.Since(begun) >= steady*c.options.MinBackoff:
				retry.reset()
			}
			wait := retry.next(err)
			if !yield(ownMessage(&Reconnecting{Err: err, After: wait}), nil) {
				return
			}
			if !sleep(ctx, wait) {
				yield(Message{}, ctx.Err())
				return
			}
		}
	}
}

// session is one connection, from dialling to its end. done says that the consumer has had enough, served that a message came.
func (c *Client) session(ctx context.Context, yield func(Message, error) bool) (done, served bool, err error) {
	resuming := c.position.resuming()
	t, err := c.dial(ctx, c.position.since(time.Now()))
	if err != nil {
		return false, false, err
	}
	defer t.close()
	stop := context.AfterFunc(ctx, t.close)
	defer stop()
	for {
		m, err := c.read(t, served)
		if err != nil {
			return false, served, err
		}
		served = true
		if resuming && m.tellsPosition() {
			resuming = false
			if m.Cursor == "" && !yield(ownMessage(&Gap{Reason: GapUnresumed, Missed: -1}), nil) {
				return true, served, nil
			}
		}
		if c.position.repeated(&m) || !c.wanted(m) {
			continue
		}
		c.position.advance(&m)
		if !yield(m, nil) {
			return true, served, nil
		}
	}
}

// read gets the next message. What is no message is an error at the beginning of a connection, which leads elsewhere then, and
// an *Unknown later.
func (c *Client) read(t transport, served bool) (Message, error) {
	raw, err := t.next()
	if err != nil {
		return Message{}, fmt.Errorf("reading from %s: %w", c.url.Host, err)
	}
	m, err := parseMessage(raw)
	if err != nil && !served {
		return Message{}, fmt.Errorf("reading from %s: %w", c.url.Host, err)
	}
	if err != nil {
		return Message{Raw: raw, own: &Unknown{Message: Message{Raw: raw}, Err: err}}, nil
	}
	return m, m.refusal()
}

// wanted evaluates the filter where the server did not: its messages have no cursors.
func (c *Client) wanted(m Message) bool {
	return c.filter == nil || m.Cursor != "" || !m.isContent() || c.filter.matches(m.Event())
}

// proxy is how HTTP connections find a proxy: not at all where the caller makes the connections.
func (c *Client) proxy() func(*http.Request) (*url.URL, error) {
	if c.options.Dial != nil {
		return nil
	}
	return http.ProxyFromEnvironment
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ErrTooLong is wrapped by the error that ends an iteration when a message is longer than Options.MaxMessage: asked again, the
// server would send it again.
var ErrTooLong = errors.New("a message is longer than MaxMessage allows")
