package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	follower "github.com/certstream-operator/certstream-operator/streamer/follow"
)

// open makes our client of a server.
func (s *server) open(hooks ctlog.Hooks) (ctlog.Log, error) {
	transport, err := ctlog.NewTransport(ctlog.TransportOptions{AllowPrivate: true, AllowHTTP: true})
	if err != nil {
		return nil, err
	}
	o := ctlog.Options{
		URL: s.url, SubmissionURL: s.submission, Key: s.key, Client: &http.Client{Transport: transport}, Hooks: hooks, PartialInterval: 5 * time.Second,
		UserAgent: "certstream-operator realct",
	}
	if s.static {
		return ctlog.NewStatic(o)
	}
	return ctlog.NewRFC6962(o)
}

// readAll waits until a server's head covers all that it has accepted, reads every entry, and verifies them against the head, as
// well as frontiers of many sizes. Each certificate must be one that was submitted.
func readAll(ctx context.Context, s *server) (read, verified uint64, err error) {
	log, err := s.open(ctlog.Hooks{})
	if err != nil {
		return 0, 0, err
	}
	defer log.Close()
	head, err := wholeHead(ctx, log, uint64(len(s.accepted)))
	if err != nil {
		return 0, 0, err
	}
	f := new(ctlog.Frontier)
	for f.Size < head.Size {
		b, err := log.Entries(ctx, head, f.Size, head.Size)
		if e := (*ctlog.Error)(nil); errors.As(err, &e) && e.Kind == ctlog.RateLimited {
			fmt.Printf("%s: %v; pages are now of %d\n", s.name, err, log.Page())
			continue
		}
		if err != nil {
			return f.Size, 0, err
		}
		for _, e := range b.Entries {
			if err := s.check(ctx, log, e); err != nil {
				return f.Size, 0, fmt.Errorf("entry %d: %w", e.Index, err)
			}
			f.Append(e.LeafHash)
		}
		b.Release()
	}
	if f.Root() != head.Root {
		return f.Size, 0, errors.New("the root of all entries is not the head's")
	}
	return f.Size, head.Size, checkFrontiers(ctx, log, head)
}

func wholeHead(ctx context.Context, log ctlog.Log, size uint64) (ctlog.TreeHead, error) {
	for {
		head, err := log.Head(ctx)
		if err != nil || head.Size >= size {
			return head, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// check compares an entry with what was submitted, and fetches the issuers that it names.
func (s *server) check(ctx context.Context, log ctlog.Log, e ctlog.Entry) error {
	switch {
	case e.Malformed != "":
		return errors.New(e.Malformed)
	case !s.accepted[sha256.Sum256(e.Certificate)]:
		return errors.New("nobody submitted this certificate")
	case len(e.Chain)+len(e.Issuers) == 0:
		return errors.New("no chain")
	}
	if e.Index%100 > 0 {
		return nil
	}
	for _, fingerprint := range e.Issuers {
		if _, err := log.Issuer(ctx, fingerprint); err != nil {
			return err
		}
	}
	return nil
}

// checkFrontiers has every size's frontier proved to lead to the head.
func checkFrontiers(ctx context.Context, log ctlog.Log, head ctlog.TreeHead) error {
	for size := uint64(1); size <= head.Size; size += 1 + head.Size/50 {
		if _, err := log.FrontierAt(ctx, head, size); err != nil {
			return fmt.Errorf("frontier at %d of %d: %w", size, head.Size, err)
		}
	}
	_, err := log.Frontier(ctx, head)
	return err
}

// following is our follower at work on one server.
type following struct {
	server     *server
	window     *engine.Window
	supervisor *follower.Supervisor
	stop       func()
}

// follow starts the follower at index 0.
func follow(ctx context.Context, s *server) (*following, error) {
	protocol := engine.RFC6962
	if s.static {
		protocol = engine.Tiled
	}
	source := &engine.Source{
		LogID: sha256.Sum256(s.key), Name: s.name, Operator: s.name, URL: strings.TrimSuffix(s.url, "/"), Protocol: protocol,
	}
	window := engine.NewWindow(engine.WindowOptions{MaxBytes: 256 << 20}) // nothing is dropped before it is looked at
	sup := follower.New(follower.Options{
		Engine: window, Issuers: engine.NewIssuers(1<<20, nil), Logger: slog.Default(),
		Settings: follower.Settings{PollMin: 500 * time.Millisecond, PollMax: time.Second, Pace: follower.Pace{Rate: 50, Max: 100}},
	})
	sup.SetLogs([]follower.LogSpec{{
		Source: source, MMD: time.Hour, Start: follower.Start{Kind: follower.StartAtIndex}, Open: s.open,
	}})
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- sup.Run(ctx) }()
	return &following{server: s, window: window, supervisor: sup, stop: func() { cancel(); <-done }}, nil
}

// wait returns once the follower has emitted and verified so many entries.
func (f *following) wait(ctx context.Context, want uint64) (read, verified uint64, err error) {
	for {
		for _, s := range f.supervisor.Status() {
			verified = s.VerifiedSize
			if s.Mismatches > 0 || s.Repeats > 0 {
				return read, verified, fmt.Errorf("follower: %d mismatches, %d repeats, %s", s.Mismatches, s.Repeats, s.LastError)
			}
		}
		if verified >= want {
			read, err = f.emitted()
			return read, verified, err
		}
		select {
		case <-ctx.Done():
			return read, verified, fmt.Errorf("follower: %d verified of %d: %w", verified, want, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// emitted counts what the follower gave to the engine: every index once, in order, each a certificate that was submitted.
func (f *following) emitted() (uint64, error) {
	var n, at uint64
	buf := make([]engine.Entry, 256)
	for {
		got, err := f.window.Read(at, buf)
		if err != nil || got == 0 {
			return n, err
		}
		for _, e := range buf[:got] {
			if e.Index != n || e.Malformed != "" || !f.server.accepted[sha256.Sum256(e.DER)] {
				return n, fmt.Errorf("follower: entry %d is emitted as number %d, malformed %q", e.Index, n, e.Malformed)
			}
			n, at = n+1, e.Offset
		}
	}
}
