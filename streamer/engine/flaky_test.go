package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"syscall"
)

// flaky is a file system in memory that does what disks do: what was not synced is gone after a crash, in whole or in part, and
// any call may fail.
type flaky struct {
	mu    sync.Mutex
	files map[string]*flakyFile
	names map[string]*flakyFile // as they are on disk
	room  int64                 // bytes that may still be written; -1 for no bound
	tear  func(n int) int       // how much of n unsynced bytes survives a crash; nil for none
	err   func(call string) error
}

type flakyFile struct {
	fs     *flaky
	data   []byte
	synced []byte
}

func newFlaky() *flaky {
	return &flaky{files: map[string]*flakyFile{}, names: map[string]*flakyFile{}, room: -1}
}

func (d *flaky) fail(call string) error {
	if d.err == nil {
		return nil
	}
	return d.err(call)
}

// crash loses what was not synced.
func (d *flaky) crash() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = map[string]*flakyFile{}
	for name, f := range d.names {
		data := f.synced
		if more := len(f.data) - len(f.synced); d.tear != nil && more > 0 && string(f.data[:len(f.synced)]) == string(f.synced) {
			data = f.data[:len(f.synced)+d.tear(more)]
		}
		data = append([]byte(nil), data...)
		survivor := &flakyFile{fs: d, data: data, synced: data}
		d.files[name], d.names[name] = survivor, survivor
	}
}

func (d *flaky) MkdirAll(string) error { return d.fail("mkdir") }

func (d *flaky) List(dir string) (names []string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[string]bool{}
	for name := range d.files {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			if first, _, _ := strings.Cut(rest, "/"); !seen[first] {
				seen[first] = true
				names = append(names, first)
			}
		}
	}
	return names, d.fail("list")
}

func (d *flaky) Create(name string) (segmentFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail("create"); err != nil {
		return nil, err
	}
	f := &flakyFile{fs: d}
	d.files[name] = f
	return f, nil
}

func (d *flaky) Open(name string, _ bool) (segmentFile, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail("open"); err != nil {
		return nil, err
	}
	if f := d.files[name]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

func (d *flaky) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail("rename"); err != nil {
		return err
	}
	f := d.files[from]
	if f == nil {
		return fs.ErrNotExist
	}
	delete(d.files, from)
	delete(d.names, from)
	d.files[to], d.names[to] = f, f
	return nil
}

func (d *flaky) RemoveAll(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n := range d.files {
		if n == name || strings.HasPrefix(n, name+"/") {
			delete(d.files, n)
			delete(d.names, n)
		}
	}
	return d.fail("remove")
}

func (d *flaky) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.fail("syncdir"); err != nil {
		return err
	}
	for name, f := range d.files {
		if path.Dir(name) == dir {
			d.names[name] = f
		}
	}
	return nil
}

func (d *flaky) Free(string) (int64, error) { return -1, d.fail("free") }

// damage changes a byte of a file.
func (d *flaky) damage(name string, at int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	f.data = append([]byte(nil), f.data...)
	f.data[at] ^= 0xff
}

// list names the files that there are.
func (d *flaky) list() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.files {
		names = append(names, name)
	}
	return names
}

func (f *flakyFile) ReadAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.fail("read"); err != nil {
		return 0, err
	}
	if at >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *flakyFile) WriteAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.fs.fail("write")
	switch room := f.fs.room; {
	case err != nil:
		b = b[:len(b)/2] // a short write
	case room >= 0 && int64(len(b)) > room:
		b, err = b[:room], syscall.ENOSPC
	}
	if f.fs.room > 0 {
		f.fs.room -= int64(len(b))
	}
	if need := int(at) + len(b); need > len(f.data) {
		f.data = append(f.data, make([]byte, need-len(f.data))...)
	}
	copy(f.data[at:], b)
	return len(b), err
}

func (f *flakyFile) Close() error { return nil }

func (f *flakyFile) Sync() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.fail("sync"); err != nil {
		return err
	}
	f.synced = append([]byte(nil), f.data...)
	return nil
}

func (f *flakyFile) Truncate(size int64) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.fs.fail("truncate"); err != nil {
		return err
	}
	if size > int64(len(f.data)) {
		return errors.New("a file is not made longer")
	}
	f.data = append([]byte(nil), f.data[:size]...)
	return nil
}

func (f *flakyFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.data)), f.fs.fail("size")
}
