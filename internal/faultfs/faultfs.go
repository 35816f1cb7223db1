// Package faultfs is a file system in memory for tests, which does what disks do at their worst: any call may fail, there may be
// no room, bytes change, and when the power is cut, what was not synced is gone, in whole or in part, and in any order.
package faultfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/certstream-operator/certstream-operator/internal/durable"
)

// ErrPower is what every call returns from the moment the power fails until PowerCut.
var ErrPower = errors.New("there is no power")

// sector is what a disk writes whole or not at all.
const sector = 512

// FS implements durable.FS. The fields may be changed while nothing else uses it.
type FS struct {
	// Room is how many bytes files may still grow by; -1 for no bound.
	Room int64
	// Err, if set, says whether a call fails: create, open, list, mkdir, read, write, sync, syncdir, truncate, rename, remove,
	// free or size.
	Err func(call string) error
	// Tear, if set, says how many of n bytes written behind the synced ones survive a power cut, and all other changes do not;
	// else chance decides, sector by sector.
	Tear func(n int) int

	mu      sync.Mutex
	chance  *rand.Rand
	files   map[string]*inode // as programs see them
	names   map[string]*inode // as they are on disk
	changes []change          // of names, not synced
	locks   map[string]bool
	boot    int // counts power cuts: files opened before one are dead
	fuse    int // calls until the power fails; -1: it does not
}

// inode is a file. What is synced is never written to: it may share its memory with the content.
type inode struct {
	data   []byte
	synced []byte
}

// change is a file that gets a name (to), loses one (from), or both.
type change struct {
	from, to string
	file     *inode
}

// New makes an empty file system whose faults follow from a seed.
func New(seed uint64) *FS {
	return &FS{
		Room: -1, fuse: -1, chance: rand.New(rand.NewPCG(seed, 0)),
		files: map[string]*inode{}, names: map[string]*inode{}, locks: map[string]bool{},
	}
}

// Fail sets Err while the file system is in use.
func (d *FS) Fail(err func(call string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Err = err
}

// FailAfter has the power fail in the midst of the n-th call from now on that changes something.
func (d *FS) FailAfter(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fuse = n
}

// Failed says whether the power has failed.
func (d *FS) Failed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fuse == 0
}

// PowerCut loses what was not synced, and has the power return.
func (d *FS) PowerCut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Tear == nil {
		d.loseNames()
	}
	d.changes, d.locks, d.fuse = nil, map[string]bool{}, -1
	d.boot++
	d.files = map[string]*inode{}
	survivors := map[*inode]*inode{}
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		f := d.names[name]
		if survivors[f] == nil {
			data := d.survive(f)
			survivors[f] = &inode{data: data, synced: data}
		}
		d.files[name], d.names[name] = survivors[f], survivors[f]
	}
}

// loseNames decides which changes of names have reached the disk: none, all, or any.
func (d *FS) loseNames() {
	luck := d.chance.IntN(3)
	for _, c := range d.changes {
		if luck == 0 || luck == 1 && d.chance.IntN(2) == 0 {
			d.apply(c)
		}
	}
}

func (d *FS) apply(c change) {
	if c.from != "" && d.names[c.from] == c.file {
		delete(d.names, c.from)
	}
	if c.to != "" {
		d.names[c.to] = c.file
	}
}

// survive is what is left of a file's content.
func (d *FS) survive(f *inode) []byte {
	if d.Tear != nil {
		data := f.synced
		if more := len(f.data) - len(data); more > 0 && string(f.data[:len(data)]) == string(data) {
			data = f.data[:len(data)+d.Tear(more)]
		}
		return data
	}
	switch luck := d.chance.IntN(4); {
	case luck == 0, len(f.data) == len(f.synced) && (len(f.data) == 0 || &f.data[0] == &f.synced[0]):
		return f.synced
	case luck == 1:
		return f.data
	}
	low, high := min(len(f.synced), len(f.data)), max(len(f.synced), len(f.data))
	data := make([]byte, low+d.chance.IntN(high-low+1))
	copy(data, f.synced)
	for at := 0; at < len(data); at += sector {
		if d.chance.IntN(2) == 0 && at < len(f.data) {
			copy(data[at:min(at+sector, len(data))], f.data[at:])
		}
	}
	return data
}

