package follow

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

// TestEvidenceIsBounded: each log has a share, so that one cannot use up what is there for all; what comes first is kept, whatever its name, and what does not fit is an error.
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
	for n := range 12 {
		name := fmt.Sprint("Other ", n)
		for i := range 3 {
			_, err := store.Evidence(accusation(name, 3<<20))
			if fits := i == 0 && (n < 8 || err == nil); (err == nil) != fits || err != nil && !errors.Is(err, errEvidenceFull) {
				t.Fatalf("file %d of log %d: %v", i+1, n+1, err)
			}
		}
	}
	if n := size(filepath.Join(store.Dir(), evidenceDir)); n > maxEvidenceBytes || n < maxEvidenceBytes/2 {
		t.Errorf("%d bytes of evidence", n)
	}
}

// TestMarkGoesWithoutEvidence holds that evidence that cannot be written marks the log all the same, until it is asked to go.
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
		r.stop()
		must(r.T, os.Remove(filepath.Join(store.Dir(), evidenceDir)))
		lift := filepath.Join(store.Dir(), LiftPath(evidence.Log{Name: log.Name(), LogID: spec.Source.LogID[:]}))
		must(r.T, os.MkdirAll(filepath.Dir(lift), 0o755))
		must(r.T, os.WriteFile(lift, nil, 0o600))
		log.Publish()
		for range 2 { // the second start finds no mark either
			r.start(spec)
			r.caughtUp(time.Minute, log)
			if m := r.status().Misbehaviour; m != nil {
				r.Errorf("still marked %+v", m)
			}
			r.stop()
			if _, err := os.Stat(lift); !os.IsNotExist(err) {
				r.Errorf("the request is still there: %v", err)
			}
		}
		r.stop = nil
		r.close()
		must(r.T, store.Close())
	})
}
