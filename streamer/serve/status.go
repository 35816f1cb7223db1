package serve

import (
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/filter"
)

// Status is what /status shows: all there is to know about a running streamer. Times that have not come yet are left out.
type Status struct {
	Version       string       `json:"version"`
	Revision      string       `json:"revision,omitempty"`
	StartedAt     time.Time    `json:"started_at"`
	UptimeSeconds float64      `json:"uptime_seconds"`
	Draining      bool         `json:"draining"`
	Config        ConfigStatus `json:"config"`
	Epoch         string       `json:"epoch"`
	Head          uint64       `json:"head"`
	Oldest        uint64       `json:"oldest"`
	Window        WindowStatus `json:"window"`
	// Retention is left out while nothing is kept on disk.
	Retention *RetentionStatus `json:"retention,omitempty"`
	LogList   LogListStatus    `json:"log_list"`
	State     StateStatus      `json:"state"`
	Auth      AuthStatus       `json:"auth"`
	Logs      []LogStatus      `json:"logs"`
	Clients   []ClientsCount   `json:"clients"`
	Filters   filter.Stats     `json:"filters"`
	// EntriesPerSecond is the rate of the last minute, CatchUpPerSecond the most that all backlogs together may add.
	EntriesPerSecond float64 `json:"entries_per_second"`
	CatchUpPerSecond float64 `json:"catch_up_per_second"`
	Totals           Totals  `json:"totals"`
}

// ConfigStatus is the configuration in force.
type ConfigStatus struct {
	// Path is the file, empty when there is none; Hash the SHA-256 of its bytes, in hex.
	Path     string    `json:"path,omitempty"`
	Hash     string    `json:"hash"`
	LoadedAt time.Time `json:"loaded_at"`
	// LastError says why the file's present content, which has RejectedHash, is not in force; RestartNeeded names changed
	// settings that wait for one.
	LastError     string    `json:"last_error,omitempty"`
	LastErrorAt   time.Time `json:"last_error_at,omitzero"`
	RejectedHash  string    `json:"rejected_hash,omitempty"`
	RestartNeeded []string  `json:"restart_needed,omitempty"`
	Warnings      []string  `json:"warnings,omitempty"`
}

// WindowStatus is what is kept in memory for resume.
type WindowStatus struct {
	Entries       int     `json:"entries"`
	Bytes         int64   `json:"bytes"`
	CapacityBytes int64   `json:"capacity_bytes"`
	Seconds       float64 `json:"seconds"`
}

// RetentionStatus is what is kept on disk for resume.
type RetentionStatus struct {
	Segments      int     `json:"segments"`
	Entries       uint64  `json:"entries"`
	Bytes         int64   `json:"bytes"`
	CapacityBytes int64   `json:"capacity_bytes"`
	MaxAgeSeconds float64 `json:"max_age_seconds"`
	// Seconds is the age of the oldest entry.
	Seconds  float64   `json:"seconds"`
	OldestAt time.Time `json:"oldest_at,omitzero"`
	// In CorruptSegments something could not be read, DamagedEntries had been kept there. MissedEntries were never kept: the disk
	// was too slow, full or failing. All since the start of the process.
	CorruptSegments uint64 `json:"corrupt_segments"`
	DamagedEntries  uint64 `json:"damaged_entries"`
	MissedEntries   uint64 `json:"missed_entries"`
	// AsideSegments are those that were set aside and would else be kept, in this run or an earlier one: holes in what can be resumed.
	AsideSegments int `json:"aside_segments"`
	// LastError is why entries cannot be kept at present, Full that it is for want of room.
	LastError string `json:"last_error,omitempty"`
	Full      bool   `json:"full,omitempty"`
}

// LogListStatus is where the logs come from.
type LogListStatus struct {
	// Selected is how many logs of the lists and the configuration are followed.
	Selected int         `json:"selected"`
	Sources  []LogSource `json:"sources"`
	// Error is why a source's list could not be renewed.
	Error string `json:"error,omitempty"`
}

// LogSource is one log list in use.
type LogSource struct {
	Name    string `json:"name"`
	URL     string `json:"url"`
	Version string `json:"version,omitempty"`
	// SignedBy says whose signature on it was verified; it is empty for an unsigned list.
	SignedBy string `json:"signed_by"`
	// FromCache says that it is the last good one kept on disk and has not been seen current since the start.
	FromCache bool      `json:"from_cache"`
	FetchedAt time.Time `json:"fetched_at,omitzero"`
	Logs      int       `json:"logs"`
	LeftOut   []string  `json:"left_out,omitempty"`
	Error     string    `json:"error,omitempty"`
}

// StateStatus is what a restart resumes from.
type StateStatus struct {
	// Dir is empty when there is none: then a restart begins at the heads.
	Dir            string    `json:"dir,omitempty"`
	LastCheckpoint time.Time `json:"last_checkpoint,omitzero"`
	// LastError is why the last checkpoint could not be written.
	LastError string `json:"last_error,omitempty"`
	// Recovery says what this run began with: the state of a "clean" or an "unclean" stop, or none ("fresh").
	Recovery string `json:"recovery,omitempty"`
}

