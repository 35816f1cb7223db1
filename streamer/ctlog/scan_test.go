package ctlog

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// pair is an entry of a get-entries answer as encoding/json reads it.
type pair struct {
	LeafInput []byte `json:"leaf_input"`
	ExtraData []byte `json:"extra_data"`
}

// scanned reads an answer with the scanner.
func scanned(body []byte, most int) ([]pair, error) {
	var got []pair
	work := bytes.Clone(body)
	err := scanEntries(work, most, func(leaf, extra span) {
		got = append(got, pair{bytes.Clone(work[leaf.from:leaf.to]), bytes.Clone(work[extra.from:extra.to])})
	})
	return got, err
}

func TestScannerTakesLegalJSON(t *testing.T) {
	for _, body := range []string{
		`{"entries":[]}`, `{}`, ` { "entries" : [ ] } `, `{"a":{"b":[1,-2.5e+7,true,false,null,"\u00e9\""]},"entries":[]}`,
		`{"entries":[{"leaf_input":"AAEC","extra_data":"AwQ="}]}`,
		`{"entries":[{"extra_data":"AwQ=","leaf_input":"AAEC"},{"leaf_input":"\/\/\/\/","extra_data":""}]}`,
		`{"entries":[{"leaf_input":"\u0041AEC","x":{"leaf_input":"zz"}}],"z":0}`,
		`{"entr\u0069es":[{"leaf\u005finput":"AAEC"}]}`,
	} {
		got, err := scanned([]byte(body), 10)
		var want struct{ Entries []pair }
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		if err != nil || len(got) != len(want.Entries) {
			t.Errorf("%s: %d entries, error %v", body, len(got), err)
			continue
		}
		for i := range got {
			if !bytes.Equal(got[i].LeafInput, want.Entries[i].LeafInput) || !bytes.Equal(got[i].ExtraData, want.Entries[i].ExtraData) {
				t.Errorf("%s: entry %d differs", body, i)
			}
		}
	}
}

func TestScannerRefusesTheRest(t *testing.T) {
	whole := `{"entries":[{"leaf_input":"AAEC","extra_data":"AwQ="}]}`
	bad := []string{
		"", "[]", "null", `"x"`, "<html>", whole + "x", whole + whole, "\ufeff" + whole, `{"entries":{}}`, `{"entries":null}`,
		`{"entries":[{"leaf_input":"AAE"}]}`, `{"entries":[{"leaf_input":"A*EC"}]}`, `{"entries":[{"leaf_input":12}]}`,
		`{"entries":[{"extra_data":"AAEC"}]}`, `{"entries":[[]]}`, `{"entries":[{}]}`, `{"a":tru,"entries":[]}`, `{"a":01}`, `{"a":1.}`,
		`{"a":-}`, `{"a":1e}`, `{"a":"\x"}`, `{"a":"\u00g0"}`, `{"a" 1}`, `{"a":1,}`, `{"a":[1,]}`, `{"a":` + strings.Repeat("[", 100) +
			strings.Repeat("]", 100) + `}`, `{1:2}`,
	}
	for n := range whole {
		bad = append(bad, whole[:n])
	}
	for _, body := range bad {
		if got, err := scanned([]byte(body), 10); err == nil {
			t.Errorf("%s passes with %d entries", body, len(got))
		}
	}
	if _, err := scanned([]byte(whole), 0); err == nil || errors.Is(err, errJSON) {
		t.Errorf("one entry more than asked for: %v", err)
	}
}

func TestDecodingDoesNotAllocate(t *testing.T) {
	answer := served(t, testlog.Options{}, "ct/v1/get-entries?start=0&end=255")
	m := newBatch()
	work := bytes.Clone(answer)
	decode := func() {
		copy(work, answer)
		if err := m.decodeEntries(work, 0, perAnswer); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(10, decode); n > 4 {
		t.Errorf("get-entries: %v allocations for %d entries", n, perAnswer)
	}
	tile, err := inflate(served(t, testlog.Options{Static: true}, "tile/data/000"), defaultMaxBody)
	if err != nil {
		t.Fatal(err)
	}
	walk := func() {
		if err := m.decodeTile(tile, 0, tileWidth, false); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(10, walk); n > 4 {
		t.Errorf("data tile: %v allocations for %d entries", n, tileWidth)
	}
}
