package follow

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// TestEvidenceIsBounded: what comes first is kept, whatever its name, and what does not fit is an error.
func TestEvidenceIsBounded(t *testing.T) {
	store := openStore(t, t.TempDir())
	defer func() { must(t, store.Close()) }()
	at := time.Now()
	accusation := func(name string, bytes int) *evidence.Evidence {
		return &evidence.Evidence{
			Kind: evidence.WrongEntry, Seen: at, Entry: &evidence.Entry{LeafInput: make([]byte, bytes)},
			Log: evidence.Log{Name: name, LogID: []byte{1, 2, 3, 4, 5}},
		}
	}
	const wild = "../Log ✓\x00/" + "nameof120charactersnameof120charactersnameof120charactersnameof120charactersnameof120characters"
	seen := map[string]bool{}
	for range maxEvidenceFiles {
		path, err := store.Evidence(accusation(wild, 10))
		if err != nil || seen[path] || !filepath.IsLocal(path) || !strings.HasPrefix(path, evidenceDir) || !store.HasEvidence(path) {
			t.Fatalf("%q, %v", path, err)
		}
		seen[path] = true
	}
	if _, err := store.Evidence(accusation(wild, 10)); !errors.Is(err, errEvidenceFull) {
		t.Errorf("one file too many: %v", err)
	}
	for err := error(nil); err == nil; {
		_, err = store.Evidence(accusation("Other", 16<<20))
		if err != nil && !errors.Is(err, errEvidenceFull) {
			t.Fatal(err)
		}
	}
	if n := size(filepath.Join(store.Dir(), evidenceDir)); n > maxEvidenceBytes || n < maxEvidenceBytes/2 {
		t.Errorf("%d bytes of evidence", n)
	}
}

// TestMarkGoesWithoutEvidence holds that evidence that cannot be written marks the log all the same.
func TestMarkGoesWithoutEvidence(t *testing.T) {
	bubble(t, func(r *rig) {
		log, spec := r.serve(testlog.Options{}, pool()[:100]...)
		store := r.keep()
		must(r.T, os.WriteFile(filepath.Join(store.Dir(), evidenceDir), nil, 0o600))
		r.start(spec)
		r.caughtUp(time.Minute, log)
		lies[0].tell(log)
		r.until(time.Minute, "caught", func() bool { return r.status().Misbehaviours == 1 })
		if m := r.status().Misbehaviour; m == nil || m.Evidence != "" || m.Kind != evidence.TwoRoots {
			r.Errorf("marked %+v", m)
		}
		r.stop()
		r.start(spec)
		r.until(time.Minute, "marked after a restart", func() bool { return r.status().Misbehaviour != nil && !r.status().Unverified.IsZero() })
		r.close()
		must(r.T, store.Close())
	})
}
