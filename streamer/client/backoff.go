package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
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

// final says whether another attempt would get the same answer. A path that was there a moment ago may come back.
func final(err error, connected bool) bool {
	var refused *Refused
	if !errors.As(err, &refused) {
		return false
	}
	switch refused.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return true
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusOK:
		return !connected
	}
	return false
}

// retryAfter reads the header in seconds; dates are left to the backoff.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, 10*time.Minute)
}

// backoff doubles from min to max.
type backoff struct {
	min, max, current time.Duration
}

func (b *backoff) reset() { b.current = 0 }

// next is the wait before the next attempt: between half and all of the current step, so that clients that lost their server at
// once do not come back at once; and not less than a server asked for.
func (b *backoff) next(err error) time.Duration {
	b.current = min(max(2*b.current, b.min), b.max)
	wait := b.current/2 + rand.N(b.current/2+1)
	var refused *Refused
	if errors.As(err, &refused) {
		wait = max(wait, refused.RetryAfter)
	}
	return wait
}
