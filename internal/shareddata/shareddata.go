// Package shareddata finds the real certificates, log lists and log answers that tests read where they are present.
package shareddata

import (
	"os"
	"path/filepath"
	"testing"
)

// Dir returns the folder `shared/data` beside the checkout, or "" in a clean clone, where tests use what pinned modules hold.
// CERTSTREAM_TEST_DATA names another folder.
func Dir(tb testing.TB) string {
	tb.Helper()
	if dir := os.Getenv("CERTSTREAM_TEST_DATA"); dir != "" {
		return dir
	}
	at, err := os.Getwd()
	if err != nil {
		tb.Fatalf("finding the test's folder: %v", err)
	}
	for ; at != filepath.Dir(at); at = filepath.Dir(at) {
		dir := filepath.Join(at, "shared", "data")
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir
		}
	}
	return ""
}
