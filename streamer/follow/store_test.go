package follow

import (
	"os"
	"path/filepath"
	"testing"
)

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir, StoreOptions{Logger: quiet(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// evidence are the contents of the files kept as evidence.
func evidence(t *testing.T, s *Store) (all []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.dir, evidenceDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}
