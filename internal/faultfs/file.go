package faultfs

import (
	"errors"
	"io"
	"slices"
	"syscall"
)

// file is an open file.
type file struct {
	fs    *FS
	boot  int
	inode *inode
}

// call is as the file system's, but a file that was opened before a power cut is dead. Called with mu held.
func (f *file) call(name string, changes bool) error {
	if f.boot != f.fs.boot {
		return ErrPower
	}
	return f.fs.call(name, changes)
}

func (f *file) ReadAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.call("read", false); err != nil {
		return 0, err
	}
	if at >= int64(len(f.inode.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.inode.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt writes half of what it is given where it fails, as disks do.
func (f *file) WriteAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.call("write", true)
	switch room := f.fs.Room; {
	case errors.Is(err, ErrPower) && !errors.Is(err, errLast):
		return 0, err
	case err != nil:
		b = b[:len(b)/2]
	case room >= 0 && f.growth(b, at) > room:
		b, err = b[:int64(len(b))-f.growth(b, at)+room], syscall.ENOSPC
	}
	if f.fs.Room > 0 {
		f.fs.Room -= f.growth(b, at)
	}
	if at < int64(len(f.inode.synced)) {
		f.inode.data = slices.Clone(f.inode.data)
	}
	if need := int(at) + len(b); need > len(f.inode.data) {
		f.inode.data = append(f.inode.data, make([]byte, need-len(f.inode.data))...)
	}
	copy(f.inode.data[at:], b)
	return len(b), err
}

// growth is how many of the bytes have no space in the file yet.
func (f *file) growth(b []byte, at int64) int64 {
	return min(int64(len(b)), max(0, at+int64(len(b))-int64(len(f.inode.data))))
}

func (f *file) Close() error { return nil }

func (f *file) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.call("sync", true)
	if err == nil || errors.Is(err, errLast) && f.fs.chance.IntN(2) == 0 {
		f.inode.synced = f.inode.data
	}
	return err
}

func (f *file) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.call("truncate", true)
	if err != nil && !errors.Is(err, errLast) {
		return err
	}
	if size > int64(len(f.inode.data)) {
		return errors.New("a file is not made longer")
	}
	f.inode.data = f.inode.data[:size]
	return err
}

func (f *file) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.inode.data)), f.call("size", false)
}
