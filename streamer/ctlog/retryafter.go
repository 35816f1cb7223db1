package ctlog

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// The bounds a Retry-After is brought into.
const (
	minRetryAfter = time.Second
	maxRetryAfter = 10 * time.Minute
)

// retryAfterForms are the dates of RFC 9110 §5.6.7, and "UTC" where it wants "GMT", as Skylight sends it.
var retryAfterForms = [...]string{time.RFC1123, time.RFC1123Z, time.RFC850, time.ANSIC}

// parseRetryAfter reads a Retry-After in any form: seconds or a date. It is 0 where there is none or it cannot be read; else
// within 1 s and 10 min, so that a date in the past means 1 s.
func parseRetryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(value, 64); (err == nil || math.IsInf(s, 0)) && !math.IsNaN(s) {
		return clampSeconds(s)
	}
	for _, form := range retryAfterForms {
		if at, err := time.Parse(form, value); err == nil {
			return clampSeconds(at.Sub(now).Seconds())
		}
	}
	return 0
}

func clampSeconds(s float64) time.Duration {
	s = min(max(s, minRetryAfter.Seconds()), maxRetryAfter.Seconds())
	return time.Duration(s * float64(time.Second))
}
