package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/certstream-operator/certstream-operator/streamer"
	"github.com/certstream-operator/certstream-operator/streamer/audit"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// checkProofs asks a server for proofs of consistency between every two of some sizes, and for audit paths of many leaves, and has
// them lead to the roots that the entries lead to.
func checkProofs(ctx context.Context, s *server) (consistency, inclusion int, err error) {
	log, err := s.open(ctlog.Hooks{})
	if err != nil {
		return 0, 0, err
	}
	defer log.Close()
	head, err := wholeHead(ctx, log, uint64(len(s.accepted)))
	if err != nil {
		return 0, 0, err
	}
	heads, leaves, err := rootsOf(ctx, log, head)
	if err != nil {
		return 0, 0, err
	}
	for i, newer := range heads {
		for _, older := range heads[:i] {
			if _, err := log.Consistency(ctx, older, newer); err != nil && !unpublished(s, newer, head) {
				return consistency, 0, fmt.Errorf("consistency of %d and %d: %w", older.Size, newer.Size, err)
			} else if err == nil {
				consistency++
			}
		}
	}
	for index := uint64(0); index < head.Size; index += 1 + head.Size/100 {
		proof, err := log.Inclusion(ctx, head, index)
		if err != nil {
			return consistency, inclusion, fmt.Errorf("inclusion of %d in %d: %w", index, head.Size, err)
		}
		if proof.Leaf != leaves[index] {
			return consistency, inclusion, fmt.Errorf("inclusion of %d: another leaf than the one served", index)
		}
		inclusion++
	}
	return consistency, inclusion, nil
}

// unpublished says that no checkpoint need have had this size, so that its partial tiles need not exist.
func unpublished(s *server, h, head ctlog.TreeHead) bool { return s.static && h.Size != head.Size }

// rootsOf reads all entries and computes what the log's heads were at some sizes.
func rootsOf(ctx context.Context, log ctlog.Log, head ctlog.TreeHead) (heads []ctlog.TreeHead, leaves []ctlog.Hash, err error) {
	f := new(ctlog.Frontier)
	sizes := []uint64{1, 2, 3, 255, 256, 257, head.Size / 2, head.Size - 1, head.Size}
	for f.Size < head.Size {
		b, err := log.Entries(ctx, head, f.Size, head.Size)
		if e := (*ctlog.Error)(nil); errors.As(err, &e) && e.Kind == ctlog.RateLimited {
			continue // the page is too large, and is smaller now
		}
		if err != nil {
			return nil, nil, err
		}
		for _, e := range b.Entries {
			f.Append(e.LeafHash)
			leaves = append(leaves, e.LeafHash)
			if slices.Contains(sizes, f.Size) {
				heads = append(heads, ctlog.TreeHead{Size: f.Size, Root: f.Root()})
			}
		}
		b.Release()
	}
	return heads, leaves, nil
}

// verify runs what `streamer verify` runs against a server, of which only a configuration tells.
func verify(ctx context.Context, s *server) (audit.Result, error) {
	c := config.Default()
	c.LogList.Source = "none"
	c.Network.AllowHTTP, c.Network.AllowPrivateAddresses = true, true
	c.CTLog.RequestsPerSecond = 100
	l := config.CustomLog{
		Name: s.name, Operator: s.name, URL: s.url, Protocol: "rfc6962", Key: base64.StdEncoding.EncodeToString(s.key),
	}
	if s.static {
		l.Protocol, l.SubmissionURL = "tiled", s.submission
	}
	c.CustomLogs = []config.CustomLog{l}
	var failed []string
	result, err := streamer.Verify(ctx, c, "realct", streamer.VerifyOptions{
		Log: s.name, Logger: slog.Default(),
		Tell: func(check audit.Check) {
			if !check.Holds {
				failed = append(failed, check.What)
			}
		},
	})
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("does not hold: %s", strings.Join(failed, "; "))
	}
	return result, err
}

// exerciseProofs proves what can be proved of a whole log.
func exerciseProofs(ctx context.Context, s *server) error {
	consistency, inclusion, err := checkProofs(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: proofs: %w", s.name, err)
	}
	fmt.Printf("%s, proofs: %d of consistency, %d of inclusion hold\n", s.name, consistency, inclusion)
	result, err := verify(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: streamer verify: %w", s.name, err)
	}
	fmt.Printf("%s, streamer verify: %d entries, %d checks, %d failed\n", s.name, result.Entries, result.Checks, result.Failed)
	return nil
}
