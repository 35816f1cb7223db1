// Package loglist knows which logs there are: it fetches the log list, verifies and keeps it, and says which of its logs to
// follow and why.
package loglist

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Protocol is how a log is read.
type Protocol string

// The two protocols.
const (
	RFC6962 Protocol = "rfc6962"
	Tiled   Protocol = "tiled"
)

// State is what a browser's programme thinks of a log.
type State string

// The states of the v3 schema; None is a log without one, as test logs are.
const (
	Pending   State = "pending"
	Qualified State = "qualified"
	Usable    State = "usable"
	Readonly  State = "readonly"
	Retired   State = "retired"
	Rejected  State = "rejected"
	None      State = "none"
)

// Head is the final tree head of a readonly log.
type Head struct {
	Size uint64
	Root [32]byte
}

// Log is one log. Values are not modified after they are made, and may be shared.
type Log struct {
	// Name is the description in the list.
	Name, Operator string
	// ID is SHA-256 of Key: the log's identity. For a custom log without a key it is SHA-256 of its URL.
	ID [32]byte
	// Key is the SubjectPublicKeyInfo in DER; nil when it is not known, and signatures cannot be checked.
	Key []byte
	// URL is what the log is read from, without a trailing slash: for tiled logs the monitoring prefix.
	URL string
	// SubmissionURL is a tiled log's, without a trailing slash; its host and path are the origin of checkpoints.
	SubmissionURL string
	Protocol      Protocol
	// MMD is the maximum merge delay.
	MMD time.Duration
	// State is the newest, since when.
	State State
	Since time.Time
	// FinalHead is where a readonly log ends, when the list says so.
	FinalHead *Head
	// From and Until bound the not-after of the certificates the log takes: [From, Until). Zero when it takes all.
	From, Until time.Time
	// Type is the list's log_type: empty or "prod" for real logs, else "test" or "monitoring_only".
	Type string
	// Custom says that the configuration names it.
	Custom bool
}

// List is a parsed log list.
type List struct {
	// Version is for people; Sequence grows with each issue of a list: its timestamp in s, or Apple's asset version. 0 when it
	// has none.
	Version  string
	Sequence int64
	// Timestamp is when it was made; zero when it does not say.
	Timestamp time.Time
	Logs      []Log
	// Warnings say which entries were left out, and why.
	Warnings []string
}

// Bounds of what is taken from one list.
const (
	maxLogs     = 10_000
	maxWarnings = 100
)

// ErrMalformed is wrapped by the errors of Parse.
var ErrMalformed = errors.New("not a log list")

type listJSON struct {
	Version   any               `json:"version"`
	Timestamp string            `json:"log_list_timestamp"`
	Asset     int64             `json:"assetVersionV2"`
	Operators []json.RawMessage `json:"operators"`
}

type operatorJSON struct {
	Name  string            `json:"name"`
	Logs  []json.RawMessage `json:"logs"`
	Tiled []json.RawMessage `json:"tiled_logs"`
}

// Parse reads a list in the v3 schema, as Google, Apple and Mozilla publish it. Entries that make no sense are left out one
// by one, with a warning; a list without any log is an error.
func Parse(data []byte) (*List, error) {
	var raw listJSON
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	l := &List{Sequence: raw.Asset}
	if raw.Version != nil {
		l.Version = fmt.Sprint(raw.Version)
	}
	if raw.Asset != 0 {
		l.Version = strconv.FormatInt(raw.Asset, 10)
	}
	if raw.Timestamp != "" {
		at, err := time.Parse(time.RFC3339, raw.Timestamp)
		if err != nil {
			return nil, fmt.Errorf("%w: log_list_timestamp: %w", ErrMalformed, err)
		}
		l.Timestamp, l.Sequence = at.UTC(), at.Unix()
	}
	p := &parser{list: l, seen: make(map[[32]byte]bool)}
	for _, op := range raw.Operators {
		p.operator(op)
	}
	if len(l.Logs) == 0 {
		return nil, fmt.Errorf("%w: there is no log in it", ErrMalformed)
	}
	return l, nil
}

type parser struct {
	list *List
	seen map[[32]byte]bool
}

func (p *parser) warn(format string, args ...any) {
	if len(p.list.Warnings) < maxWarnings {
		p.list.Warnings = append(p.list.Warnings, fmt.Sprintf(format, args...))
	}
}

