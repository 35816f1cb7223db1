// Package durable replaces files so that a crash or a power cut leaves the old content or the new one, never a part.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// WriteFile replaces a file's content: it is written beside it, synced, renamed over it, and the folder is synced. Only one
// process may write a file at a time.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	temporary := path + ".tmp"
	if err := writeSynced(temporary, data, mode); err != nil {
		_ = os.Remove(temporary) // what went wrong is told already
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("putting a new file in place: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func writeSynced(path string, data []byte, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("writing a new file: %w", err)
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing a new file: %w", err)
	}
	return nil
}

// syncDir makes a rename last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	return nil
}
