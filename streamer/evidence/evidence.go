// Package evidence is what is kept when a log is caught lying: a file that proves it by itself, to anybody, with nothing but the
// log's public key.
package evidence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
)

// Kind says what a log did.
type Kind string

// The kinds of misbehaviour.
const (
	// TwoRoots: the log signed two roots for one size.
	TwoRoots Kind = "two_roots"
	// Fork: the log signed two trees of which the smaller is not a beginning of the larger.
	Fork Kind = "fork"
	// Rollback: the log signed a smaller tree later than a larger one, by more than its maximum merge delay.
	Rollback Kind = "rollback"
	// WrongEntry: the log serves another entry than the one in its tree.
	WrongEntry Kind = "wrong_entry"
	// FinalHead: the final head of a read-only log is not the one that the log list states.
	FinalHead Kind = "final_head"
	// Unexplained: entries that were read again and again do not lead to the log's root, or the log proves nothing, and what is
	// wrong could not be found out. The file is a record, not a proof.
	Unexplained Kind = "unexplained"
)

// MaxBytes bounds a file: the largest entry that there can be, and what belongs to it.
const MaxBytes = 32 << 20

// version is the format's.
const version = 1

// Evidence is a file's content.
type Evidence struct {
	Version int       `json:"version"`
	Kind    Kind      `json:"kind"`
	Why     string    `json:"why"`
	Seen    time.Time `json:"seen"`
	Log     Log       `json:"log"`
	// Heads are the signed tree heads concerned, the older or smaller one first.
	Heads []Head `json:"heads"`
	// Proof is an audit path in the tree of the last head: of a fork, that of the older tree's last leaf; of a wrong entry, that of
	// the tree's own leaf.
	Proof *Proof `json:"proof,omitempty"`
	// Entry is what the log served in place of the tree's leaf.
	Entry *Entry `json:"entry,omitempty"`
}

// Log is the accused.
type Log struct {
	Name     string `json:"name"`
	Operator string `json:"operator"`
	URL      string `json:"url"`
	LogID    []byte `json:"log_id"`
	// Key is the DER of the log's public key; empty for a log that is followed without one, against which nothing can be proved.
	Key        []byte  `json:"key,omitempty"`
	MMDSeconds float64 `json:"mmd_seconds,omitempty"`
}

// Head is a tree head. Raw is the log's answer as it was; a head that only a log list states has none.
type Head struct {
	Size      uint64 `json:"size"`
	Timestamp uint64 `json:"timestamp"`
	Root      []byte `json:"root"`
	Raw       []byte `json:"raw,omitempty"`
}

// Proof is an audit path (RFC 6962 §2.1.1).
type Proof struct {
	Index    uint64   `json:"index"`
	Size     uint64   `json:"size"`
	LeafHash []byte   `json:"leaf_hash"`
	Path     [][]byte `json:"path"`
}

// Entry is a MerkleTreeLeaf as served (RFC 6962 §3.4).
type Entry struct {
	Index     uint64 `json:"index"`
	LeafInput []byte `json:"leaf_input"`
}

// HeadOf is a head as a file has it.
func HeadOf(h ctlog.TreeHead) Head {
	return Head{Size: h.Size, Timestamp: h.Timestamp, Root: h.Root[:], Raw: h.Raw}
}

// ProofOf is a path as a file has it.
func ProofOf(i ctlog.Inclusion) *Proof {
	p := &Proof{Index: i.Index, Size: i.Size, LeafHash: i.Leaf[:], Path: make([][]byte, len(i.Path))}
	for n := range i.Path {
		p.Path[n] = i.Path[n][:]
	}
	return p
}

// Encode writes a file.
func (e *Evidence) Encode() ([]byte, error) {
	e.Version = version
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding evidence: %w", err)
	}
	if len(b) >= MaxBytes {
		return nil, fmt.Errorf("encoding evidence: %d bytes are more than the %d that a file may have", len(b), MaxBytes)
	}
	return append(b, '\n'), nil
}

// ErrFormat says that a file is no evidence of ours.
var ErrFormat = errors.New("not an evidence file")

// Read reads a file.
func Read(r io.Reader) (*Evidence, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading evidence: %w", err)
	}
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrFormat, MaxBytes)
	}
	e := new(Evidence)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if e.Version != version {
		return nil, fmt.Errorf("%w: version %d, this program knows %d", ErrFormat, e.Version, version)
	}
	return e, nil
}
