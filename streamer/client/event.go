package client

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Event is a decoded message: *Certificate, *DomainNames, *Heartbeat, *Gap, *Unknown, or the client's own *Reconnecting.
type Event interface{ event() }

// Certificate is a message of the full and lite streams. Fields that a server does not send are empty.
type Certificate struct {
	// Cursor is what to resume after.
	Cursor string `json:"-"`
	// UpdateType is X509LogEntry or PrecertLogEntry.
	UpdateType string `json:"update_type"`
	// Leaf is the certificate, Chain its issuers, the leaf's first.
	Leaf  Leaf   `json:"leaf_cert"`
	Chain []Leaf `json:"chain"`
	// Index is the entry's position in its log, Link the URL it can be had at.
	Index uint64 `json:"cert_index"`
	Link  string `json:"cert_link"`
	// Seen is when the server read it, Submitted the SCT's time.
	Seen      Time   `json:"seen"`
	Submitted Time   `json:"submission_timestamp"`
	Source    Source `json:"source"`
	// Err says what of the message could not be decoded, nil as a rule: the other fields hold what could.
	Err error `json:"-"`
}

// IsPrecertificate says that it is a precertificate: what a CA logs before it issues the certificate itself.
func (c *Certificate) IsPrecertificate() bool { return c.UpdateType == "PrecertLogEntry" }

// ID names the entry: its log's URL and its index. What a server repeats after a crash has the same ID under a new cursor.
func (c *Certificate) ID() string {
	return strings.TrimSuffix(c.Source.URL, "/") + "#" + strconv.FormatUint(c.Index, 10)
}

// Source is the log an entry is from.
type Source struct {
	URL      string `json:"url"`
	Name     string `json:"name"`
	Operator string `json:"operator"`
	// Type is rfc6962 or tiled.
	Type  string `json:"type"`
	LogID string `json:"log_id"`
}

// Leaf is a certificate in a message.
type Leaf struct {
	Subject            Name           `json:"subject"`
	Issuer             Name           `json:"issuer"`
	SerialNumber       string         `json:"serial_number"`
	NotBefore          Time           `json:"not_before"`
	NotAfter           Time           `json:"not_after"`
	Fingerprint        string         `json:"fingerprint"`
	SHA1               string         `json:"sha1"`
	SHA256             string         `json:"sha256"`
	SignatureAlgorithm string         `json:"signature_algorithm"`
	IsCA               bool           `json:"is_ca"`
	AllDomains         []string       `json:"all_domains"`
	DER                []byte         `json:"as_der"`
	Extensions         map[string]any `json:"extensions"`
	// ParseError says what of the certificate could not be read.
	ParseError string `json:"parse_error"`
}

// Name is a distinguished name. Fields that it does not have, or that the server does not send, are empty.
type Name struct {
	CN         string `json:"CN"`
	O          string `json:"O"`
	OU         string `json:"OU"`
	C          string `json:"C"`
	L          string `json:"L"`
	ST         string `json:"ST"`
	Email      string `json:"email_address"`
	Aggregated string `json:"aggregated"`
}

// Time is a time that servers send as seconds since 1970, whole or not; Elixir's "no_expiration" is the zero time.
type Time struct{ time.Time }

// UnmarshalJSON reads a number; anything else is the zero time.
func (t *Time) UnmarshalJSON(b []byte) error {
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.Abs(seconds) > 1<<40 {
		*t = Time{}
		return nil
	}
	t.Time = time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
	return nil
}

// DomainNames is a message of the domains-only stream.
type DomainNames struct {
	Cursor string
	Names  []string
}

// Heartbeat says that the server lives, and that everything up to the cursor has been evaluated for this client.
type Heartbeat struct {
	Cursor string
	Time   Time
}

// GapReason says why messages are missing.
type GapReason string

// The reasons of gaps. All but the last are the server's.
const (
	GapSlow      GapReason = "slow"      // the loop has fallen behind what the server holds
	GapExpired   GapReason = "expired"   // the cursor or time is older than what the server holds
	GapEpoch     GapReason = "epoch"     // the server has begun to count anew: it has lost its state, or is another one
	GapSegment   GapReason = "segment"   // the server's disk lacks them: never written, or damaged
	GapIngest    GapReason = "ingest"    // the server has skipped entries of a log, as it was configured to
	GapUnresumed GapReason = "unresumed" // the client's own: it was away, and the server has no cursors to go on after
)

// Gap says that messages are missing: those that would have come between the event before it and the one after it.
type Gap struct {
	// Cursor is behind the gap; "" of GapIngest and GapUnresumed.
	Cursor string    `json:"-"`
	Reason GapReason `json:"reason"`
	// Missed counts the entries: exactly, or as an upper bound where a filter, dedup or the domains-only stream would have let
	// less through. -1 where nobody can know.
	Missed int64 `json:"-"`
	// From and To are the bounds: what came after From, up to and including To, is missing. Of GapIngest, Log, FromIndex and
	// ToIndex are: the entries of that log from FromIndex up to, not including, ToIndex.
	From      string `json:"from"`
	To        string `json:"to"`
	Log       string `json:"log"`
	FromIndex uint64 `json:"from_index"`
	ToIndex   uint64 `json:"to_index"`
}

// Reconnecting says that the connection ended, or could not be made, and when the next attempt is.
type Reconnecting struct {
	// Err is why: a *Closed, a *Refused, or what the network said.
	Err error
	// After is the wait before the next attempt.
	After time.Duration
}

// Unknown is a message of a type that this package does not know, or whose data is not what the type says, or that is no message.
type Unknown struct {
	Message Message
	// Err says what is wrong with the data, nil for an unknown type.
	Err error
}

func (*Certificate) event()  {}
func (*DomainNames) event()  {}
func (*Heartbeat) event()    {}
func (*Gap) event()          {}
func (*Reconnecting) event() {}
func (*Unknown) event()      {}
