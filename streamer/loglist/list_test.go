package loglist

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/internal/shareddata"
)

// shared reads a real list; it skips the test in a clean clone.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	dir := shareddata.Dir(t)
	if dir == "" {
		t.Skip("no shared/data beside the checkout")
	}
	f, err := os.Open(filepath.Join(dir, "loglists", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

const (
	allLogs = "gstatic-all_logs_list-v89.25-2026-08-20"
	logList = "gstatic-log_list-v85.92-2026-05-29"
	apple   = "apple-current_log_list-1013.json.gz"
	mozilla = "mozilla-known_logs_list-2026-08-11.json"
)

// TestGoogleKeySignsRealLists holds that the embedded key verifies what Google has published, and nothing else.
func TestGoogleKeySignsRealLists(t *testing.T) {
	key, err := ParseKey(GoogleKey)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{allLogs, logList} {
		list, signature := shared(t, name+".json"), shared(t, name+".sig")
		if err := verify(key, list, signature); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		list[len(list)/2] ^= 1
		if verify(key, list, signature) == nil {
			t.Errorf("%s: verifies with a bit changed", name)
		}
	}
}

// TestRealListsResolve counts what is followed by default of the lists in the wild.
func TestRealListsResolve(t *testing.T) {
	for _, tt := range []struct {
		file                    string
		logs, left, rfc, tiled  int
		operators               map[string]int
		warning, reasonOfASpare string
	}{
		{file: allLogs + ".json", logs: 117, rfc: 23, tiled: 22, reasonOfASpare: "is a test log", operators: map[string]int{
			"Google": 10, "Sectigo": 8, "DigiCert": 6, "Let's Encrypt": 6, "IPng Networks": 6, "TrustAsia": 4, "Geomys": 3, "Cloudflare": 2,
		}},
		{file: logList + ".json", logs: 56, rfc: 31, tiled: 21, reasonOfASpare: "its state is retired"},
		{file: apple, logs: 166, rfc: 33, tiled: 24, reasonOfASpare: "its state is pending"},
	} {
		list, err := Parse(shared(t, tt.file))
		if err != nil {
			t.Fatalf("%s: %v", tt.file, err)
		}
		if len(list.Logs) != tt.logs || len(list.Warnings) != tt.left {
			t.Errorf("%s: %d logs, left out %q; want %d logs", tt.file, len(list.Logs), list.Warnings, tt.logs)
		}
		count, operators, reasons := map[Protocol]int{}, map[string]int{}, map[string]bool{}
		for _, d := range Resolve(list.Logs, nil, Selection{}) {
			reasons[d.Reason] = true
			if d.Followed {
				count[d.Log.Protocol]++
				operators[d.Log.Operator]++
			}
		}
		if count[RFC6962] != tt.rfc || count[Tiled] != tt.tiled {
			t.Errorf("%s: follows %v; want %d and %d", tt.file, count, tt.rfc, tt.tiled)
		}
		if tt.operators != nil && !cmp.Equal(operators, tt.operators) {
			t.Errorf("%s: %s", tt.file, cmp.Diff(tt.operators, operators))
		}
		if !reasons[tt.reasonOfASpare] {
			t.Errorf("%s: no log is left because it %s: %v", tt.file, tt.reasonOfASpare, reasons)
		}
	}
}
