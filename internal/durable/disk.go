package durable

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Disk is the operating system's file system.
type Disk struct{}

type diskFile struct{ *os.File }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// MkdirAll implements FS.
func (d Disk) MkdirAll(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	changed := []string{filepath.Dir(dir)} // its entry may be of a run that was killed before it could sync
	for at := filepath.Dir(dir); !exists(at); at = filepath.Dir(at) {
		changed = append(changed, filepath.Dir(at))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, at := range changed {
		if err := d.SyncDir(at); err != nil && !errors.Is(err, os.ErrPermission) { // else it is not ours, so nothing in it is new
			return err
		}
	}
	return nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// List implements FS.
func (Disk) List(dir string) ([]string, error) {
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

// Create implements FS.
func (Disk) Create(path string, mode os.FileMode) (File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, mode)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

// Open implements FS. It does not wait for the other end of a pipe.
func (Disk) Open(path string, write bool) (File, error) {
	mode := os.O_RDONLY
	if write {
		mode = os.O_RDWR
	}
	f, err := os.OpenFile(path, mode|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.EISDIR) || errors.Is(err, syscall.ENXIO) {
		return nil, fmt.Errorf("%s %w", path, ErrNoFile)
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s %w", path, ErrNoFile)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return diskFile{f}, nil
}

// Rename implements FS.
func (Disk) Rename(from, to string) error { return os.Rename(from, to) }

// RemoveAll implements FS.
func (Disk) RemoveAll(path string) error { return os.RemoveAll(path) }

// SyncDir implements FS: it makes what has been created, renamed and removed in a folder last.
func (Disk) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing a folder: %w", err)
	}
	return nil
}

// Lock implements FS. The folder is locked too, where that can be: who removes the file lets nobody in.
func (Disk) Lock(path string) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NONBLOCK, 0o644)
	if err != nil {
		return nil, err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	held := locks{f, dir}
	if err := flock(f); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	if err := flock(dir); errors.Is(err, ErrLocked) { // some network file systems lock no folders
		return nil, errors.Join(err, held.Close())
	}
	return held, nil
}

// locks are open files with locks, which end with them.
type locks [2]*os.File

// Close unlocks.
func (l locks) Close() error { return errors.Join(l[0].Close(), l[1].Close()) }

func flock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrLocked
	}
	if err != nil {
		return fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return nil
}
