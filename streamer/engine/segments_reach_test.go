package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/durable"
)

// refusing is a disk that does not open some files.
type refusing struct {
	durable.Disk
	err    error
	writes bool // only to write
	name   string
}

func (r *refusing) Open(path string, write bool) (durable.File, error) {
	if r.err != nil && filepath.Base(path) == r.name && (write || !r.writes) {
		return nil, &os.PathError{Op: "open", Path: path, Err: r.err}
	}
	return r.Disk.Open(path, write)
}

// TestOneFileOutOfReach: a segment that cannot be opened, or is none, is a gap. It stays where it is, the others are read, and what is
// new is kept; once it can be read again, nothing is missing.
func TestOneFileOutOfReach(t *testing.T) {
	for _, err := range []error{syscall.EIO, syscall.EACCES, syscall.EPERM} {
		for _, which := range []int{0, 1, -1} {
			k := keepIn(t, &refusing{}, t.TempDir(), Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
			k.append(2000, 1500, false)
			if err := k.segments.sync(2000); err != nil {
				t.Fatal(err)
			}
			list := k.segments.list
			bad := *list[(which+len(list))%len(list)]
			k.segments.Close()
			disk := &refusing{err: err, name: filepath.Base(k.segments.path(&bad))}
			again := k.reopened(disk)
			want := []GapError{{From: bad.after, To: bad.last, Missed: bad.count}}
			if gaps := again.check(0); !slices.Equal(gaps, want) {
				t.Errorf("%v of segment %d: gaps %+v, want %+v", err, which, gaps, want)
			}
			if s := again.segments.Stats(); s.Aside != 1 || s.Error != "" || s.UpTo != 3000 {
				t.Errorf("%v of segment %d: %+v", err, which, s)
			}
			again.segments.Close()
			if gaps := again.reopened(&refusing{}).check(0); len(gaps) > 0 {
				t.Errorf("%v of segment %d: gaps %+v when it can be read again", err, which, gaps)
			}
		}
	}
}

// reopened is the next start on a disk, after a clean stop, and a thousand entries more.
func (k *kept) reopened(disk *refusing) *kept {
	k.t.Helper()
	k.segments.fs = disk
	head := k.Head()
	again := k.restart(head, head+1, SegmentLimits{MaxBytes: plenty})
	again.append(1000, 100, false)
	if err := again.segments.sync(again.Head()); err != nil {
		k.t.Fatal(err)
	}
	return again
}

// TestNoFilesAmongSegments: a folder or a pipe with a segment's name neither ends retention nor holds up the start.
func TestNoFilesAmongSegments(t *testing.T) {
	for name, mk := range map[string]func(path string) error{
		"folder": func(path string) error { return os.Mkdir(path, 0o755) },
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"loop":   func(path string) error { return os.Symlink(filepath.Base(path), path) },
	} {
		k := keepIn(t, &refusing{}, t.TempDir(), Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
		k.append(2000, 1500, false)
		if err := k.segments.sync(2000); err != nil {
			t.Fatal(err)
		}
		k.segments.Close()
		for _, after := range []uint64{0, 1990, 2000, 9999} {
			path := k.segments.path(&segment{after: after, last: after})
			_ = os.Remove(path) // the first is one that is there
			if err := mk(path); err != nil {
				t.Fatal(err)
			}
		}
		again := k.reopened(&refusing{})
		first := k.segments.list[0]
		gaps := again.check(0)
		if len(gaps) != 2 || gaps[0] != (GapError{To: first.last, Missed: first.count}) || gaps[1].From < 1990 || gaps[1].To != 2000 {
			t.Errorf("%s: gaps %+v, want the first segment, and some up to 2000", name, gaps)
		}
		if s := again.segments.Stats(); s.Error != "" || s.UpTo != 3000 {
			t.Errorf("%s: %+v", name, s)
		}
		files, err := Inspect(k.segments.options.Dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(slices.DeleteFunc(files, func(f SegmentFile) bool { return f.Problem == nil })); n != 2 {
			t.Errorf("%s: %d files have problems, want 2", name, n)
		}
	}
}

// TestASegmentThatIsReadOnly: the last segment is read, and another one goes on after it.
func TestASegmentThatIsReadOnly(t *testing.T) {
	k := keepIn(t, &refusing{}, t.TempDir(), Numbering{Epoch: "e1"}, SegmentLimits{MaxBytes: plenty})
	k.append(2000, 1500, false)
	if err := k.segments.sync(2000); err != nil {
		t.Fatal(err)
	}
	last := k.segments.path(k.segments.list[len(k.segments.list)-1])
	k.segments.Close()
	again := k.reopened(&refusing{err: syscall.EACCES, writes: true, name: filepath.Base(last)})
	for range 2 {
		if gaps := again.check(0); len(gaps) > 0 {
			t.Errorf("gaps %+v", gaps)
		}
		again.segments.Close()
		again = again.reopened(&refusing{})
	}
}

// TestOpenTakesFilesOnly: what is no file is told at once.
func TestOpenTakesFilesOnly(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, pipe} {
		for _, write := range []bool{false, true} {
			if _, err := (durable.Disk{}).Open(path, write); !errors.Is(err, durable.ErrNoFile) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s, write %v: %v", path, write, err)
			}
		}
	}
}
