package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// verificationBacklog is how many entries each degree reads.
const verificationBacklog = 400_000

// verificationCost is what the whole program takes of the processor for an entry of a tiled log's backlog, for each degree of
// verification. The logs are the same in kind, and in processes of their own.
func verificationCost(ctx context.Context, _ *options) (string, error) {
	var parts []string
	var off float64
	for _, degree := range []string{"off", "consistency", "full"} {
		each, err := backlogCost(ctx, degree)
		if err != nil {
			return "", fmt.Errorf("verification %s: %w", degree, err)
		}
		part := fmt.Sprintf("%s %.2f µs", degree, each)
		if degree == "off" {
			off = each
		} else {
			part += fmt.Sprintf(" (%+.2f)", each-off)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ") + " of CPU per entry", nil
}

// backlogCost reads a backlog whole and gives the CPU time per entry in µs, what the start takes aside.
func backlogCost(ctx context.Context, degree string) (float64, error) {
	stop, s, err := whole(ctx, logsParams{Logs: 2, Held: verificationBacklog / 2}, fmt.Sprintf(
		"logs: {protocols: [tiled]}\nct_log: {start: 'index:0', catch_up_rate: 10000000, requests_per_second: 10000, verification: %q}\n", degree))
	if err != nil {
		return 0, err
	}
	defer stop()
	var before, after usage
	from, err := headBeyond(s, verificationBacklog/20)
	if err := first(err, s.ask("usage", &before)); err != nil {
		return 0, err
	}
	to, err := headBeyond(s, verificationBacklog/2*9/10)
	if err := first(err, s.ask("usage", &after)); err != nil {
		return 0, err
	}
	return 1e6 * (after.CPU - before.CPU).Seconds() / float64(to-from), nil
}

// headBeyond waits until a streamer has numbered so many entries.
func headBeyond(s *process, least uint64) (head uint64, err error) {
	for begin := time.Now(); head < least; time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			return 0, fmt.Errorf("only %d of %d entries in a minute", head, least)
		}
		if err := s.ask("head", &head); err != nil {
			return 0, err
		}
	}
	return head, nil
}
