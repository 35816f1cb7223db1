package client

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The values of message_type.
const (
	typeCertificate = "certificate_update"
	typeNames       = "dns_entries"
	// typeNamesUnproved is of certstream-server-rust 1.6: names out of names tiles, which no log's signature covers.
	typeNamesUnproved = "dns_entries_unauthenticated"
	typeHeartbeat     = "heartbeat"
	typeGap           = "gap"
	typeError         = "error"
)

// Message is one message as it came.
type Message struct {
	// Type is message_type: certificate_update, dns_entries, heartbeat, gap, or one that a later server may add.
	Type string
	// Cursor is the position after the message, "" where the server tells none.
	Cursor string
	// Data is the value of "data".
	Data json.RawMessage
	// Raw is the whole message; nil for those that the client adds: *Reconnecting, and *Gap of reason GapUnresumed.
	Raw []byte

	// own is the event of a message that cannot be decoded, or that the client adds.
	own Event
}

// ownMessage is a message that the client adds.
func ownMessage(e Event) Message { return Message{own: e} }

// Reconnecting is set on the messages that the client adds when a connection is lost.
func (m Message) Reconnecting() *Reconnecting {
	r, _ := m.own.(*Reconnecting)
	return r
}

// isContent says that the message holds what the stream is for.
func (m *Message) isContent() bool {
	return m.Type == typeCertificate || m.Type == typeNames || m.Type == typeNamesUnproved
}

// tellsPosition says that a server that has cursors puts one on such a message.
func (m *Message) tellsPosition() bool { return m.isContent() || m.Type == typeHeartbeat }

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
	if envelope.Type == "" {
		return Message{}, errors.New("not a certstream message: it has no message_type")
	}
	m := Message{Type: envelope.Type, Cursor: envelope.Cursor, Data: envelope.Data, Raw: raw}
	if m.Type == typeGap && m.Cursor == "" {
		m.Cursor = m.gapEnd()
	}
	return m, nil
}

// gapEnd is the cursor behind a gap: where a server goes on after it. A skip in one log has none.
func (m Message) gapEnd() string {
	var data struct {
		To string `json:"to"`
	}
	if json.Unmarshal(m.Data, &data) != nil {
		return ""
	}
	return data.To
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
	if m.Type != typeError {
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
	if m.own != nil {
		return m.own
	}
	event, err := m.decode()
	if err != nil || event == nil {
		return &Unknown{Message: m, Err: err}
	}
	return event
}

func (m Message) decode() (Event, error) {
	switch m.Type {
	case typeCertificate:
		return m.certificate()
	case typeNames, typeNamesUnproved:
		d := &DomainNames{Cursor: m.Cursor}
		return d, json.Unmarshal(m.Data, &d.Names)
	case typeHeartbeat:
		h := &Heartbeat{Cursor: m.Cursor}
		var stamp struct {
			Time *Time `json:"timestamp"`
		}
		stamp.Time = &h.Time
		return h, json.Unmarshal(m.Raw, &stamp)
	case typeGap:
		return m.gap()
	}
	return nil, nil
}

// certificate decodes a certificate_update; the domains-only stream of certstream-server-rust 1.0 uses that type too, with the
// names where the certificate would be. A field that is not what it should be hides no other.
func (m Message) certificate() (Event, error) {
	var data struct {
		Certificate
		Leaf   *Leaf    `json:"leaf_cert"`
		Names  []string `json:"all_domains"`
		Source struct {
			Source
			Timestamp Time `json:"timestamp"`
		} `json:"source"`
	}
	err := json.Unmarshal(m.Data, &data)
	if data.Leaf == nil && data.Names != nil {
		return &DomainNames{Cursor: m.Cursor, Names: data.Names}, nil
	}
	if data.Leaf == nil {
		return nil, cmp.Or(err, errors.New("a certificate_update without leaf_cert"))
	}
	c := data.Certificate
	c.Leaf, c.Source, c.Cursor, c.Err = *data.Leaf, data.Source.Source, m.Cursor, err
	if c.Submitted.IsZero() {
		c.Submitted = data.Source.Timestamp // certstream-server-go
	}
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
