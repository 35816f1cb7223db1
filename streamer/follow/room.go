package follow

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"syscall"

	"github.com/certstream-operator/certstream-operator/internal/durable"
)

// statePage is what sizes of state files are multiples of: so the next generation fits into the space of this one.
const statePage = 16 << 10

// put replaces a generation. Where the volume has no room for one more file, it is written over the old one, whose space it has:
// the other generation, which is newer than that, stays as it is until this one is on disk.
func (s *Store) put(path string, b []byte) error {
	size := (len(b) + len(b)/8 + statePage) / statePage * statePage
	err := durable.Replace(s.fs, path, fill(b, min(size, maxStateFile)), 0o644)
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	if full {
		if over := s.overwrite(path, b); over != nil {
			return fmt.Errorf("%w; writing over the old one instead: %w", err, over)
		}
		err = nil
	}
	switch {
	case err != nil:
		return err
	case full && !s.cramped:
		s.logger.Warn("the volume is full; checkpoints are written over old ones, in space that they have")
	case !full && s.cramped:
		s.logger.Info("the volume has room again for checkpoints")
	}
	s.cramped = full
	return nil
}

// overwrite writes a state file in place. It never makes the file longer, for which there is no room.
func (s *Store) overwrite(path string, b []byte) error {
	f, err := s.fs.Open(path, true)
	if err != nil {
		return err
	}
	size, err := f.Size()
	if err == nil && size < int64(len(b)) {
		err = fmt.Errorf("it has %d bytes, %d are needed", size, len(b))
	}
	if err == nil {
		_, err = f.WriteAt(fill(b, int(size)), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// fill makes a state file longer: its JSON may end in spaces.
func fill(b []byte, size int) []byte {
	_, body, _ := bytes.Cut(b, []byte("\n"))
	body = append(bytes.Clone(body), bytes.Repeat([]byte{' '}, max(0, size-len(b)))...)
	return append(stateHeader(body), body...)
}

// stateHeader is the first line of a state file.
func stateHeader(body []byte) []byte {
	return fmt.Appendf(nil, "%s %d %x\n", stateMagic, stateVersion, sha256.Sum256(body))
}
