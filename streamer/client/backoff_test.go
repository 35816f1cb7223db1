package client

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	b := backoff{min: 100 * ms, max: 2000 * ms}
	for _, step := range []time.Duration{100, 200, 400, 800, 1600, 2000, 2000} {
		step *= ms
		if wait := b.next(nil); wait < step/2 || wait > step {
			t.Errorf("waits %v, want %v to %v", wait, step/2, step)
		}
	}
	for _, err := range []error{&Refused{Status: 429, RetryAfter: 3 * time.Second}, &Closed{RetryAfter: 3 * time.Second}} {
		if wait := b.next(fmt.Errorf("reading: %w", err)); wait < 3*time.Second || wait > 3300*ms {
			t.Errorf("%v: waits %v where the server asked for 3 s", err, wait)
		}
	}
	b.reset()
	if wait := b.next(nil); wait > 100*ms {
		t.Errorf("waits %v after a reset", wait)
	}
	if wait := b.next(&Closed{Code: 1013}); wait < 500*ms || wait > 1000*ms {
		t.Errorf("waits %v after 1013", wait)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "99999": 10 * time.Minute, "99999999999999": 10 * time.Minute, "soon": 0,
		"99999999999999999999999": 10 * time.Minute, "-99999999999999999999999": 0,
		"Wed, 01 Jul 2026 12:00:30 GMT": 30 * time.Second, "Wed, 01 Jul 2026 11:00:00 GMT": 0, "Wed, 01 Jul 2099 11:00:00 GMT": 10 * time.Minute,
	} {
		if got := retryAfter(http.Header{"Retry-After": {header}}, now); got != want {
			t.Errorf("Retry-After %q: %v, want %v", header, got, want)
		}
	}
	for text, want := range map[string]time.Duration{"": 0, "1500": 1500 * time.Millisecond, "x": 0, "4000000000": 10 * time.Minute,
		"99999999999999999999999": 10 * time.Minute} {
		if got := retryTime([]byte(text)); got != want {
			t.Errorf("retry: %s: %v, want %v", text, got, want)
		}
	}
}

func TestFinal(t *testing.T) {
	for _, c := range []struct {
		err           error
		first, served bool
	}{
		{&Refused{Status: 400}, true, true},
		{&Refused{Status: 401}, true, true},
		{&Refused{Status: 403}, true, true},
		{&Refused{Status: 404}, true, false},
		{&Refused{Status: 308}, true, false},
		{&Refused{Status: 200}, true, false},
		{&Refused{Status: 408}, false, false},
		{&Refused{Status: 425}, false, false},
		{&Refused{Status: 429}, false, false},
		{&Refused{Status: 502}, false, false},
		{&Refused{Status: 503}, false, false},
		{&Closed{Code: 1008}, true, true},
		{&Closed{Code: 1001}, false, false},
		{&Closed{Code: 1013}, false, false},
		{ErrTooLong, true, true},
		{errors.New("connection refused"), false, false},
	} {
		err := fmt.Errorf("reading: %w", c.err)
		if got := [2]bool{final(err, false), final(err, true)}; got != [2]bool{c.first, c.served} {
			t.Errorf("%v: final is %v", c.err, got)
		}
	}
}
