package loglist

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/certstream-operator/certstream-operator/internal/durable"
)

// store keeps the last good copy of each source in a directory. Without one it keeps nothing.
type store struct{ dir string }

// file names a source's copy: readable, and distinct by URL.
func (st store) file(s Source) string {
	sum := sha256.Sum256([]byte(s.URL))
	return filepath.Join(st.dir, fmt.Sprintf("loglist-%s-%x.json", s.Name, sum[:4]))
}

// load reads the last good copy; nil when there is none.
func (st store) load(s Source) (*copied, error) {
	if st.dir == "" {
		return nil, nil
	}
	raw, err := readBounded(st.file(s), 3*maxListBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the log list kept: %w", err)
	}
	c := new(copied)
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("reading the log list kept: %w", err)
	}
	if c.URL != s.URL {
		return nil, fmt.Errorf("the log list kept is of %s", clip(c.URL))
	}
	return c, nil
}

// save replaces the copy: written aside, synced and renamed, so that a crash leaves the old or the new one.
func (st store) save(s Source, c *copied) (err error) {
	if st.dir == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("keeping the log list: %w", err)
		}
	}()
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(st.dir, 0o750); err != nil {
		return err
	}
	return durable.WriteFile(st.file(s), raw, 0o600)
}
