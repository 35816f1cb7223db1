package observe

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode"
)

// The states and judgements of a log that the streamer knows; see its /status.
const (
	stateStarting = "starting"
	stateFailing  = "failing"
	unhealthy     = "unhealthy"
)

// Bounds of what is kept: the image of a pod is its owner's choice, and so is what it answers.
const (
	maxLogs     = 2000
	maxNotes    = 16
	maxName     = 128
	maxText     = 512
	maxError    = 1024
	maxQuantity = 1_000_000_000
)

// answer is what the operator needs of /status.
type answer struct {
	Version  string `json:"version"`
	Draining bool   `json:"draining"`
	Config   struct {
		Hash          string       `json:"hash"`
		LastError     string       `json:"last_error"`
		RejectedHash  string       `json:"rejected_hash"`
		RestartNeeded list[string] `json:"restart_needed"`
		Warnings      list[string] `json:"warnings"`
	} `json:"config"`
	LogList struct {
		Error   string         `json:"error"`
		Sources list[struct{}] `json:"sources"`
	} `json:"log_list"`
	State struct {
		LastError string `json:"last_error"`
	} `json:"state"`
	Retention        *answerRetention    `json:"retention"`
	Logs             list[answerLog]     `json:"logs"`
	Clients          list[answerClients] `json:"clients"`
	EntriesPerSecond float64             `json:"entries_per_second"`
	UptimeSeconds    float64             `json:"uptime_seconds"`
}

type answerClients struct {
	Count int64 `json:"count"`
}

type answerRetention struct {
	Bytes         int64   `json:"bytes"`
	CapacityBytes int64   `json:"capacity_bytes"`
	Seconds       float64 `json:"seconds"`
	AsideSegments int64   `json:"aside_segments"`
	LastError     string  `json:"last_error"`
	Full          bool    `json:"full"`
}

type answerLog struct {
	Name          string  `json:"name"`
	State         string  `json:"state"`
	Status        string  `json:"status"`
	Breaker       string  `json:"breaker"`
	LastErrorKind string  `json:"last_error_kind"`
	LagEntries    uint64  `json:"lag_entries"`
	LagSeconds    float64 `json:"lag_seconds"`
	Unverified    string  `json:"unverified"`
	Misbehaviour  *struct {
		Kind     string    `json:"kind"`
		Since    time.Time `json:"since"`
		Evidence string    `json:"evidence"`
	} `json:"misbehaviour"`
}

// list is an array of which only the first elements are built, however many there are: two bytes of an answer could else take
// a hundred in memory.
type list[T any] []T

// UnmarshalJSON ends at the first element of another type.
func (l *list[T]) UnmarshalJSON(text []byte) error {
	*l = nil
	d := json.NewDecoder(bytes.NewReader(text))
	switch begin, err := d.Token(); {
	case err != nil:
		return err
	case begin == nil: // null is no elements
		return nil
	case begin != json.Delim('['):
		return BadAnswer
	}
	for len(*l) < maxLogs && d.More() {
		var element T
		if err := d.Decode(&element); err != nil {
			return err
		}
		*l = append(*l, element)
	}
	return nil
}

// decode reads a /status.
func decode(text []byte) (*Report, error) {
	var a answer
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, err
	}
	if a.Version == "" && a.Config.Hash == "" {
		return nil, BadAnswer
	}
	return a.report(), nil
}

