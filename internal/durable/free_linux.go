package durable

import (
	"math"

	"golang.org/x/sys/unix"
)

// Free implements FS.
func (Disk) Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int64(min(s.Bavail*uint64(s.Bsize), math.MaxInt64)), nil
}
