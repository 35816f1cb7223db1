package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Message is one message as it came.
type Message struct {
	// Type is message_type: certificate_update, dns_entries, heartbeat, gap, or one that a later server may add.
	Type string
	// Cursor is the position after the message, "" where the server tells none.
	Cursor string
	// Data is the value of "data".
	Data json.RawMessage
	// Raw is the whole message.
	Raw []byte

	reconnecting *Reconnecting
}

// Reconnecting is set on the messages that the client itself adds when a connection is lost.
func (m Message) Reconnecting() *Reconnecting { return m.reconnecting }

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

// Name is a distinguished name.
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

// Gap says that messages are missing.
type Gap struct {
	Cursor string `json:"-"`
	// Reason is slow, expired, epoch, segment or ingest.
	Reason string `json:"reason"`
	// Missed is their number, an upper bound where a filter is set; -1 where the server cannot know.
	Missed int64 `json:"-"`
	// From and To are the cursors around it; Log, FromIndex and ToIndex stand in their place for a skip in one log.
	From      string `json:"from"`
	To        string `json:"to"`
	Log       string `json:"log"`
	FromIndex uint64 `json:"from_index"`
	ToIndex   uint64 `json:"to_index"`
}

// Reconnecting says that the connection ended, or could not be made, and when the next attempt is.
type Reconnecting struct {
	Err   error
	After time.Duration
}

// Unknown is a message of a type that this package does not know, or whose data is not what the type says.
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

// parseMessage reads the envelope.
func parseMessage(raw []byte) (Message, error) {
	raw = bytes.TrimSpace(raw)
	if m, ok := cutMessage(raw); ok {
		return m, nil
	}
	var envelope struct {
		Type   string          `json:"message_type"`
		Cursor string          `json:"cursor"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return Message{}, fmt.Errorf("not a certstream message: %w", err)
	}
	return Message{Type: envelope.Type, Cursor: envelope.Cursor, Data: envelope.Data, Raw: raw}, nil
}

// The ends of a message as this project's server writes it.
const (
	envelopeHead   = `{"message_type":"`
	envelopeData   = `","data":`
	envelopeCursor = `,"cursor":"`
)

// cutMessage is the quick way to read an envelope of exactly message_type, data and cursor: what is inside is looked at only by
// who decodes it. A cursor has no braces or quotes, so what is cut at the end is no part of the data.
func cutMessage(raw []byte) (Message, bool) {
	rest, ok := bytes.CutPrefix(raw, []byte(envelopeHead))
	kind, rest, typed := bytes.Cut(rest, []byte(envelopeData))
	at := bytes.LastIndex(rest, []byte(envelopeCursor))
	if !ok || !typed || at < 0 || !isWord(kind, '_') {
		return Message{}, false
	}
	cursor, closed := bytes.CutSuffix(rest[at+len(envelopeCursor):], []byte(`"}`))
	if !closed || !isWord(cursor, '-') {
		return Message{}, false
	}
	return Message{Type: string(kind), Cursor: string(cursor), Data: json.RawMessage(rest[:at]), Raw: raw}, true
}

// isWord says that b is lower-case letters, digits and one other character.
func isWord(b []byte, other byte) bool {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != other {
			return false
		}
	}
	return len(b) > 0
}

// refusal reads the error line of a TCP stream.
func (m Message) refusal() error {
	if m.Type != "error" {
		return nil
	}
	var data struct {
		Code       int     `json:"code"`
		Reason     string  `json:"reason"`
		RetryAfter float64 `json:"retry_after"`
	}
	if err := json.Unmarshal(m.Data, &data); err != nil {
		return errors.New("the server refused without saying why")
	}
	wait := time.Duration(min(max(data.RetryAfter, 0), 600) * float64(time.Second))
	return &Refused{Status: data.Code, Reason: data.Reason, RetryAfter: wait}
}

// Event decodes the message.
func (m Message) Event() Event {
	if m.reconnecting != nil {
		return m.reconnecting
	}
	event, err := m.decode()
	if err != nil || event == nil {
		return &Unknown{Message: m, Err: err}
	}
	return event
}

func (m Message) decode() (Event, error) {
	switch m.Type {
	case "certificate_update":
		return m.certificate()
	case "dns_entries":
		d := &DomainNames{Cursor: m.Cursor}
		return d, json.Unmarshal(m.Data, &d.Names)
	case "heartbeat":
		h := &Heartbeat{Cursor: m.Cursor}
		var stamp struct {
			Time *Time `json:"timestamp"`
		}
		stamp.Time = &h.Time
		return h, json.Unmarshal(m.Raw, &stamp)
	case "gap":
		return m.gap()
	}
	return nil, nil
}

// certificate decodes a certificate_update; the domains-only stream of certstream-server-rust 1.0 uses that type too, with the
// names where the certificate would be.
func (m Message) certificate() (Event, error) {
	var data struct {
		Certificate
		Leaf  *Leaf    `json:"leaf_cert"`
		Names []string `json:"all_domains"`
	}
	if err := json.Unmarshal(m.Data, &data); err != nil {
		return nil, err
	}
	if data.Leaf == nil && data.Names != nil {
		return &DomainNames{Cursor: m.Cursor, Names: data.Names}, nil
	}
	if data.Leaf == nil {
		return nil, errors.New("a certificate_update without leaf_cert")
	}
	c := data.Certificate
	c.Leaf, c.Cursor = *data.Leaf, m.Cursor
	return &c, nil
}

func (m Message) gap() (Event, error) {
	var data struct {
		Gap
		Missed  *int64 `json:"missed"`
		Dropped *int64 `json:"dropped"` // certstream-server-rust 1.6
	}
	body := m.Data
	if body == nil {
		body = m.Raw
	}
	if err := json.Unmarshal(body, &data); err != nil {
		return nil, err
	}
	g := data.Gap
	g.Cursor, g.Missed = m.Cursor, -1
	for _, n := range []*int64{data.Missed, data.Dropped} {
		if n != nil {
			g.Missed = *n
		}
	}
	return &g, nil
}
