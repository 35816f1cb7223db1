package ctlog

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// FuzzGetEntries holds the scanner against encoding/json: what it takes is legal JSON, and has the same entries.
func FuzzGetEntries(f *testing.F) {
	for _, s := range []string{
		`{"entries":[{"leaf_input":"AAEC","extra_data":"AwQ="}]}`, `{"entries":[{"extra_data":"","leaf_input":"\u0041A==","x":[1e5,null,{}]}]}`,
		`{}`, `{"a":"\ud83d\ude00\ud83d","entries":[]}`, "{\"entries\":[{\"leaf_input\":\"AA\\r\\nEC\"}]}", "{\"entries\":[{\"leaf_input\":\"AA\nEC\"}]}",
		`{"entries":[],"entries":[]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := scanned(body, 100)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("took what is not JSON: %q", body)
		}
		for i, want := range reference(t, body) {
			if i >= len(got) || !bytes.Equal(got[i].LeafInput, want["leaf_input"]) || !bytes.Equal(got[i].ExtraData, want["extra_data"]) {
				t.Fatalf("entry %d of %q differs", i, body)
			}
		}
	})
}

// reference reads the entries with encoding/json, whose maps, unlike its structs, tell keys apart by case.
func reference(t *testing.T, body []byte) []map[string][]byte {
	t.Helper()
	var outer map[string]json.RawMessage
	if err := json.Unmarshal(body, &outer); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	var entries []map[string]json.RawMessage
	if raw, ok := outer["entries"]; ok {
		if err := json.Unmarshal(raw, &entries); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
	}
	out := make([]map[string][]byte, len(entries))
	for i, e := range entries {
		out[i] = map[string][]byte{}
		for _, name := range []string{"leaf_input", "extra_data"} {
			var b []byte
			if raw, ok := e[name]; ok && json.Unmarshal(raw, &b) == nil {
				out[i][name] = b
			}
		}
	}
	return out
}

// FuzzLeaf reads any leaf_input and extra_data: nothing panics, nothing is invented.
func FuzzLeaf(f *testing.F) {
	entries, err := scanned(served(f, testlog.Options{}, "ct/v1/get-entries?start=0&end=15"), 16)
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		f.Add(e.LeafInput, e.ExtraData)
	}
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 7}, []byte{})
	f.Fuzz(func(t *testing.T, leaf, extra []byte) {
		var e Entry
		new(batchMemory).decodeLeaf(&e, leaf, extra)
		total := len(e.Certificate)
		for _, c := range e.Chain {
			total += len(c)
		}
		if total > len(leaf)+len(extra) {
			t.Errorf("%d bytes out of %d", total, len(leaf)+len(extra))
		}
		if e.Malformed == "" && e.Certificate == nil {
			t.Error("neither a certificate nor a word about it")
		}
	})
}

// FuzzDataTile reads any tile. One that is taken gives the leaf hashes of its own bytes, and leaves the bytes as they were.
func FuzzDataTile(f *testing.F) {
	tile, err := inflate(served(f, testlog.Options{Static: true}, "tile/data/000"), defaultMaxBody)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytes.Clone(tile.b[:2000]), uint8(3))
	var m batchMemory
	if err := m.decodeTile(tile, 0, tileWidth, false); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0, 0, 1, 0x90, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7, 0, 8, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0}, uint8(1))
	f.Add([]byte{}, uint8(0))
	f.Fuzz(func(t *testing.T, body []byte, width uint8) {
		buf := bufferOf(body)
		defer buf.free()
		var m batchMemory
		err := m.decodeTile(buf, 0, uint64(width), true)
		if !bytes.Equal(buf.b, body) {
			t.Fatal("the walk changed the tile")
		}
		if err == nil && len(m.entries) != int(width) {
			t.Errorf("%d entries of %d", len(m.entries), width)
		}
	})
}

func FuzzCheckpoint(f *testing.F) {
	l := testlog.New(testlog.Options{Static: true})
	f.Add(l.Checkpoint(l.Head()))
	f.Add([]byte("a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— a AAAAAAAA\n"))
	v, err := newVerifier(l.Key())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := parseCheckpoint(body, Hash(l.ID()))
		if err != nil {
			return
		}
		if head, err := c.open(c.origin, v); err == nil && (head.Root != Hash(l.Head().Root) || head.Size != l.Head().Size) {
			t.Errorf("a false checkpoint verifies: %q", body)
		}
	})
}

func FuzzSTH(f *testing.F) {
	l := testlog.New(testlog.Options{})
	f.Add(served(f, testlog.Options{}, "ct/v1/get-sth"))
	f.Add([]byte(`{"tree_size":1}`))
	v, err := newVerifier(l.Key())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		head, signature, err := parseSTH(body)
		if err == nil && v.verify(head, signature) == nil {
			t.Errorf("another log's head verifies: %q", body)
		}
	})
}

func FuzzProof(f *testing.F) {
	f.Add(served(f, testlog.Options{}, "ct/v1/get-entry-and-proof?leaf_index=7&tree_size=200"))
	f.Add(served(f, testlog.Options{}, "ct/v1/get-sth-consistency?first=7&second=200"))
	f.Add([]byte(`{"leaf_input":"AA==","audit_path":["AA=="]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if proof, err := parseHashes(body, "consistency"); err == nil && VerifyConsistency(7, 200, Hash{}, Hash{}, proof) == nil {
			t.Error("a proof of consistency leads to a root that has no preimage")
		}
		leaf, path, err := parseEntryAndProof(body)
		if err != nil {
			return
		}
		if VerifyInclusion(LeafHash(leaf), 7, 200, path, Hash{}) == nil {
			t.Error("a proof leads to a root that has no preimage")
		}
	})
}
