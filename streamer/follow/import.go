package follow

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// Imported holds positions taken over from another certstream server.
type Imported struct {
	// Kind is the server the file came from: "rust" or "go".
	Kind string
	// Positions is the next index to read by normalised URL.
	Positions map[string]uint64
}

const maxImport = 16 << 20

// ImportState reads a peer's state file: that of certstream-server-rust,
//
//	{"version":1,"logs":{"https://…":{"current_index":N,"tree_size":N,"last_success":…}}}
//
// with or without the envelope, or the ct_index.json of certstream-server-go, {"https://…":N}. Where a peer reads the last index
// again after a restart, so do we: an entry may repeat, none is lost.
func ImportState(r io.Reader) (Imported, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxImport+1))
	if err != nil {
		return Imported{}, fmt.Errorf("reading the state file: %w", err)
	}
	if len(b) > maxImport {
		return Imported{}, fmt.Errorf("the state file is larger than %d bytes", maxImport)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return Imported{}, fmt.Errorf("the state file is not a JSON object: %w", err)
	}
	if logs, ok := fields["logs"]; ok {
		var version int
		if raw, ok := fields["version"]; ok && (json.Unmarshal(raw, &version) != nil || version != 1) {
			return Imported{}, fmt.Errorf("the state file has version %.20s: only version 1 of certstream-server-rust is known", raw)
		}
		fields = nil
		if err := json.Unmarshal(logs, &fields); err != nil {
			return Imported{}, fmt.Errorf("the state file's \"logs\" is not an object: %w", err)
		}
	}
	return importLogs(fields)
}

func importLogs(fields map[string]json.RawMessage) (Imported, error) {
	i := Imported{Kind: "go", Positions: map[string]uint64{}}
	for address, raw := range fields {
		if u := normalURL(address); u != "" {
			index, kind, err := importIndex(raw)
			if err != nil {
				return Imported{}, fmt.Errorf("the state of %.200q: %w", address, err)
			}
			if old, twice := i.Positions[u]; twice {
				index = min(index, old)
			}
			i.Positions[u], i.Kind = index, kind
		}
	}
	if len(i.Positions) == 0 {
		return Imported{}, errors.New("the state file names no log by URL: want that of certstream-server-rust or ct_index.json")
	}
	return i, nil
}

// importIndex reads a log's position: a bare number, or an object with current_index.
func importIndex(raw json.RawMessage) (index uint64, kind string, err error) {
	if json.Unmarshal(raw, &index) == nil {
		return index, "go", nil
	}
	var log struct {
		CurrentIndex *uint64 `json:"current_index"`
	}
	if err := json.Unmarshal(raw, &log); err != nil || log.CurrentIndex == nil {
		return 0, "", errors.New("want an index, or an object with current_index")
	}
	return *log.CurrentIndex, "rust", nil
}

// normalURL makes addresses of the same log equal: without scheme, trailing slash, and in lower case where that is allowed. It
// is "" for what is no address of a log.
func normalURL(s string) string {
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || !strings.Contains(u.Host, ".") && !strings.Contains(u.Host, ":") && u.Host != "localhost" {
		return ""
	}
	return strings.ToLower(u.Host) + strings.TrimRight(u.EscapedPath(), "/")
}
