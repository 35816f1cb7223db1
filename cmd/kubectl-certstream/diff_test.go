package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestUnified(t *testing.T) {
	for _, c := range []struct{ name, a, b, want string }{
		{"equal", "a\nb\n", "a\nb\n", ""},
		{"both empty", "", "", ""},
		{"from nothing", "", "a\n", "--- A\n+++ B\n@@ -0,0 +1,1 @@\n+a\n"},
		{"to nothing", "a\n", "", "--- A\n+++ B\n@@ -1,1 +0,0 @@\n-a\n"},
		{"one line", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
			"--- A\n+++ B\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
		{"two far apart", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
			"--- A\n+++ B\n@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n"},
	} {
		if diff := cmp.Diff(c.want, unified("A", c.a, "B", c.b)); diff != "" {
			t.Errorf("%s:\n%s", c.name, diff)
		}
	}
}

// The difference applied to the first text gives the second, and hunks do not overlap.
func TestUnifiedApplies(t *testing.T) {
	line := rapid.SampledFrom([]string{"a", "b", "c", "d"})
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOfN(line, 0, 30).Draw(t, "a"), rapid.SliceOfN(line, 0, 30).Draw(t, "b")
		text := func(lines []string) string {
			if len(lines) == 0 {
				return ""
			}
			return strings.Join(lines, "\n") + "\n"
		}
		got, err := apply(a, unified("A", text(a), "B", text(b)))
		if err != nil || text(got) != text(b) {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

// apply is patch, for what unified writes.
func apply(a []string, diff string) (b []string, err error) {
	at := 0
	for _, line := range lines(diff) {
		var from, count, to, countB int
		switch {
		case strings.HasPrefix(line, "---"), strings.HasPrefix(line, "+++"):
		case strings.HasPrefix(line, "@@"):
			if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &from, &count, &to, &countB); err != nil {
				return nil, err
			}
			if count > 0 {
				from--
			}
			if from < at {
				return nil, fmt.Errorf("%q overlaps what is before it", line)
			}
			b, at = append(b, a[at:from]...), from
		case line[0] == '+':
			b = append(b, line[1:])
		case a[at] != line[1:]:
			return nil, fmt.Errorf("line %d is %q, not %q", at, a[at], line[1:])
		default:
			if line[0] == ' ' {
				b = append(b, line[1:])
			}
			at++
		}
	}
	return append(b, a[at:]...), nil
}