// call says whether a call fails; changes burn the fuse. Called with mu held.
func (d *FS) call(name string, changes bool) error {
	if d.fuse == 0 {
		return ErrPower
	}
	if changes && d.fuse > 0 {
		if d.fuse--; d.fuse == 0 {
			return errLast
		}
	}
	if d.Err != nil {
		return d.Err(name)
	}
	return nil
}

// errLast is for the call in whose midst the power fails: it may or may not have had its effect.
var errLast = fmt.Errorf("%w from here on", ErrPower)

// MkdirAll implements durable.FS. Folders need no room and no sync here.
func (d *FS) MkdirAll(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.call("mkdir", false)
}

// List implements durable.FS.
func (d *FS) List(dir string) (names []string, err error) {
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
	slices.Sort(names)
	return names, d.call("list", false)
}

// Create implements durable.FS.
func (d *FS) Create(name string, _ os.FileMode) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.call("create", true)
	if err != nil && !errors.Is(err, errLast) {
		return nil, err
	}
	f := d.files[name]
	if f == nil {
		f = &inode{}
		d.files[name] = f
		d.changes = append(d.changes, change{to: name, file: f})
	}
	f.data = nil
	return &file{fs: d, boot: d.boot, inode: f}, err
}

// Open implements durable.FS.
func (d *FS) Open(name string, _ bool) (durable.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("open", false); err != nil {
		return nil, err
	}
	if f := d.files[name]; f != nil {
		return &file{fs: d, boot: d.boot, inode: f}, nil
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// Rename implements durable.FS.
func (d *FS) Rename(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.call("rename", true)
	if err != nil && !errors.Is(err, errLast) {
		return err
	}
	f := d.files[from]
	if f == nil {
		return fmt.Errorf("%s: %w", from, fs.ErrNotExist)
	}
	delete(d.files, from)
	d.files[to] = f
	d.changes = append(d.changes, change{from: from, to: to, file: f})
	return err
}

// RemoveAll implements durable.FS.
func (d *FS) RemoveAll(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.call("remove", true)
	if err != nil && !errors.Is(err, errLast) {
		return err
	}
	for _, n := range slices.Sorted(maps.Keys(d.files)) {
		if n == name || strings.HasPrefix(n, name+"/") {
			d.changes = append(d.changes, change{from: n, file: d.files[n]})
			delete(d.files, n)
		}
	}
	return err
}

// SyncDir implements durable.FS.
func (d *FS) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("syncdir", true); err != nil {
		return err
	}
	d.changes = slices.DeleteFunc(d.changes, func(c change) bool {
		if path.Dir(c.to) != dir && path.Dir(c.from) != dir {
			return false
		}
		d.apply(c)
		return true
	})
	return nil
}

// Free implements durable.FS: it is not known.
func (d *FS) Free(string) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return -1, d.call("free", false)
}

// Lock implements durable.FS.
func (d *FS) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.call("lock", false); err != nil {
		return nil, err
	}
	if d.locks[name] {
		return nil, durable.ErrLocked
	}
	d.locks[name] = true
	return &lock{d, d.boot, name}, nil
}

type lock struct {
	fs   *FS
	boot int
	name string
}

func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	if l.boot == l.fs.boot {
		delete(l.fs.locks, l.name)
	}
	return nil
}

// Damage changes a byte of a file, and what is on disk of it.
func (d *FS) Damage(name string, at int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	f.data = slices.Clone(f.data)
	f.data[at] ^= 0xff
	if f.synced = slices.Clone(f.synced); at < len(f.synced) {
		f.synced[at] = f.data[at]
	}
}

// Names lists the files that there are.
func (d *FS) Names() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Content is a file's content; nil where there is none.
func (d *FS) Content(name string) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.files[name]; f != nil {
		return slices.Clone(f.data)
	}
	return nil
}
