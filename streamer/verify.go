package streamer

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/audit"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
	"github.com/certstream-operator/certstream-operator/streamer/loglist"
)

// VerifyOptions say which entries of which log to check again.
type VerifyOptions struct {
	// Log is a log's name, URL or id, as the log list or the configuration has it.
	Log string
	// From and To are the range [From, To); To 0 is the head.
	From, To uint64
	// StateDir is where a streamer keeps the tree heads that it has seen; empty compares with none.
	StateDir string
	// Tell is told of each check.
	Tell   func(audit.Check)
	Logger *slog.Logger
}

// ErrNoLog says that no log, or more than one, is meant.
var ErrNoLog = errors.New("which log is meant cannot be told")

// verifyRate is how many requests a second a check makes of a log for which no other rate is set.
const verifyRate = 4

// Verify checks entries of a log again, with requests of its own.
func Verify(ctx context.Context, c *config.Config, version string, o VerifyOptions) (audit.Result, error) {
	decisions, _, err := Resolve(ctx, c, version, o.Logger)
	if err != nil {
		return audit.Result{}, err
	}
	l, err := pick(decisions, o.Log)
	if err != nil {
		return audit.Result{}, err
	}
	var kept []ctlog.TreeHead
	if o.StateDir != "" {
		state, _, err := follow.SavedLog(o.StateDir, engine.Fingerprint(l.ID))
		if err != nil {
			return audit.Result{}, err
		}
		kept = state.Heads()
	}
	network, err := newNetwork(c, version, o.Logger)
	if err != nil {
		return audit.Result{}, err
	}
	defer network.close()
	hashing := *c
	hashing.CTLog.Verification = string(follow.VerifyFull)
	log, err := network.open(&hashing, l, paced(&hashing, l))
	if err != nil {
		return audit.Result{}, fmt.Errorf("opening the log: %w", err)
	}
	defer log.Close()
	return audit.Run(ctx, audit.Options{Log: log, Unsigned: unsigned(l), From: o.From, To: o.To, Kept: kept, Tell: o.Tell})
}

// pick finds a log by name, URL or id, or by a part of its name that no other has.
func pick(decisions []loglist.Decision, wanted string) (loglist.Log, error) {
	address := func(s string) string {
		return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(s), "https://"), "http://"), "/")
	}
	var alike []loglist.Log
	for _, d := range decisions {
		l := d.Log
		if strings.EqualFold(l.Name, wanted) || address(l.URL) == address(wanted) || base64.StdEncoding.EncodeToString(l.ID[:]) == wanted {
			return l, nil
		}
		if strings.Contains(strings.ToLower(l.Name), strings.ToLower(wanted)) {
			alike = append(alike, l)
		}
	}
	switch len(alike) {
	case 1:
		return alike[0], nil
	case 0:
		return loglist.Log{}, fmt.Errorf("%w: no log of the list or of custom_logs is called %q; `streamer logs --all` shows them", ErrNoLog, wanted)
	}
	names := make([]string, len(alike))
	for i, l := range alike {
		names[i] = l.Name
	}
	return loglist.Log{}, fmt.Errorf("%w: %q may be %s", ErrNoLog, wanted, strings.Join(names, ", "))
}

// paced spaces the requests to a log.
func paced(c *config.Config, l loglist.Log) ctlog.Hooks {
	rate := operator(c, l.Operator).RequestsPerSecond
	if rate == 0 {
		rate = c.CTLog.RequestsPerSecond
	}
	if rate == 0 {
		rate = verifyRate
	}
	var mu sync.Mutex
	var next time.Time
	return ctlog.Hooks{
		Before: func(ctx context.Context, _ ctlog.Request) error {
			mu.Lock()
			at := time.Now()
			if at.Before(next) {
				at = next
			}
			next = at.Add(time.Duration(float64(time.Second) / rate))
			mu.Unlock()
			pause(ctx, time.Until(at))
			return ctx.Err()
		},
		After: func(ctlog.Outcome) {},
	}
}
