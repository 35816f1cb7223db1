// Package durable is what the program needs of a file system whose content is to survive a power cut, and what it makes of it:
// files that are replaced so that the old content is left or the new one, never a part.
package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// FS is a file system. Tests put in one that fails and loses power. All methods are safe for concurrent use.
type FS interface {
	// MkdirAll makes a folder and those above it, lastingly.
	MkdirAll(dir string) error
	// List names what is in a folder.
	List(dir string) ([]string, error)
	// Create makes a file, empty if there was one; SyncDir makes that last.
	Create(path string, mode os.FileMode) (File, error)
	// Open opens a file to read, and if asked to write as well. ErrNoFile says that it is a folder, a pipe or the like.
	Open(path string, write bool) (File, error)
	Rename(from, to string) error
	RemoveAll(path string) error
	SyncDir(dir string) error
	// Free is how many bytes may still be written to the file system that has a folder; -1 where it is not known.
	Free(dir string) (int64, error)
	// Lock makes a file that one process may have locked at a time, and with it its folder; ErrLocked says that another one has.
	// Closing unlocks it.
	Lock(path string) (io.Closer, error)
}

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// ErrLocked says that another process has locked a file.
var ErrLocked = errors.New("another process has locked the file")

// ErrNoFile says that what has a file's name is something else.
var ErrNoFile = errors.New("is no regular file")

// WriteFile replaces a file's content on disk. Only one process may write a file at a time.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	return Replace(Disk{}, path, data, mode)
}

// Replace replaces a file's content: it is written beside it, synced, renamed over it, and the folder is synced.
func Replace(in FS, path string, data []byte, mode os.FileMode) error {
	temporary := path + ".tmp"
	if err := writeSynced(in, temporary, data, mode); err != nil {
		_ = in.RemoveAll(temporary) // what went wrong is told already
		return fmt.Errorf("writing a new file: %w", err)
	}
	if err := in.Rename(temporary, path); err != nil {
		return fmt.Errorf("putting a new file in place: %w", err)
	}
	return in.SyncDir(filepath.Dir(path))
}

func writeSynced(in FS, path string, data []byte, mode os.FileMode) error {
	f, err := in.Create(path, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// ReadFile reads a file of at most so many bytes.
func ReadFile(from FS, path string, limit int64) ([]byte, error) {
	f, err := from.Open(path, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%w: %s has %d bytes, more than %d", ErrTooLarge, path, size, limit)
	}
	data := make([]byte, size)
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return data, nil
}

// ErrTooLarge says that a file is larger than it can be.
var ErrTooLarge = errors.New("the file is too large")
