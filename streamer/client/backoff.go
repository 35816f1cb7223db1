package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	// steady times MinBackoff is how long a connection must have held for the backoff to begin anew.
	steady = 4
	// overloaded times MinBackoff is the least wait after a server has said that it has too much to do.
	overloaded = 10
	// maxRetryAfter bounds what a server can ask for.
	maxRetryAfter = 10 * time.Minute
)

// WebSocket close codes that change what the client does (RFC 6455 §7.4.1 and its registry). All others, 1001 and 1012 of servers
// that go away or restart among them, lead to another attempt.
const (
	closePolicy   = 1008 // a token was revoked, or the like: final
	closeTryLater = 1013 // overloaded: at least overloaded times MinBackoff
	closeAbnormal = 1006 // nobody sends it: the connection broke without a close
)

// Refused is a server's answer other than a stream.
type Refused struct {
	// Status is the HTTP status, or the code of an error line on TCP.
	Status int
	// Reason is what the server said, at most some hundred bytes.
	Reason string
	// RetryAfter is how long it asked to wait, 0 if it did not.
	RetryAfter time.Duration
}

// Error says the status and the reason.
func (r *Refused) Error() string {
	text := http.StatusText(r.Status)
	if r.Reason == "" || r.Reason == text {
		return fmt.Sprintf("the server refused: %d %s", r.Status, text)
	}
	return fmt.Sprintf("the server refused: %d %s: %s", r.Status, text, r.Reason)
}

// Closed is the end of a stream by its server, or of its connection.
type Closed struct {
	// Code is WebSocket's close code: 1006 where a connection ended without one. 0 on SSE and TCP.
	Code int
	// Reason is what the server said, "" if nothing.
	Reason string
	// RetryAfter is how long it asked to wait, by SSE's "retry", 0 if it did not.
	RetryAfter time.Duration
}

// Error says the code and the reason; of a connection that broke, the reason alone.
func (c *Closed) Error() string {
	text := "the server ended the stream"
	switch c.Code {
	case 0:
	case closeAbnormal:
		text = "the connection was lost"
	default:
		text = fmt.Sprintf("%s (code %d)", text, c.Code)
	}
	if c.Reason != "" {
		text += ": " + c.Reason
	}
	return text
}

// final says whether another attempt would get the same answer. Once a stream was served, a path that is not there or leads
// elsewhere may come back: so it is while a server behind a proxy restarts.
func final(err error, served bool) bool {
	var closed *Closed
	if errors.As(err, &closed) {
		return closed.Code == closePolicy
	}
	var refused *Refused
	if !errors.As(err, &refused) {
		return errors.Is(err, ErrTooLong)
	}
	switch s := refused.Status; s {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return true
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	default:
		return s < 500 && !served
	}
}

// retryAfter reads the header: seconds, or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		wait = time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// backoff doubles from min to max.
type backoff struct {
	min, max, current time.Duration
}

func (b *backoff) reset() { b.current = 0 }

// next is the wait before the next attempt: between half and all of the current step, so that clients that lost their server at
// once do not come back at once. What the server asked for is the least, with a tenth of jitter on top.
func (b *backoff) next(err error) time.Duration {
	b.current = min(max(2*b.current, b.min), b.max)
	asked := time.Duration(0)
	var refused *Refused
	var closed *Closed
	switch {
	case errors.As(err, &refused):
		asked = refused.RetryAfter
	case errors.As(err, &closed):
		asked = closed.RetryAfter
		if closed.Code == closeTryLater {
			b.current = min(max(b.current, overloaded*b.min), b.max)
		}
	}
	wait := b.current/2 + rand.N(b.current/2+1)
	if asked > wait {
		wait = asked + rand.N(asked/10+1)
	}
	return wait
}
