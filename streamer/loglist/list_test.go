package loglist

import (
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// TestRealOddities holds what the lists in the wild have that the schema does not promise.
func TestRealOddities(t *testing.T) {
	google, err := Parse(shared(t, allLogs+".json"))
	if err != nil {
		t.Fatal(err)
	}
	types, finals, bogus := map[string]int{}, 0, 0
	for _, l := range google.Logs {
		types[l.Type]++
		if l.FinalHead != nil && l.State == Readonly {
			finals++
		}
		if strings.Contains(l.URL, "ct.example.com") && l.State == Retired {
			bogus++
		}
	}
	if types["test"] != 24 || types["monitoring_only"] != 13 || finals != 2 || bogus != 2 || google.Sequence == 0 {
		t.Errorf("types %v, final heads %d, bogus %d, sequence %d", types, finals, bogus, google.Sequence)
	}

	a, err := Parse(shared(t, apple))
	if err != nil || a.Version != "1013" || a.Sequence != 1013 || !a.Timestamp.IsZero() {
		t.Errorf("Apple's: version %s, sequence %d, timestamp %v, %v", a.Version, a.Sequence, a.Timestamp, err)
	}

	// Mozilla's has no URLs, so nothing to follow: every entry is left out by itself.
	if _, err := Parse(shared(t, mozilla)); err == nil || !strings.Contains(err.Error(), "there is no log in it") {
		t.Errorf("Mozilla's: %v", err)
	}
}

// TestParseEntries holds what is made of entries one by one, whatever is wrong with their neighbours.
func TestParseEntries(t *testing.T) {
	good := newEntry(t, "good")
	_, spki := newKey(t)
	tiled := newEntry(t, "tiled").with("url", nil,
		"submission_url", "https://log.example/t/", "monitoring_url", "https://mon.example/t/")
	timestamp := func(s string) entry { return entry{"timestamp": s} }
	for name, tt := range map[string]struct {
		entry entry
		want  string // the state, or what the warning says
	}{
		"good":            {good.with("description", "x", "key", nil), "is not SHA-256 of its key"},
		"other key":       {newEntry(t, "x").with("key", spki), "is not SHA-256 of its key"},
		"twice":           {good, "its id is there already"},
		"no URL":          {newEntry(t, "x").with("url", nil), "it has no URL"},
		"bad URL":         {newEntry(t, "x").with("url", "ftp://x/"), "is not a URL of a log"},
		"URL with query":  {newEntry(t, "x").with("url", "https://x/?a"), "is not a URL of a log"},
		"tiled among RFC": {tiled, "it has no URL"},
		"mmd is a text":   {newEntry(t, "x").with("mmd", "soon"), "cannot unmarshal"},
		"key is no key":   {entry{"key": []byte("x"), "log_id": sha([]byte("x")), "url": "https://x/"}, "reading a public key"},
		"broken state":    {newEntry(t, "x").with("state", entry{"usable": 1}), "its state usable cannot be read"},
		"no state":        {newEntry(t, "x").with("state", nil), "none"},
		"unknown state":   {newEntry(t, "x").with("state", entry{"adored": timestamp("2026-01-01T00:00:00Z")}), "none"},
		"two states": {newEntry(t, "x").with("state", entry{
			"usable": timestamp("2026-02-01T00:00:00Z"), "qualified": timestamp("2026-01-01T00:00:00Z"),
		}), "usable"},
		"two states, back again": {newEntry(t, "x").with("state", entry{
			"readonly": timestamp("2026-01-01T00:00:00Z"), "usable": timestamp("2026-02-01T00:00:00Z"),
		}), "usable"},
		"two states at once": {newEntry(t, "x").with("state", entry{
			"retired": timestamp("2026-01-01T00:00:00Z"), "readonly": timestamp("2026-01-01T00:00:00Z"),
		}), "retired"},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := Parse(listOf(t, 1, good, tt.entry))
			if err != nil {
				t.Fatal(err)
			}
			if list.Logs[0].Name != "good" {
				t.Errorf("the good neighbour is lost: %+v", list.Logs)
			}
			got := strings.Join(list.Warnings, "\n")
			if len(list.Logs) == 2 {
				got = string(list.Logs[1].State)
			}
			if !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func sha(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// TestParseLog holds every field of an entry.
func TestParseLog(t *testing.T) {
	e := newEntry(t, "Final 2026h1").with(
		"temporal_interval", entry{"start_inclusive": "2026-01-01T00:00:00Z", "end_exclusive": "2026-07-01T00:00:00Z"},
		"state", entry{"readonly": entry{"timestamp": "2026-07-09T00:00:00Z", "final_tree_head": entry{
			"tree_size": 4711, "sha256_root_hash": sha([]byte("root")),
		}}}, "log_type", "prod")
	list, err := Parse(listOf(t, 7, e))
	if err != nil {
		t.Fatal(err)
	}
	key := e["key"].([]byte)
	want := Log{
		Name: "Final 2026h1", Operator: "Example", ID: [32]byte(sha(key)), Key: key, URL: "https://ct.example/Final 2026h1",
		Protocol: RFC6962, MMD: 24 * time.Hour, State: Readonly, Since: time.Date(2026, 7, 9, 0, 0, 0, 0, time.UTC),
		FinalHead: &Head{Size: 4711, Root: [32]byte(sha([]byte("root")))}, Type: "prod",
		From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC),
	}
	if d := cmp.Diff(want, list.Logs[0]); d != "" {
		t.Error(d)
	}
	made := time.Date(2026, 8, 20, 13, 7, 0, 0, time.UTC)
	if list.Version != "1.7" || !list.Timestamp.Equal(made) || list.Sequence != made.Unix() {
		t.Errorf("list: %+v", list)
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"": "not a log list", "[]": "not a log list", "{}": "there is no log in it", `{"operators":[1,2]}`: "there is no log in it",
		`{"log_list_timestamp":"soon"}`: "log_list_timestamp",
	} {
		if _, err := Parse([]byte(in)); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// FuzzParse holds that no list makes the parser panic, and that what it returns can be followed and resolved.
func FuzzParse(f *testing.F) {
	f.Add(listOf(f, 1, newEntry(f, "a"), newEntry(f, "b").with("state", nil, "log_type", "test")))
	f.Add([]byte(`{"operators":[{"name":"x","tiled_logs":[{"key":"","log_id":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}]}]}`))
	f.Add([]byte(`{"version":1,"assetVersionV2":3,"log_list_timestamp":"2026-08-20T13:34:57Z"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Parse(data)
		if err != nil {
			return
		}
		if len(list.Logs) == 0 || len(list.Warnings) > maxWarnings {
			t.Errorf("%d logs, %d warnings", len(list.Logs), len(list.Warnings))
		}
		for _, d := range Resolve(list.Logs, nil, Selection{Include: []string{"*"}}) {
			if !d.Followed || d.Reason == "" || d.Log.URL == "" || len(d.Log.Key) == 0 || d.Log.ID != [32]byte(sha(d.Log.Key)) {
				t.Errorf("%+v", d)
			}
		}
	})
}
