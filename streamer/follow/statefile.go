package follow

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/durable"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// The state file is a line `certstream-state <version> <SHA-256 of the rest, hex>` and JSON.
const (
	stateMagic   = "certstream-state"
	stateVersion = 1
	maxStateFile = 64 << 20
)

var (
	errVersion = errors.New("unknown version of the state")
	errTorn    = errors.New("the file is torn")
)

// savedState is a generation of the state.
type savedState struct {
	Generation uint64    `json:"generation"`
	SavedAt    time.Time `json:"saved_at"`
	// Epoch names the numbering; Offset is the last entry that the positions cover; offsets up to Reserved may be in use unless
	// Clean says that Offset was the last one used.
	Epoch    string `json:"epoch"`
	Offset   uint64 `json:"offset"`
	Reserved uint64 `json:"reserved"`
	Clean    bool   `json:"clean"`
	// Holes are the offsets that runs which did not end clean have left without anything that counts.
	Holes []engine.Hole `json:"holes,omitempty"`
	// Logs is by log id in hex, Imported the next index by normalised URL.
	Logs     map[string]LogState `json:"logs"`
	Imported map[string]uint64   `json:"imported,omitempty"`
}

// LogState is what is kept of a log.
type LogState struct {
	// URL and Name are for people.
	URL  string `json:"url"`
	Name string `json:"name"`
	// Position is the index of the next entry to emit.
	Position uint64 `json:"position"`
	// Verified is the frontier proved last, Tip the one at Position; both are absent while the log is streamed unverified.
	Verified *SavedTree `json:"verified,omitempty"`
	Tip      *SavedTree `json:"tip,omitempty"`
	Head     SavedHead  `json:"head"`
	// Anchor is the newest head that is proved to agree with all before it; Joined says that the frontiers are of its tree.
	Anchor *SavedHead `json:"anchor,omitempty"`
	Joined bool       `json:"joined,omitempty"`
	// Open are heads that are still to be compared.
	Open []SavedHead `json:"open,omitempty"`
	// Misbehaviour is the mark of a log that was caught.
	Misbehaviour *Misbehaviour `json:"misbehaviour,omitempty"`
	// Heard is when the log last answered.
	Heard time.Time `json:"heard"`
	Start StartInfo `json:"start"`
}

// SavedHead is a tree head as the log sent it, and, of the newest, when its size was first seen.
type SavedHead struct {
	Size      uint64    `json:"size"`
	Timestamp uint64    `json:"timestamp"`
	Root      []byte    `json:"root"`
	Raw       []byte    `json:"raw,omitempty"`
	Seen      time.Time `json:"seen,omitzero"`
}

// SavedTree is a ctlog.Frontier in short: its nodes one after the other.
type SavedTree struct {
	Size  uint64 `json:"size"`
	Nodes []byte `json:"nodes"`
}

func saveTree(f ctlog.Frontier) *SavedTree {
	t := &SavedTree{Size: f.Size, Nodes: make([]byte, 0, len(f.Nodes)*len(ctlog.Hash{}))}
	for i := range f.Nodes {
		t.Nodes = append(t.Nodes, f.Nodes[i][:]...)
	}
	return t
}

// frontier is the tree as ctlog has it, or an error when it cannot be one.
func (t *SavedTree) frontier() (ctlog.Frontier, error) {
	f := ctlog.Frontier{Size: t.Size}
	nodes := t.Nodes
	for ; len(nodes) >= len(ctlog.Hash{}); nodes = nodes[len(ctlog.Hash{}):] {
		f.Nodes = append(f.Nodes, ctlog.Hash(nodes[:len(ctlog.Hash{})]))
	}
	if len(nodes) > 0 {
		return f, errors.New("a node of a frontier is cut")
	}
	return f, f.Check()
}

func encodeState(s *savedState) ([]byte, error) {
	body, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encoding the state: %w", err)
	}
	b := append(fmt.Appendf(nil, "%s %d %x\n", stateMagic, stateVersion, sha256.Sum256(body)), body...)
	if len(b) > maxStateFile {
		return nil, fmt.Errorf("encoding the state: %d bytes are more than the %d that the next start would read", len(b), maxStateFile)
	}
	return b, nil
}

