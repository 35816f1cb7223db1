package follow

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/certstream-operator/certstream-operator/internal/durable"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// Evidence is bounded: what comes first says most, so it is what comes later that is not kept.
const (
	maxEvidenceFiles = 32       // of one log
	maxEvidenceBytes = 64 << 20 // of all logs
	maxEvidenceShare = maxEvidenceBytes / 8
)

// liftFile in a log's folder lifts its mark at the next start, and goes with it.
const liftFile = "lift"

var errEvidenceFull = errors.New("there is as much evidence as is kept; move the state directory's evidence elsewhere")

// Evidence keeps a file in `evidence/<log>/<time>.json` and says where that is, below the state directory.
func (s *Store) Evidence(e *evidence.Evidence) (path string, err error) {
	b, err := e.Encode()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(evidenceDir, evidenceName(e.Log))
	full := filepath.Join(s.dir, dir)
	if err := os.MkdirAll(full, 0o755); err != nil {
		return "", fmt.Errorf("making the folder for evidence: %w", err)
	}
	files, err := os.ReadDir(full)
	if err != nil {
		return "", fmt.Errorf("looking for evidence: %w", err)
	}
	added := int64(len(b))
	if len(files) >= maxEvidenceFiles || size(full)+added > maxEvidenceShare ||
		size(filepath.Join(s.dir, evidenceDir))+added > maxEvidenceBytes {
		return "", errEvidenceFull
	}
	path = filepath.Join(dir, e.Seen.UTC().Format("20060102T150405.000000000Z")+".json")
	for n := 2; s.HasEvidence(path); n++ {
		path = filepath.Join(dir, fmt.Sprintf("%s-%d.json", e.Seen.UTC().Format("20060102T150405.000000000Z"), n))
	}
	if err := durable.WriteFile(filepath.Join(s.dir, path), b, 0o644); err != nil {
		return "", err
	}
	return path, nil
}

// HasEvidence says whether a file is still there.
func (s *Store) HasEvidence(path string) bool {
	_, err := os.Stat(filepath.Join(s.dir, path))
	return !errors.Is(err, fs.ErrNotExist)
}

// LiftPath is the file that lifts a log's mark, below the state directory.
func LiftPath(l evidence.Log) string { return filepath.Join(evidenceDir, evidenceName(l), liftFile) }

// Lift says whether somebody has asked for a log's mark to be lifted, and takes the request away.
func (s *Store) Lift(l evidence.Log) bool { return os.Remove(filepath.Join(s.dir, LiftPath(l))) == nil }

// Dir is the state directory.
func (s *Store) Dir() string { return s.dir }

// evidenceName is the folder of a log: its name in letters that every file system takes, and the beginning of its id.
func evidenceName(l evidence.Log) string {
	plain := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' {
			return r
		}
		return '-'
	}, strings.ToLower(l.Name))
	return fmt.Sprintf("%.60s-%x", plain, l.LogID[:min(4, len(l.LogID))])
}

// size is the bytes of all files below a folder.
func size(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // what cannot be read is not counted
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}
