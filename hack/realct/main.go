// Command realct runs two real CT log servers in this process, CTFE on Trillian's in-memory storage (RFC 6962) and TesseraCT on
// POSIX files (static-ct-api), fills them with certificates, and has our log clients and our follower read and verify
// every entry. It proves that decoding, signatures, paths and proofs agree with the code real logs run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"k8s.io/klog/v2"
)

func main() {
	data := flag.String("data", "", "folder of real certificates (tiles/navigli2025h2 in it); self-issued ones are used as well")
	count := flag.Int("n", 600, "number of self-issued certificates per log")
	limit := flag.Duration("limit", 5*time.Minute, "time limit")
	flag.Parse()
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard) // Trillian tells of every batch
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := run(ctx, *data, *count); err != nil {
		fmt.Fprintln(os.Stderr, "realct:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, data string, count int) error {
	dir, err := os.MkdirTemp("", "realct")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	material, err := gather(data, count)
	if err != nil {
		return err
	}
	roots := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(roots, material.rootsPEM, 0o600); err != nil {
		return err
	}
	fmt.Printf("certificates: %d real precertificates, %d self-issued\n", material.real, len(material.entries)-material.real)
	var failed error
	for _, start := range []func(context.Context, string, string) (*server, error){startCTFE, startTesseraCT} {
		if err := exercise(ctx, start, dir, roots, material); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// exercise starts one server, fills it, and reads it: once by the log client alone, once by the follower, which starts while the
// log is still growing.
func exercise(ctx context.Context, start func(context.Context, string, string) (*server, error), dir, roots string, m *material) error {
	began := time.Now()
	s, err := start(ctx, dir, roots)
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Printf("%s: up after %v at %s\n", s.name, time.Since(began).Round(time.Millisecond), s.url)
	began = time.Now()
	if err := s.submit(ctx, m.entries[:len(m.entries)/2]); err != nil {
		return err
	}
	f, err := follow(ctx, s)
	if err != nil {
		return err
	}
	defer f.stop()
	if err := s.submit(ctx, m.entries[len(m.entries)/2:]); err != nil {
		return err
	}
	fmt.Printf("%s: filled in %v, %d refused\n", s.name, time.Since(began).Round(time.Millisecond), s.refused)
	read, verified, err := readAll(ctx, s)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	fmt.Printf("%s, log client: entries held %d, read %d, verified %d\n", s.name, len(s.accepted), read, verified)
	fRead, fVerified, err := f.wait(ctx, uint64(len(s.accepted)))
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	fmt.Printf("%s, follower: entries held %d, read %d, verified %d\n", s.name, len(s.accepted), fRead, fVerified)
	return exerciseProofs(ctx, s)
}
