package testlog

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// Entry is what a log holds. It must not be changed once it has been appended; the same Entry may be appended to several
// logs, or many times to one (duplicates are legal), and costs its memory once.
type Entry struct {
	// Precert says which entry_type this is.
	Precert bool
	// DER is the certificate, or the precertificate as submitted.
	DER []byte
	// TBS and IssuerKeyHash are a precert's: its TBSCertificate without poison and SCTs, and SHA-256 of the issuer's SPKI.
	TBS           []byte
	IssuerKeyHash Hash
	// Chain is the issuing certificates, the leaf's issuer first.
	Chain [][]byte
	// Issuers are the fingerprints of Chain. They are made of Chain when nil; entries out of a tile have them even where the
	// certificates are missing.
	Issuers []Hash
	// Timestamp is the SCT's time in ms; 0 means the time of Append.
	Timestamp uint64
	// LeafInput and ExtraData replace, on RFC 6962 logs, what would be served: for entries that no sane log would hold. The
	// tree is over LeafInput.
	LeafInput, ExtraData []byte
}

// stored is an entry at its place in a log.
type stored struct {
	*Entry
	timestamp uint64
}

func u24(b []byte, n int) []byte { return append(b, byte(n>>16), byte(n>>8), byte(n)) }

// appendTimestamped adds the TimestampedEntry of RFC 6962 §3.4 with the given CtExtensions.
func (s stored) appendTimestamped(b, extensions []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.timestamp)
	signed := s.DER
	if s.Precert {
		b = append(append(b, 0, 1), s.IssuerKeyHash[:]...)
		signed = s.TBS
	} else {
		b = append(b, 0, 0)
	}
	b = append(u24(b, len(signed)), signed...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(extensions)))
	return append(b, extensions...)
}

// appendLeafInput adds the MerkleTreeLeaf.
func (s stored) appendLeafInput(b, extensions []byte) []byte {
	if s.LeafInput != nil {
		return append(b, s.LeafInput...)
	}
	return s.appendTimestamped(append(b, 0, 0), extensions)
}

// appendExtraData adds the extra_data of get-entries (RFC 6962 §4.6).
func (s stored) appendExtraData(b []byte) []byte {
	if s.ExtraData != nil {
		return append(b, s.ExtraData...)
	}
	if s.Precert {
		b = append(u24(b, len(s.DER)), s.DER...)
	}
	total := 0
	for _, c := range s.Chain {
		total += 3 + len(c)
	}
	b = u24(b, total)
	for _, c := range s.Chain {
		b = append(u24(b, len(c)), c...)
	}
	return b
}

// appendTileEntry adds the TileLeaf of static-ct-api.
func (s stored) appendTileEntry(b, extensions []byte, issuers []Hash) []byte {
	b = s.appendTimestamped(b, extensions)
	if s.Precert {
		b = append(u24(b, len(s.DER)), s.DER...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(32*len(issuers)))
	for _, i := range issuers {
		b = append(b, i[:]...)
	}
	return b
}

// leafIndex is the CtExtensions of static-ct-api for an index.
func leafIndex(index uint64) []byte {
	return []byte{0, 0, 5, byte(index >> 32), byte(index >> 24), byte(index >> 16), byte(index >> 8), byte(index)}
}

// ParseTile reads the entries of a data tile (inflated), such as a real log's. The issuers' certificates are looked up by
// fingerprint; an entry of which one is missing has Issuers but no Chain.
func ParseTile(tile []byte, issuer func(Hash) []byte) ([]*Entry, error) {
	var entries []*Entry
	for s := cryptobyte.String(tile); !s.Empty(); {
		e, err := parseTileEntry(&s)
		if err != nil {
			return nil, fmt.Errorf("entry %d of the tile: %w", len(entries), err)
		}
		e.Chain = lookUp(e.Issuers, issuer)
		entries = append(entries, e)
	}
	return entries, nil
}

func lookUp(fingerprints []Hash, issuer func(Hash) []byte) [][]byte {
	var chain [][]byte
	for _, f := range fingerprints {
		der := issuer(f)
		if der == nil {
			return nil
		}
		chain = append(chain, der)
	}
	return chain
}

var errTruncated = errors.New("truncated")

func parseTileEntry(s *cryptobyte.String) (*Entry, error) {
	var kind uint16
	var signed, extensions, fingerprints cryptobyte.String
	e := new(Entry)
	if !s.ReadUint64(&e.Timestamp) || !s.ReadUint16(&kind) || kind > 1 {
		return nil, errTruncated
	}
	e.Precert = kind == 1
	if e.Precert && !s.CopyBytes(e.IssuerKeyHash[:]) {
		return nil, errTruncated
	}
	if !s.ReadUint24LengthPrefixed(&signed) || !s.ReadUint16LengthPrefixed(&extensions) {
		return nil, errTruncated
	}
	e.DER = signed
	if e.Precert {
		var precert cryptobyte.String
		if !s.ReadUint24LengthPrefixed(&precert) {
			return nil, errTruncated
		}
		e.TBS, e.DER = signed, precert
	}
	if !s.ReadUint16LengthPrefixed(&fingerprints) || len(fingerprints)%32 != 0 {
		return nil, errTruncated
	}
	for !fingerprints.Empty() {
		var f Hash
		fingerprints.CopyBytes(f[:])
		e.Issuers = append(e.Issuers, f)
	}
	return e, nil
}

// ParseGetEntries reads the entries of a get-entries answer, such as a real log's.
func ParseGetEntries(answer []byte) ([]*Entry, error) {
	var a struct {
		Entries []struct {
			LeafInput []byte `json:"leaf_input"`
			ExtraData []byte `json:"extra_data"`
		} `json:"entries"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return nil, fmt.Errorf("reading a get-entries answer: %w", err)
	}
	var entries []*Entry
	for i, raw := range a.Entries {
		e, err := parseLeaf(raw.LeafInput, raw.ExtraData)
		if err != nil {
			return nil, fmt.Errorf("entry %d of a get-entries answer: %w", i, err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func parseLeaf(leaf, extra []byte) (*Entry, error) {
	var version, leafType uint8
	var kind uint16
	var signed, precert, chain cryptobyte.String
	e := new(Entry)
	s, x := cryptobyte.String(leaf), cryptobyte.String(extra)
	if !s.ReadUint8(&version) || !s.ReadUint8(&leafType) || !s.ReadUint64(&e.Timestamp) || !s.ReadUint16(&kind) || kind > 1 {
		return nil, errTruncated
	}
	e.Precert = kind == 1
	if e.Precert && (!s.CopyBytes(e.IssuerKeyHash[:]) || !x.ReadUint24LengthPrefixed(&precert)) {
		return nil, errTruncated
	}
	if !s.ReadUint24LengthPrefixed(&signed) || !x.ReadUint24LengthPrefixed(&chain) {
		return nil, errTruncated
	}
	e.DER = signed
	if e.Precert {
		e.TBS, e.DER = signed, precert
	}
	for !chain.Empty() {
		var c cryptobyte.String
		if !chain.ReadUint24LengthPrefixed(&c) {
			return nil, errTruncated
		}
		e.Chain = append(e.Chain, c)
		e.Issuers = append(e.Issuers, sha256.Sum256(c))
	}
	return e, nil
}

// tileRest is what follows the first entry of a data tile, nil when it does not parse.
func tileRest(tile []byte) []byte {
	s := cryptobyte.String(tile)
	if _, err := parseTileEntry(&s); err != nil {
		return nil
	}
	return tile[len(tile)-len(s):]
}
