package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestLockOutlivesItsFile: who removes the file has not unlocked the folder.
func TestLockOutlivesItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Disk{}.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if second, err := (Disk{}).Lock(path); !errors.Is(err, ErrLocked) {
			t.Fatalf("a second lock: %v, %v", second, err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := Disk{}.Lock(path)
	if err != nil {
		t.Fatalf("after it was unlocked: %v", err)
	}
	if err := third.Close(); err != nil {
		t.Error(err)
	}
	if _, err := (Disk{}).Lock(filepath.Join(path, "of a file")); err == nil {
		t.Error("a lock in a folder that is none")
	}
}