// AuthStatus names the tokens accepted.
type AuthStatus struct {
	Enabled bool     `json:"enabled"`
	Tokens  []string `json:"tokens,omitempty"`
}

// LogStatus is one followed log.
type LogStatus struct {
	Name     string `json:"name"`
	URL      string `json:"url"`
	Operator string `json:"operator"`
	LogID    string `json:"log_id"`
	Protocol string `json:"type"`
	// State is what the follower is doing, Status what to think of it: "healthy", "degraded" or "unhealthy".
	State  string `json:"state"`
	Status string `json:"status"`
	// Position is the next index to emit, VerifiedPosition that up to which all is proved to be in the tree.
	Position         uint64    `json:"position"`
	VerifiedPosition uint64    `json:"verified_position"`
	TreeSize         uint64    `json:"tree_size"`
	TreeHeadTime     time.Time `json:"tree_head_time,omitzero"`
	LagEntries       uint64    `json:"lag_entries"`
	LagSeconds       float64   `json:"lag_seconds"`
	ReadOnly         bool      `json:"read_only,omitempty"`
	Stale            bool      `json:"stale,omitempty"`
	// Verification is how much is checked: "off", "consistency" or "full". ConsistentSize is the newest tree head that is proved to
	// agree with all before it. Doubt is a mismatch that is being looked into.
	Verification    string        `json:"verification,omitempty"`
	ConsistentSize  uint64        `json:"consistent_size,omitempty"`
	Doubt           string        `json:"doubt,omitempty"`
	Misbehaviour    *Misbehaviour `json:"misbehaviour,omitempty"`
	Unverified      string        `json:"unverified,omitempty"`
	UnverifiedSince time.Time     `json:"unverified_since,omitzero"`
	Breaker         string        `json:"breaker"`
	NextTry         time.Time     `json:"next_try,omitzero"`
	RequestsPerSec  float64       `json:"requests_per_second"`
	PausedUntil     time.Time     `json:"paused_until,omitzero"`
	PageSize        uint64        `json:"page_size,omitempty"`
	Start           string        `json:"start,omitempty"`
	StartIndex      uint64        `json:"start_index"`
	LastSuccess     time.Time     `json:"last_success,omitzero"`
	LastError       string        `json:"last_error,omitempty"`
	LastErrorKind   string        `json:"last_error_kind,omitempty"`
	LastErrorAt     time.Time     `json:"last_error_at,omitzero"`
	Entries         uint64        `json:"entries"`
	Skipped         uint64        `json:"skipped_entries"`
	Repeats         uint64        `json:"repeated_entries"`
	Rewinds         uint64        `json:"rewinds"`
	Mismatches      uint64        `json:"root_mismatches"`
	Misbehaviours   uint64        `json:"misbehaviours"`
	Errors          uint64        `json:"errors"`
}

// Misbehaviour is the mark of a log that was caught, in this run or an earlier one.
type Misbehaviour struct {
	Kind  string    `json:"kind"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
	Count uint64    `json:"count"`
	// Evidence is the file that proves it; empty where there is no state directory or no room.
	Evidence string `json:"evidence,omitempty"`
}

// The values of LogStatus.Status, and of /health/deep.
const (
	Healthy   = "healthy"
	Degraded  = "degraded"
	Unhealthy = "unhealthy"
)

// Judge says what to think of a log: unhealthy when it is not asked any more for now or has lied, degraded when something is
// amiss while entries flow.
func (l *LogStatus) Judge() string {
	switch {
	case l.Breaker == "open" || l.Misbehaviours > 0 || l.Misbehaviour != nil:
		return Unhealthy
	case l.Breaker == "half_open" || l.State == "failing" || l.Stale || l.Unverified != "" || l.Doubt != "":
		return Degraded
	}
	return Healthy
}

// ClientsCount is how many clients there are of a protocol and stream.
type ClientsCount struct {
	Protocol string `json:"protocol"`
	Stream   string `json:"stream"`
	Count    int    `json:"count"`
}

// Totals count since the start of the process.
type Totals struct {
	Entries      uint64 `json:"entries"`
	ParseErrors  uint64 `json:"parse_errors"`
	MessagesSent uint64 `json:"messages_sent"`
	BytesSent    uint64 `json:"bytes_sent"`
	Gaps         uint64 `json:"gaps"`
}

// connections sums up clients by protocol.
func (s *Status) connections(protocol string) int {
	n := 0
	for _, c := range s.Clients {
		if protocol == "" || c.Protocol == protocol {
			n += c.Count
		}
	}
	return n
}

// judged counts logs by what to think of them.
func (s *Status) judged() (healthy, degraded, unhealthy int) {
	for i := range s.Logs {
		switch s.Logs[i].Judge() {
		case Healthy:
			healthy++
		case Degraded:
			degraded++
		default:
			unhealthy++
		}
	}
	return healthy, degraded, unhealthy
}
