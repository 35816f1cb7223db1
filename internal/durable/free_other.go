//go:build !linux

package durable

// Free implements FS: it is not known here.
func (Disk) Free(string) (int64, error) { return -1, nil }
