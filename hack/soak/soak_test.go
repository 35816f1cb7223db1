package main

import (
	"testing"
	"time"
)

// TestKills is the kill test's short form. Only the harness has the race detector: with it, a streamer takes minutes. The time that
// passes between a checkpoint and a kill is not judged here: other tests may keep the machine busy.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes most of a minute")
	}
	o := options{
		seed: uint64(time.Now().UnixNano()) % 1_000_000, cycles: 30, cycle: 600 * time.Millisecond, interval: 500 * time.Millisecond,
		rate: 5, dir: t.TempDir(),
	}
	if err := killTest(t.Context(), o, t.Output()); err != nil {
		t.Error(err)
	}
}
