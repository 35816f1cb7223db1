package ctlog

import (
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	in30 := now.Add(30 * time.Second)
	for value, want := range map[string]time.Duration{
		"": 0, "soon": 0, "NaN": 0, "7": 7 * time.Second, " 7 ": 7 * time.Second, "1.5": 1500 * time.Millisecond,
		"0": time.Second, "-5": time.Second, "601": 10 * time.Minute, "99999999999999999999": 10 * time.Minute, "1e400": 10 * time.Minute,
		"Sat, 21 Nov 2026 12:00:30 GMT":       30 * time.Second,
		"Sat, 21 Nov 2026 12:00:30 UTC":       30 * time.Second,
		in30.Format(time.RFC1123Z):            30 * time.Second,
		"Saturday, 21-Nov-26 12:00:30 GMT":    30 * time.Second,
		in30.Format(time.ANSIC):               30 * time.Second,
		"Sat, 21 Nov 2026 11:00:00 GMT":       time.Second,
		"Wed, 21 Nov 2126 12:00:00 GMT":       10 * time.Minute,
		"Fri, 31 Dec 9999 23:59:59 GMT":       10 * time.Minute,
		"Sat, 21 Nov 2026 25:00:00 GMT":       0,
		"Sat, 21 Nov 2026 12:00:30 GMT extra": 0,
	} {
		if got := parseRetryAfter(value, now); got != want {
			t.Errorf("%q gives %v, want %v", value, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "Sat, 21 Nov 2026 12:00:30 UTC", "Saturday, 21-Nov-26 12:00:30 GMT", "1e400", "-1", "0x10"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d := parseRetryAfter(s, now); d != 0 && (d < minRetryAfter || d > maxRetryAfter) {
			t.Errorf("%q gives %v", s, d)
		}
	})
}
