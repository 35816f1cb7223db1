package observe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// connectWithin is how long a connection may take: pods are near.
const connectWithin = time.Second

// usualBytes is more than the answer of a streamer that follows three hundred logs. Longer ones are read few at a time.
const usualBytes = 256 << 10

// atATime is how many answers are decoded, and how many long ones read, at a time.
const atATime = 2

// newClient asks pods: directly, without following them elsewhere, and without keeping connections, of which there would be
// one for each stream.
func newClient(o *Options) *http.Client {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: min(o.Timeout, connectWithin)}).DialContext
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dial,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
			ResponseHeaderTimeout:  o.Timeout,
			Proxy:                  nil, // pods are never behind the operator's proxy
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch reads the status at url. Its error is a Failure.
func (p *Prober) fetch(ctx context.Context, url string, within time.Duration) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, Unreachable
	}
	response, err := p.client.Do(request)
	if err != nil {
		return nil, failureOf(err, Unreachable)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, BadStatus
	}
	report, err := p.read(ctx, response.Body)
	if err != nil {
		return nil, failureOf(err, BadAnswer)
	}
	return report, nil
}

// read reads and decodes an answer. What is in memory at a time is bounded, and a pod that sends slowly delays only long answers.
func (p *Prober) read(ctx context.Context, body io.Reader) (*Report, error) {
	text, err := io.ReadAll(io.LimitReader(body, min(usualBytes, p.options.MaxBytes)))
	if err != nil {
		return nil, err
	}
	if len(text) == usualBytes {
		select {
		case p.reading <- struct{}{}:
			defer func() { <-p.reading }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	rest, err := io.ReadAll(io.LimitReader(body, p.options.MaxBytes+1-int64(len(text))))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)+len(rest)) > p.options.MaxBytes:
		return nil, TooLarge
	}
	p.decoding <- struct{}{}
	defer func() { <-p.decoding }()
	return decode(append(text, rest...))
}

// failureOf sorts an error; other is what it is when nothing else fits.
func failureOf(err error, other Failure) Failure {
	var failure Failure
	var timeout net.Error
	switch {
	case errors.As(err, &failure):
		return failure
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Unreachable
	}
	return other
}
