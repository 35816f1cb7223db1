package ctlog

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/shareddata"
)

// realFile reads a file of the shared data, or skips the test in a clean clone.
func realFile(t testing.TB, path ...string) []byte {
	t.Helper()
	dir := shareddata.Dir(t)
	if dir == "" {
		t.Skip("no shared data beside the checkout")
	}
	b, err := os.ReadFile(filepath.Join(append([]string{dir}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRealTiles holds every leaf hash of a real log's tiles against the log's own hash tiles, and the root against the known one.
func TestRealTiles(t *testing.T) {
	var f Frontier
	for n := range uint64(4) {
		name := fmt.Sprintf("%03d", n)
		packed := realFile(t, "tiles", "navigli2025h2", "tile", "data", name+".gz")
		hashes := realFile(t, "tiles", "navigli2025h2", "tile", "0", name)
		m := newBatch()
		var err error
		m.body, err = answer{buffer: bufferOf(packed), gzipped: true}.parse(defaultMaxBody, func(body *buffer) error {
			return m.decodeTile(body, n*tileWidth, tileWidth, false)
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, e := range m.entries {
			if want := Hash(hashes[32*i : 32*i+32]); e.LeafHash != want {
				t.Fatalf("leaf hash of entry %d is not the log's", e.Index)
			}
			if e.Type != typePrecert || len(e.Issuers) == 0 || len(e.Certificate) == 0 {
				t.Fatalf("entry %d: type %d, %d issuers", e.Index, e.Type, len(e.Issuers))
			}
			f.Append(e.LeafHash)
		}
		m.Release()
	}
	root := f.Root()
	if got := base64.StdEncoding.EncodeToString(root[:]); got != "EMfGG85uIddeOXt5/wdQGP3IQd0COCqoLg9Q6CsPLJA=" {
		t.Errorf("root of 1,024 real entries is %s", got)
	}
}

// TestRealPartialTile reads a partial tile, and the tile of another log in which each entry names its index.
func TestRealPartialTile(t *testing.T) {
	for _, c := range []struct {
		first, width uint64
		path         []string
	}{
		{768, 10, []string{"tiles", "navigli2025h2", "tile", "data", "003.p", "10.gz"}},
		{1024, 256, []string{"tiles", "tesseract-example", "tile", "data", "004.gz"}},
	} {
		m := newBatch()
		_, err := answer{buffer: bufferOf(realFile(t, c.path...))}.parse(defaultMaxBody, func(body *buffer) error {
			return m.decodeTile(body, c.first, c.width, false)
		})
		if err != nil || uint64(len(m.entries)) != c.width {
			t.Errorf("%v: %d entries, error %v", c.path, len(m.entries), err)
		}
	}
}

func TestRealGetEntries(t *testing.T) {
	for _, c := range []struct {
		file   string
		types  string
		chains string
		root   string
	}{
		{"pilot-get-entries-0-3.json", "[0 0 0 0]", "[2 3 3 2]", "A26tmgcaUJpkFXFpkzCS8bJ29cQBEgExKAYFL8hiJ5E="},
		{"precert-and-cert-get-entries.json", "[1 0]", "[3 2]", ""},
	} {
		m := newBatch()
		body := bufferOf(realFile(t, "entries", c.file))
		if err := m.decodeEntries(body.b, 0, 1000); err != nil {
			t.Fatal(err)
		}
		var f Frontier
		var types []uint16
		var chains []int
		for _, e := range m.entries {
			f.Append(e.LeafHash)
			types, chains = append(types, e.Type), append(chains, len(e.Chain))
			if e.Malformed != "" {
				t.Errorf("%s: %s", c.file, e.Malformed)
			}
		}
		root := f.Root()
		if got := base64.StdEncoding.EncodeToString(root[:]); c.root != "" && got != c.root {
			t.Errorf("%s: root %s", c.file, got)
		}
		if fmt.Sprint(types) != c.types || fmt.Sprint(chains) != c.chains {
			t.Errorf("%s: types %v, chains of %v", c.file, types, chains)
		}
	}
}

type realSTH struct {
	ID  string
	Key []byte
	STH json.RawMessage
}

func TestRealTreeHeads(t *testing.T) {
	var list []realSTH
	if err := json.Unmarshal(realFile(t, "sth", "sths.json"), &list); err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		v, err := newVerifier(c.Key)
		if err != nil {
			t.Fatal(err)
		}
		head, signature, err := parseSTH(c.STH)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.verify(head, signature); err != nil {
			t.Errorf("%s: %v", c.ID, err)
		}
		head.Timestamp++
		if v.verify(head, signature) == nil {
			t.Errorf("%s: verifies with another timestamp", c.ID)
		}
	}
	if len(list) != 7 {
		t.Errorf("%d tree heads", len(list))
	}
}

func TestRealCheckpoints(t *testing.T) {
	var list []struct {
		Checkpoint, Origin, Vkey string
	}
	if err := json.Unmarshal(realFile(t, "sth", "checkpoints.json"), &list); err != nil {
		t.Fatal(err)
	}
	verified := 0
	for _, c := range list {
		if c.Vkey == "" { // the log's key is not known: the form must be read all the same
			if parsed, err := parseCheckpoint([]byte(c.Checkpoint), Hash{}); err != nil || parsed.origin != c.Origin {
				t.Errorf("%s: origin %q, error %v", c.Origin, parsed.origin, err)
			}
			continue
		}
		packed, err := base64.StdEncoding.DecodeString(c.Vkey[strings.LastIndex(c.Vkey, "+BTBZ")+1:])
		if err != nil {
			t.Fatal(err)
		}
		o := Options{URL: "https://" + c.Origin, Key: packed[1:]}.withDefaults()
		if err := o.check(); err != nil {
			t.Fatal(err)
		}
		v, err := newVerifier(o.Key)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parseCheckpoint([]byte(c.Checkpoint), o.LogID)
		if err != nil {
			t.Fatal(err)
		}
		head, err := parsed.open(o.origin(), v)
		if err != nil || head.Size != 115474666 || head.Timestamp == 0 {
			t.Errorf("%s: head %+v, error %v", c.Origin, head, err)
		}
		verified++
	}
	if verified != 1 {
		t.Errorf("%d checkpoints verified", verified)
	}
}