func readState(from durable.FS, path string) (savedState, error) {
	b, err := durable.ReadFile(from, path, maxStateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return savedState{}, err
	}
	if err != nil {
		return savedState{}, fmt.Errorf("%w: %w", errTorn, err)
	}
	return parseState(b)
}

// SavedLog is what the newest whole checkpoint in a state directory says of a log. The directory may be in use.
func SavedLog(dir string, id engine.Fingerprint) (LogState, bool, error) {
	newest, err := newestState(dir)
	l, ok := newest.Logs[logKey(id)]
	return l, ok, err
}

// SavedHoles are the holes of the numbering, as the newest whole checkpoint in a state directory says. The directory may be in use.
func SavedHoles(dir string) ([]engine.Hole, error) {
	newest, err := newestState(dir)
	return newest.Holes, err
}

func newestState(dir string) (newest savedState, err error) {
	var failed []error
	for _, name := range slots {
		state, err := readState(durable.Disk{}, filepath.Join(dir, name))
		if err != nil {
			failed = append(failed, err)
		} else if state.Generation > newest.Generation {
			newest = state
		}
	}
	if len(failed) == len(slots) {
		return savedState{}, fmt.Errorf("%w: %w", ErrState, errors.Join(failed...))
	}
	return newest, nil
}

// Heads are the signed tree heads kept of a log.
func (l LogState) Heads() (heads []ctlog.TreeHead) {
	for _, h := range []*SavedHead{l.Anchor, &l.Head} {
		if head := h.head(); head.Size > 0 && !slices.ContainsFunc(heads, func(other ctlog.TreeHead) bool { return same(head, other) }) {
			heads = append(heads, head)
		}
	}
	return heads
}

// parseState reads a state file. errVersion: it was written by another version of this program; errTorn: it is not whole.
func parseState(b []byte) (savedState, error) {
	line, body, ok := bytes.Cut(b, []byte("\n"))
	var version int
	var sum string
	if _, err := fmt.Sscanf(string(line[:min(len(line), 128)]), stateMagic+" %d %s", &version, &sum); err != nil || !ok {
		return savedState{}, fmt.Errorf("%w: no header", errTorn)
	}
	if version != stateVersion {
		return savedState{}, fmt.Errorf("%w: %d, this program knows %d; use the program that wrote it or another state.dir", errVersion,
			version, stateVersion)
	}
	if actual := sha256.Sum256(body); sum != hex.EncodeToString(actual[:]) {
		return savedState{}, fmt.Errorf("%w: the checksum does not match", errTorn)
	}
	return parseBody(body)
}

// parseBody reads and checks what follows the header.
func parseBody(body []byte) (savedState, error) {
	var s savedState
	if err := json.Unmarshal(body, &s); err != nil {
		return savedState{}, fmt.Errorf("%w: %w", errTorn, err)
	}
	for id, l := range s.Logs {
		if err := l.check(); err != nil {
			return savedState{}, fmt.Errorf("%w: log %.16s: %w", errTorn, id, err)
		}
	}
	if s.Epoch == "" {
		return savedState{}, fmt.Errorf("%w: no epoch", errTorn)
	}
	return s, nil
}

// check refuses a state that cannot be.
func (l LogState) check() error {
	if (l.Verified == nil) != (l.Tip == nil) {
		return errors.New("one of two frontiers is missing")
	}
	if l.Tip == nil {
		return nil
	}
	if _, _, err := l.trees(); err != nil {
		return err
	}
	if l.Tip.Size != l.Position || l.Verified.Size > l.Position {
		return fmt.Errorf("frontiers of sizes %d and %d at position %d", l.Verified.Size, l.Tip.Size, l.Position)
	}
	return nil
}

var errUnverified = errors.New("the position is not verified")

// trees gives both frontiers.
func (l LogState) trees() (verified, tip ctlog.Frontier, err error) {
	if l.Verified == nil || l.Tip == nil {
		return verified, tip, errUnverified
	}
	if verified, err = l.Verified.frontier(); err != nil {
		return verified, tip, err
	}
	tip, err = l.Tip.frontier()
	return verified, tip, err
}
