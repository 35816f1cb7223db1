// Package ctlog reads one Certificate Transparency log, by RFC 6962 or static-ct-api, behind one interface. It knows the
// log's protocol, its signatures and its Merkle tree, and nothing else: pacing, retries and positions belong to follow.
package ctlog

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Hash is a SHA-256 value: a leaf hash, a node, a root, a log id, a certificate's fingerprint.
type Hash [32]byte

// TreeHead is a signed tree head (RFC 6962 §3.5) or a checkpoint (static-ct-api), its signature verified.
type TreeHead struct {
	// Size is the number of entries, Timestamp the signing time in ms since 1970, Root the tree's root.
	Size      uint64
	Timestamp uint64
	Root      Hash
	// Raw is the answer as the log sent it: evidence, should the log be found to lie.
	Raw []byte
}

// Entry is a leaf as a log serves it. Its slices borrow from the Batch it came in.
type Entry struct {
	// Index is the position in the log, Timestamp the SCT's time in ms, Type the entry_type of RFC 6962 §3.1.
	Index     uint64
	Timestamp uint64
	Type      uint16
	// LeafHash is the Merkle leaf hash (RFC 6962 §2.1).
	LeafHash Hash
	// Certificate is the DER to show: the leaf, or the precertificate as submitted. It is nil when there is none to be read.
	Certificate []byte
	// Chain holds the issuing certificates' DER, the leaf's issuer first (RFC 6962 logs).
	Chain [][]byte
	// Issuers holds the issuing certificates' fingerprints, the leaf's issuer first (tiled logs).
	Issuers []Hash
	// Malformed says what could not be read: an unknown version or type, broken extra_data. Empty for nearly all entries.
	Malformed string

	leaf  []byte // the MerkleTreeLeaf, on tiles without its first two bytes
	tiled bool
}

// LeafInput is a copy of the MerkleTreeLeaf (RFC 6962 §3.4) that is hashed for the tree.
func (e *Entry) LeafInput() []byte {
	if e.tiled {
		return append([]byte{0, 0}, e.leaf...)
	}
	return slices.Clone(e.leaf)
}

// Batch is a run of consecutive entries.
type Batch struct {
	// Entries starts at the index asked for; there may be fewer than asked.
	Entries []Entry
	// Bytes is what was read from the wire for it, Fetched the number of entries that were in the answer, those before and after
	// the ones asked for too; both are 0 for what was there already.
	Bytes, Fetched int

	release func()
}

// Release gives the batch's memory back. The entries must not be used afterwards.
func (b *Batch) Release() {
	if b != nil && b.release != nil {
		b.release()
	}
}

// Log is one log. Implementations are safe for concurrent use and keep no goroutine of their own.
type Log interface {
	// Head fetches the newest tree head and verifies its signature.
	Head(ctx context.Context) (TreeHead, error)
	// Entries fetches entries from start up to, not including, end, of a tree of head.Size ≥ end. It makes one request's
	// worth: a short answer is normal, and Page says how to align. It never returns an empty batch without an error, and
	// never entries at or beyond end. Each entry's leaf index is checked where the protocol has one.
	Entries(ctx context.Context, head TreeHead, start, end uint64) (*Batch, error)
	// Page is the number of entries that the log serves at once, as learned so far: ranges that end at its multiples are the
	// cheapest. It is 256 for tiled logs.
	Page() uint64
	// Frontier fetches what is needed to continue the tree of the given head: the roots of its complete left subtrees,
	// checked against the head's root.
	Frontier(ctx context.Context, head TreeHead) (*Frontier, error)
	// FrontierAt fetches the frontier of a smaller size of the same tree, proved to lead to head. ErrNoProof where the
	// protocol or the log offers none.
	FrontierAt(ctx context.Context, head TreeHead, size uint64) (*Frontier, error)
	// Consistency fetches the proof that one head's tree is the beginning of a larger one's (RFC 6962 §2.1.2) and checks it. The
	// proof is returned as it was given when it is wrong, too.
	Consistency(ctx context.Context, older, newer TreeHead) ([]Hash, error)
	// Inclusion fetches the audit path of a leaf of the head's tree and checks it. The leaf is the tree's, whatever is served.
	Inclusion(ctx context.Context, head TreeHead, index uint64) (Inclusion, error)
	// Issuer fetches an issuing certificate by fingerprint and checks it (tiled logs; others return ErrNoProof).
	Issuer(ctx context.Context, fingerprint Hash) ([]byte, error)
	// Close drops idle connections.
	Close()
}

// Kind says what went wrong with a request, so that a follower knows what to do.
type Kind string

// The kinds of failure; see the failure catalogue for what each stands for.
const (
	RateLimited  Kind = "rate_limited" // 429, or 403 that asks to go slower
	Forbidden    Kind = "forbidden"    // 403
	NotYet       Kind = "not_yet"      // 400 or 404 for what a lagging frontend does not have yet, or a partial tile not due
	ServerError  Kind = "server_error" // 5xx and unexpected statuses
	Timeout      Kind = "timeout"
	Network      Kind = "network" // connect, DNS, reset, GOAWAY
	TLS          Kind = "tls"
	Redirected   Kind = "redirected"
	Malformed    Kind = "malformed" // an answer that is not what the protocol says
	BadSignature Kind = "bad_signature"
	BadProof     Kind = "bad_proof" // hashes that do not lead to the root
	NoProof      Kind = "no_proof"  // the log does not offer it
	Refused      Kind = "refused"   // the address is not allowed by our own policy
)

// Error is what every method of Log returns when it fails. It never holds more than 200 bytes of what a log sent.
type Error struct {
	Kind Kind
	// Op is what was being done, Status the HTTP status or 0.
	Op     string
	Status int
	// RetryAfter is how long the log asked to wait, 0 if it did not.
	RetryAfter time.Duration
	// Detail is for people.
	Detail string
	Err    error
}

// Error is the text for logs and /status.
func (e *Error) Error() string {
	s := e.Op
	if e.Status != 0 {
		s += fmt.Sprintf(": HTTP %d", e.Status)
	}
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Request describes one HTTP request to Hooks.
type Request struct {
	// What is the kind of request, for metrics: "head", "entries", "tile", "partial_tile", "issuer", "proof".
	What string
}

// Outcome is how a request ended.
type Outcome struct {
	Request
	// Kind is empty for success.
	Kind       Kind
	Status     int
	RetryAfter time.Duration
	Bytes      int
	Duration   time.Duration
}

// Hooks let the follower pace and count every single HTTP request that a Log makes.
type Hooks struct {
	// Before blocks until the request may be made, or returns an error that ends it.
	Before func(ctx context.Context, r Request) error
	// After is told how it ended.
	After func(o Outcome)
}
