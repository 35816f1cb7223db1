package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// fileSystem is what segments need of one. Tests put in one that fails.
type fileSystem interface {
	// MkdirAll makes a folder and those above it, lastingly.
	MkdirAll(dir string) error
	// List names what is in a folder.
	List(dir string) ([]string, error)
	// Create makes a file, empty if there was one; SyncDir makes that last.
	Create(path string) (segmentFile, error)
	// Open opens a file to read, and if asked to write as well.
	Open(path string, write bool) (segmentFile, error)
	Rename(from, to string) error
	RemoveAll(path string) error
	SyncDir(dir string) error
	// Free is how many bytes may still be written to the file system that has a folder; -1 where it is not known.
	Free(dir string) (int64, error)
}

// segmentFile is an open file.
type segmentFile interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Sync() error
	Truncate(size int64) error
	Size() (int64, error)
}

// disk is the operating system's file system.
type disk struct{}

type diskFile struct{ *os.File }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (d disk) MkdirAll(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for ; filepath.Dir(dir) != dir; dir = filepath.Dir(dir) { // whichever of them are new
		if err := d.SyncDir(filepath.Dir(dir)); err != nil {
			if errors.Is(err, os.ErrPermission) {
				return nil // not ours, so it was there
			}
			return err
		}
	}
	return nil
}

func (disk) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (disk) Create(path string) (segmentFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (disk) Open(path string, write bool) (segmentFile, error) {
	mode := os.O_RDONLY
	if write {
		mode = os.O_RDWR
	}
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (disk) Rename(from, to string) error { return os.Rename(from, to) }

func (disk) RemoveAll(path string) error { return os.RemoveAll(path) }

func (disk) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	return nil
}
