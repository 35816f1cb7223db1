package access

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Reason says why somebody was refused: a label of the metric of refusals.
type Reason string

// The reasons there are.
const (
	NoToken            Reason = "token"               // 401
	BadOrigin          Reason = "origin"              // 403
	ClosedPath         Reason = "path"                // 403
	AddressRate        Reason = "address_rate"        // 429
	AddressConnections Reason = "address_connections" // 429
	TotalConnections   Reason = "connections"         // 503
	AddressRegexps     Reason = "regexp_address"      // 503
	RegexpBudget       Reason = "regexp_budget"       // 503
	FilterCount        Reason = "filters"             // 503
	Draining           Reason = "draining"            // 503
	BadFilter          Reason = "filter"              // 400
	BadRequest         Reason = "request"             // 400
)

// statuses are the HTTP statuses of the reasons.
var statuses = map[Reason]int{
	NoToken:            http.StatusUnauthorized,
	BadOrigin:          http.StatusForbidden,
	ClosedPath:         http.StatusForbidden,
	AddressRate:        http.StatusTooManyRequests,
	AddressConnections: http.StatusTooManyRequests,
	TotalConnections:   http.StatusServiceUnavailable,
	AddressRegexps:     http.StatusServiceUnavailable,
	RegexpBudget:       http.StatusServiceUnavailable,
	FilterCount:        http.StatusServiceUnavailable,
	Draining:           http.StatusServiceUnavailable,
	BadFilter:          http.StatusBadRequest,
	BadRequest:         http.StatusBadRequest,
}

// Reasons lists all reasons, for the metrics' constructor.
func Reasons() []string {
	var list []string
	for reason := range statuses {
		list = append(list, string(reason))
	}
	return list
}

// Refusal is what somebody who is not let in is told, before the upgrade. It is an http.Handler that answers with it.
type Refusal struct {
	// Status is the HTTP status, Reason the label it is counted by, Detail the text for the client.
	Status int
	Reason Reason
	Detail string
	// RetryAfter is when to try again; 0 where trying again is no use.
	RetryAfter time.Duration
}

var _ http.Handler = (*Refusal)(nil)

// newRefusal makes a refusal; those of limits ask to come back after some seconds, each client after others.
func newRefusal(reason Reason, detail string) *Refusal {
	r := &Refusal{Status: statuses[reason], Reason: reason, Detail: detail}
	if r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable {
		r.RetryAfter = 5*time.Second + rand.N(10*time.Second)
	}
	return r
}

// Error is the text for the client.
func (r *Refusal) Error() string { return r.Detail }

// retrySeconds is the value of Retry-After.
func (r *Refusal) retrySeconds() int { return int(math.Ceil(r.RetryAfter.Seconds())) }

// ServeHTTP answers a request with the refusal.
func (r *Refusal) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(r.retrySeconds()))
	}
	if r.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="certstream"`)
	}
	w.WriteHeader(r.Status)
	// Whether the client still reads it is up to the client.
	_ = json.NewEncoder(w).Encode(map[string]string{"error": r.Detail})
}

// Line is the refusal as a TCP client gets it, with its line end.
func (r *Refusal) Line() []byte {
	type data struct {
		Code       int    `json:"code"`
		Reason     string `json:"reason"`
		RetryAfter int    `json:"retry_after,omitempty"`
	}
	line, _ := json.Marshal(struct { // strings and numbers always marshal
		MessageType string `json:"message_type"`
		Data        data   `json:"data"`
	}{"error", data{r.Status, r.Detail, r.retrySeconds()}})
	return append(line, '\n')
}
