package observe

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"
)

// newClient asks pods: directly, without following them elsewhere, and without keeping connections, of which there would be
// one for each stream.
func newClient(o *Options) *http.Client {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: o.Timeout}).DialContext
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
func (p *Prober) fetch(ctx context.Context, url string) (*Report, error) {
	ctx, cancel := context.WithTimeout(ctx, p.options.Timeout)
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
	report, err := decode(response.Body, p.options.MaxBytes)
	if err != nil {
		return nil, failureOf(err, BadAnswer)
	}
	return report, nil
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
