package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	tposix "github.com/transparency-dev/tessera/storage/posix"
	antispam "github.com/transparency-dev/tessera/storage/posix/antispam"
	"github.com/transparency-dev/tesseract"
	"github.com/transparency-dev/tesseract/storage"
	"github.com/transparency-dev/tesseract/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// startTesseraCT runs the static-ct-api log of transparency.dev on a folder; the folder itself is what monitors read.
func startTesseraCT(ctx context.Context, dir, roots string) (*server, error) {
	dir = filepath.Join(dir, "tesseract")
	key := testlog.NewKey()
	ctx, cancel := context.WithCancel(ctx)
	base, stop, err := listen(func(string) (http.Handler, error) {
		submit, err := tesseract.NewLogHandler(ctx, "log.example/test", key, tesseract.ChainValidationConfig{
			RootsPEMFile: roots, ExtKeyUsages: "Any",
		}, openStorage(dir), 10*time.Second, false, "/test", tesseract.LogHandlerOpts{DedupRL: -1, MaxCertChainBytes: 1 << 20})
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.Handle("/test/ct/v1/", submit)
		mux.Handle("/test/", http.StripPrefix("/test", http.FileServer(http.Dir(dir))))
		return mux, nil
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("TesseraCT: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	return &server{
		name: "TesseraCT", url: base + "/test/", submission: "https://log.example/test/", key: public, static: true, accepted: map[ctlog.Hash]bool{},
		close: func() { stop(); cancel() },
	}, err
}

// openStorage publishes often, and removes obsolete partial tiles often, so that a short run sees both.
func openStorage(dir string) storage.CreateStorage {
	return func(ctx context.Context, signer note.Signer) (*storage.CTStorage, error) {
		driver, err := tposix.New(ctx, tposix.Config{Path: dir})
		if err != nil {
			return nil, err
		}
		spam, err := antispam.NewAntispam(ctx, filepath.Join(dir, ".state", "antispam"), antispam.AntispamOpts{
			MaxBatchSize: 1000, PushbackThreshold: 10_000,
		})
		if err != nil {
			return nil, err
		}
		appender, _, reader, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
			WithCheckpointSigner(signer).WithCTLayout().WithAntispam(10_000, spam).WithCheckpointInterval(200*time.Millisecond).
			WithBatching(256, 50*time.Millisecond).WithGarbageCollectionInterval(time.Second))
		if err != nil {
			return nil, err
		}
		issuers, err := posix.NewIssuerStorage(ctx, dir)
		if err != nil {
			return nil, err
		}
		return storage.NewCTStorage(ctx, &storage.CTStorageOptions{
			Appender: appender, Reader: reader, IssuerStorage: issuers, AwaiterPollInterval: 100 * time.Millisecond, EnablePubAwaiter: true,
		})
	}
}
