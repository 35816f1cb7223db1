package loglist

import (
	"errors"
	"time"
)

// The outcomes of a look at a source, as metrics name them.
const (
	outcomeChanged   = "changed"
	outcomeUnchanged = "unchanged"
	outcomeStatus    = "status"
	outcomeTooLarge  = "too_large"
	outcomeMalformed = "malformed"
	outcomeSignature = "signature"
	outcomeOlder     = "older"
	outcomeError     = "error"
)

func outcomeOf(err error) string {
	var status *statusError
	switch {
	case err == nil:
		return outcomeChanged
	case errors.Is(err, errUnchanged):
		return outcomeUnchanged
	case errors.Is(err, errTooLarge):
		return outcomeTooLarge
	case errors.Is(err, ErrMalformed):
		return outcomeMalformed
	case errors.Is(err, ErrSignature):
		return outcomeSignature
	case errors.Is(err, errOlder):
		return outcomeOlder
	case errors.As(err, &status):
		return outcomeStatus
	default:
		return outcomeError
	}
}

// SourceStatus says how one source is, for /status.
type SourceStatus struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// Signed names the key that the list in force was verified with; empty means unsigned.
	Signed  string `json:"signed_by,omitempty"`
	Version string `json:"version,omitempty"`
	// Timestamp is when the list in force was made, Fetched when it was received, Checked when it was last seen current.
	Timestamp time.Time `json:"timestamp,omitzero"`
	Fetched   time.Time `json:"fetched,omitzero"`
	Checked   time.Time `json:"checked,omitzero"`
	// Logs are its entries; LeftOut says which were left out, and why.
	Logs    int      `json:"logs"`
	LeftOut []string `json:"left_out,omitempty"`
	// FromDisk says that it was kept from an earlier run and has not been seen current since.
	FromDisk bool `json:"from_disk,omitempty"`
	// Error is of the last look; the list in force stays.
	Error string `json:"error,omitempty"`
	// Outcome is the error's kind: status, too_large, malformed, signature, older, error.
	Outcome string `json:"outcome,omitempty"`
}

// Status says how the sources are.
func (m *Manager) Status() []SourceStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]SourceStatus, 0, len(m.feeds))
	for _, f := range m.feeds {
		all = append(all, f.status())
	}
	return all
}

func (f *feed) status() SourceStatus {
	s := SourceStatus{Name: f.source.Name, URL: f.source.shown(), FromDisk: f.fromDisk, Checked: f.checked}
	if f.err != nil {
		s.Error, s.Outcome = f.err.Error(), outcomeOf(f.err)
	}
	if f.list != nil {
		s.Signed = f.source.KeyName
		s.Version, s.Timestamp, s.Fetched = f.list.Version, f.list.Timestamp, f.copy.Fetched
		s.Logs, s.LeftOut = len(f.list.Logs), f.list.Warnings
	}
	return s
}
