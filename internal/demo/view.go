package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/certstream-operator/certstream-operator/internal/terminal"
	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// A person reads a few dozen lines per second at most; bursts are what a tile brings at once.
const (
	linesPerSecond = 40
	lineBurst      = 120
)

// view shows the stream as any client gets it.
type view struct {
	printer *terminal.Printer
	stream  *client.Client
	status  string // URL
	http    *http.Client
	limit   *rate.Limiter
}

// run shows messages, and every second the status line, until ctx ends.
func (v *view) run(ctx context.Context) error {
	v.limit = rate.NewLimiter(linesPerSecond, lineBurst)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return v.show(ctx) })
	if v.printer.Live() {
		group.Go(func() error { return v.poll(ctx) })
	}
	err := group.Wait()
	if closing := v.printer.Close(); err == nil {
		err = closing
	}
	return err
}

func (v *view) show(ctx context.Context) error {
	for m, err := range v.stream.Messages(ctx) {
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the stream: %w", err)
		}
		if m.Type == "certificate_update" && !v.limit.Allow() {
			continue
		}
		if err := v.message(m.Event()); err != nil {
			return err
		}
	}
	return nil
}

func (v *view) message(event client.Event) error {
	switch e := event.(type) {
	case *client.Certificate:
		return v.printer.Certificate(e)
	case *client.Gap:
		return v.printer.Note("-- gap: %d certificates missed (%s)", e.Missed, e.Reason)
	case *client.Reconnecting:
		return v.printer.Note("-- %v; next try in %.1f s", e.Err, e.After.Seconds())
	}
	return nil
}

// poll keeps the status line.
func (v *view) poll(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last snapshot
	for {
		now, err := v.snapshot(ctx)
		if err == nil {
			if err := v.printer.Status(now.line(last)); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// snapshot is what the status line needs of /status.
type snapshot struct {
	at     time.Time
	Totals struct {
		Entries uint64 `json:"entries"`
	} `json:"totals"`
	Clients []struct {
		Count int `json:"count"`
	} `json:"clients"`
	Logs []struct {
		LagEntries uint64  `json:"lag_entries"`
		LagSeconds float64 `json:"lag_seconds"`
	} `json:"logs"`
}

func (v *view) snapshot(ctx context.Context) (snapshot, error) {
	s := snapshot{at: time.Now()}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, v.status, nil)
	if err != nil {
		return s, err
	}
	response, err := v.http.Do(request)
	if err != nil {
		return s, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s: HTTP %d", v.status, response.StatusCode)
	}
	return s, json.NewDecoder(response.Body).Decode(&s)
}

// line is the status line: rates since the last one.
func (s snapshot) line(last snapshot) string {
	var clients int
	for _, c := range s.Clients {
		clients += c.Count
	}
	var behind uint64
	var seconds float64
	for _, l := range s.Logs {
		behind += l.LagEntries
		seconds = max(seconds, l.LagSeconds)
	}
	perSecond := "-"
	if elapsed := s.at.Sub(last.at).Seconds(); !last.at.IsZero() && elapsed > 0 {
		perSecond = thousands(uint64(float64(s.Totals.Entries-min(last.Totals.Entries, s.Totals.Entries))/elapsed + 0.5))
	}
	noun := "clients"
	if clients == 1 {
		noun = "client"
	}
	return fmt.Sprintf(" %s entries/s   %s %s (this view is one)   log lag %s entries, %.1f s   %s in all   Ctrl-C stops ",
		perSecond, thousands(uint64(clients)), noun, thousands(behind), seconds, thousands(s.Totals.Entries))
}

// thousands writes 1234567 as 1,234,567.
func thousands(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