// report keeps what is needed, cut to size and cleaned of control characters.
func (a *answer) report() *Report {
	r := &Report{
		Version:          clean(a.Version, maxName),
		ConfigHash:       clean(a.Config.Hash, maxName),
		ConfigError:      clean(a.Config.LastError, maxError),
		RejectedHash:     clean(a.Config.RejectedHash, maxName),
		RestartNeeded:    cleanAll(a.Config.RestartNeeded),
		Warnings:         cleanAll(a.Config.Warnings),
		Draining:         a.Draining,
		Logs:             make([]Log, 0, len(a.Logs)),
		ListFailing:      a.LogList.Error != "",
		ListPending:      a.LogList.Error == "" && len(a.LogList.Sources) == 0 && len(a.Logs) == 0,
		StateFailing:     a.State.LastError != "",
		Retention:        a.Retention.kept(),
		EntriesPerSecond: bounded(a.EntriesPerSecond),
		Uptime:           time.Duration(bounded(a.UptimeSeconds) * float64(time.Second)),
	}
	for i := range a.Logs {
		r.Logs = append(r.Logs, a.Logs[i].log())
	}
	for _, c := range a.Clients {
		r.Clients = min(r.Clients+min(max(c.Count, 0), maxQuantity), maxQuantity)
	}
	return r
}

// kept is what is kept on disk; nil where nothing is.
func (r *answerRetention) kept() *Retention {
	if r == nil {
		return nil
	}
	return &Retention{
		Bytes: max(r.Bytes, 0), MaxBytes: max(r.CapacityBytes, 0), Seconds: bounded(r.Seconds),
		Aside: int32(min(max(r.AsideSegments, 0), maxQuantity)), Failing: r.LastError != "", Full: r.LastError != "" && r.Full,
	}
}

// log keeps what is needed of a log. Its circuit breaker tells a log that does not answer from one failed request. One that has
// lied counts as unhealthy, but answers.
func (l *answerLog) log() Log {
	kept := Log{
		Name:       clean(l.Name, maxName),
		State:      known(l.State, stateStarting, "following", "catching_up", stateFailing, "drained", "stopping"),
		Status:     known(l.Status, "healthy", "degraded", unhealthy),
		Failing:    l.Status == unhealthy && l.Misbehaviour == nil || l.State == stateFailing && l.Breaker != "closed" || l.Breaker == "open",
		LagEntries: l.LagEntries,
		LagSeconds: bounded(l.LagSeconds),
		Unverified: l.Unverified != "",
	}
	if m := l.Misbehaviour; m != nil {
		kept.Misbehaviour = &Misbehaviour{Kind: misbehaviourKind(m.Kind), Since: m.Since, Evidence: clean(m.Evidence, maxText)}
	}
	if kept.Failing {
		kept.ErrorKind = errorKind(l.LastErrorKind)
	}
	return kept
}

// errorKind is the class of an error, where it is one that the streamer has: nothing that a log sent gets further.
func errorKind(kind string) string {
	k := known(kind, "rate_limited", "forbidden", "not_yet", "server_error", "timeout", "network", "tls", "redirected", "malformed",
		"bad_signature", "bad_proof", "no_proof", "refused")
	if k == "" {
		return "error"
	}
	return k
}

// misbehaviourKind is what a log was caught at, where it is something that the streamer knows.
func misbehaviourKind(kind string) string {
	k := known(kind, "two_roots", "fork", "rollback", "wrong_entry", "final_head", "unexplained")
	if k == "" {
		return "unexplained"
	}
	return k
}

// known is the constant that s equals, or nothing. The constant keeps no answer in memory.
func known(s string, constants ...string) string {
	for _, c := range constants {
		if s == c {
			return c
		}
	}
	return ""
}

func cleanAll(texts []string) []string {
	var kept []string
	for _, t := range texts[:min(len(texts), maxNotes)] {
		kept = append(kept, clean(t, maxText))
	}
	return kept
}

// clean cuts a text to so many runes and makes spaces of what is not printed.
func clean(s string, most int) string {
	if len(s) <= most && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' }) {
		return strings.TrimSpace(s) // nearly all are such
	}
	var b strings.Builder
	n := 0
	for _, c := range strings.ToValidUTF8(s, "") {
		if n++; n > most {
			break
		}
		if !unicode.IsPrint(c) {
			c = ' '
		}
		b.WriteRune(c)
	}
	return strings.TrimSpace(b.String())
}

func bounded(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return min(max(v, 0), maxQuantity)
}
