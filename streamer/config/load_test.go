package config

import (
	"strings"
	"testing"
)

// TestProblemsAreAllReported holds that one run names every mistake, in the order of the file, with what to do.
func TestProblemsAreAllReported(t *testing.T) {
	file := "port: 99999\nprot: 3\nrate_limit:\n  per_secnd: 3\nport: 3\nlog_level: warning\n"
	env := []string{"CERTSTREAM_PORTT=3", "CERTSTREAM_TCP_PORT=x"}
	var got []string
	for _, p := range Validate([]byte(file), env) {
		got = append(got, p.String())
	}
	want := []string{
		"line 1: port: 99999 is too large; want at most 65535",
		"line 2: prot: is not a known key; did you mean port?",
		"line 4: rate_limit.per_secnd: is not a known key; did you mean rate_limit.per_second?",
		"line 5: port: is already set in line 1; keep one of them",
		`line 6: log_level: "warning" is not one of its values; want debug, info, warn, error or trace`,
		"CERTSTREAM_PORTT: is not a known variable; did you mean CERTSTREAM_PORT?",
		`CERTSTREAM_TCP_PORT: "x" cannot be read; want a whole number`,
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got:\n%s\nwant:\n%s", g, w)
	}
}
