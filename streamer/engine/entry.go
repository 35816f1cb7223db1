package engine

import "time"

// Fingerprint is the SHA-256 of a certificate's DER.
type Fingerprint [32]byte

// EntryType is the entry_type of RFC 6962 §3.1. Values other than the two named are kept as the log sent them.
type EntryType uint16

// The entry types of RFC 6962 §3.1.
const (
	X509Entry    EntryType = 0
	PrecertEntry EntryType = 1
)

// Protocol is how a log is read.
type Protocol string

// The two protocols of Certificate Transparency logs, as messages name them.
const (
	RFC6962 Protocol = "rfc6962"
	Tiled   Protocol = "tiled"
)

// Source is a log as its entries know it. It is immutable and shared by all entries of the log.
type Source struct {
	// LogID is SHA-256 of the log's public key (RFC 6962 §3.2): the log's identity.
	LogID Fingerprint
	// Name is the log's description in the log list, Operator its operator's name.
	Name, Operator string
	// URL is the prefix the log is read from, without a trailing slash.
	URL string
	// Protocol says how cert_link is made.
	Protocol Protocol
}

// Entry is one leaf of a log in its smallest form. What an engine returns borrows from the engine's memory: it must not be
// modified, and it stays valid as long as it is referenced.
type Entry struct {
	// Offset is the entry's number in the engine's epoch. Append sets it.
	Offset uint64
	// Source is the log the entry is from, and Index its position there.
	Source *Source
	Index  uint64
	// Timestamp is the SCT's time, in ms since 1970, as the log states it: never order or wait by it.
	Timestamp uint64
	// Seen is when the entry was read from the log, in ms since 1970.
	Seen int64
	// Type is the entry's type; certificates of an unknown type have no DER.
	Type EntryType
	// DER is the certificate to show: the leaf, or for a precertificate the precertificate as submitted, poison and all.
	DER []byte
	// Chain holds the fingerprints of the issuing certificates, the leaf's issuer first, to be looked up in Issuers.
	Chain []Fingerprint
	// Malformed says what of the entry, apart from the certificate itself, could not be read; it is empty for nearly all.
	Malformed string
}

// SeenTime is Seen as a time.
func (e *Entry) SeenTime() time.Time { return time.UnixMilli(e.Seen) }