func (p *parser) operator(raw json.RawMessage) {
	var op operatorJSON
	if err := json.Unmarshal(raw, &op); err != nil {
		p.warn("an operator was left out: %v", err)
		return
	}
	for _, entry := range op.Logs {
		p.log(op.Name, RFC6962, entry)
	}
	for _, entry := range op.Tiled {
		p.log(op.Name, Tiled, entry)
	}
}

func (p *parser) log(operator string, protocol Protocol, raw json.RawMessage) {
	if len(p.list.Logs) >= maxLogs {
		p.warn("only the first %d logs are taken", maxLogs)
		return
	}
	var j logJSON
	err := json.Unmarshal(raw, &j)
	var l Log
	if err == nil {
		l, err = j.log(protocol)
	}
	switch {
	case err != nil:
		p.warn("log %q of %q was left out: %v", clip(j.Description), clip(operator), err)
	case p.seen[l.ID]:
		p.warn("log %q of %q was left out: its id is there already", clip(j.Description), clip(operator))
	default:
		l.Operator = operator
		p.seen[l.ID] = true
		p.list.Logs = append(p.list.Logs, l)
	}
}

// clip bounds what a warning shows of a list.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

type logJSON struct {
	Description   string                     `json:"description"`
	ID            []byte                     `json:"log_id"`
	Key           []byte                     `json:"key"`
	URL           string                     `json:"url"`
	SubmissionURL string                     `json:"submission_url"`
	MonitoringURL string                     `json:"monitoring_url"`
	MMD           int64                      `json:"mmd"`
	State         map[string]json.RawMessage `json:"state"`
	Type          string                     `json:"log_type"`
	Interval      *struct {
		Start time.Time `json:"start_inclusive"`
		End   time.Time `json:"end_exclusive"`
	} `json:"temporal_interval"`
}

// maxMMD is more than any log promises.
const maxMMD = 366 * 24 * 3600

func (j *logJSON) log(protocol Protocol) (Log, error) {
	l := Log{
		Name: j.Description, Key: j.Key, ID: sha256.Sum256(j.Key), Protocol: protocol, Type: j.Type,
		MMD: time.Duration(min(max(j.MMD, 0), maxMMD)) * time.Second,
	}
	if string(l.ID[:]) != string(j.ID) {
		return l, errors.New("its log_id is not SHA-256 of its key")
	}
	if _, err := parseKeyDER(j.Key); err != nil {
		return l, err
	}
	read := j.URL
	if protocol == Tiled {
		read = j.MonitoringURL
		submission, err := prefix(j.SubmissionURL)
		if err != nil {
			return l, fmt.Errorf("submission_url: %w", err)
		}
		l.SubmissionURL = submission
	}
	var err error
	if l.URL, err = prefix(read); err != nil {
		return l, err
	}
	if j.Interval != nil {
		l.From, l.Until = j.Interval.Start.UTC(), j.Interval.End.UTC()
	}
	return l, l.setState(j.State)
}

// prefix checks a log's URL and cuts its trailing slash.
func prefix(text string) (string, error) {
	if text == "" {
		return "", errors.New("it has no URL")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery+u.Fragment != "" {
		return "", fmt.Errorf("%q is not a URL of a log", clip(text))
	}
	return strings.TrimRight(text, "/"), nil
}

type stateJSON struct {
	Timestamp time.Time `json:"timestamp"`
	FinalHead *struct {
		Size uint64 `json:"tree_size"`
		Root []byte `json:"sha256_root_hash"`
	} `json:"final_tree_head"`
}

// states are those known, by how far a log has come: of two with the same timestamp the later is the state.
var states = []State{Pending, Qualified, Usable, Readonly, Retired, Rejected}

// setState takes the newest of the states an entry has.
func (l *Log) setState(all map[string]json.RawMessage) error {
	l.State = None
	for _, s := range states {
		raw, ok := all[string(s)]
		if !ok {
			continue
		}
		var j stateJSON
		if err := json.Unmarshal(raw, &j); err != nil {
			return fmt.Errorf("its state %s cannot be read: %w", s, err)
		}
		if l.State != None && j.Timestamp.Before(l.Since) {
			continue
		}
		l.State, l.Since, l.FinalHead = s, j.Timestamp.UTC(), nil
		if h := j.FinalHead; h != nil && len(h.Root) == 32 {
			l.FinalHead = &Head{Size: h.Size, Root: [32]byte(h.Root)}
		}
	}
	return nil
}
