package follow

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestImportState(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want Imported
	}{
		"certstream-server-rust": {
			`{"version":1,"logs":{"https://ct.googleapis.com/logs/us1/argon2026h2":{"current_index":10,"tree_size":12,"last_success":1767225600},
			"https://Sphinx.ct.digicert.com/2026h2/":{"current_index":20,"tree_size":22,"last_success":null}}}`,
			Imported{"rust", map[string]uint64{"ct.googleapis.com/logs/us1/argon2026h2": 10, "sphinx.ct.digicert.com/2026h2": 20}},
		},
		"without its version": {
			`{"logs":{"https://a.example":{"current_index":3}}}`, Imported{"rust", map[string]uint64{"a.example": 3}},
		},
		"without the envelope": {
			`{"https://a.example/":{"current_index":3,"tree_size":9}}`, Imported{"rust", map[string]uint64{"a.example": 3}},
		},
		"certstream-server-go": {
			`{"ct.googleapis.com/logs/us1/argon2026h2":4711,"https://a.example/x/":0}`,
			Imported{"go", map[string]uint64{"ct.googleapis.com/logs/us1/argon2026h2": 4711, "a.example/x": 0}},
		},
		"the same log twice: none is lost": {
			`{"https://a.example/":9,"a.example":7,"http://a.example/":8}`, Imported{"go", map[string]uint64{"a.example": 7}},
		},
	} {
		got, err := ImportState(strings.NewReader(c.file))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestImportRefuses(t *testing.T) {
	for file, want := range map[string]string{
		``:                        "not a JSON object",
		`[]`:                      "not a JSON object",
		`{}`:                      "names no log",
		`{"a":1}`:                 "names no log",
		`{"logs":[]}`:             `"logs"`,
		`{"version":2,"logs":{}}`: "version",
		`{"version":1,"logs":{"https://a.example":"x"}}`:        "a.example",
		`{"https://a.example":-1}`:                              "want an index",
		`{"https://a.example":{"tree_size":1}}`:                 "current_index",
		`{"x":"` + strings.Repeat("x", maxImport+1) + `"}`:      "larger",
		`{"version":1,"logs":{"https://a.example":{}}} trailer`: "not a JSON object",
	} {
		if _, err := ImportState(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: error %v, want one with %q", file, err, want)
		}
	}
}

func FuzzImportState(f *testing.F) {
	f.Add(`{"version":1,"logs":{"https://a.example/":{"current_index":1,"tree_size":2,"last_success":3}}}`)
	f.Add(`{"https://a.example":1}`)
	f.Add(`{"logs":{}}`)
	f.Add(`{"https://[::1]:80/%zz":1}`)
	f.Fuzz(func(t *testing.T, file string) {
		got, err := ImportState(strings.NewReader(file))
		if err != nil {
			return
		}
		for u := range got.Positions {
			if u == "" || normalURL(u) != u {
				t.Errorf("%q is normalised to %q", u, normalURL(u))
			}
		}
	})
}
