package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with a configuration.
type Problem struct {
	// Key is the setting's path, or the variable's name.
	Key string
	// Line is where in the file, from 1; 0 for variables and settings that are missing.
	Line int
	// Message says what is wrong, Fix what to do.
	Message, Fix string
}

// String is the problem in a line: `line 4: port: 80800 is above 65535; want 0 to 65535`.
func (p Problem) String() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", p.Line)
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// InvalidError says all that is wrong with a configuration.
type InvalidError struct {
	// Path is the file's; empty when there was none.
	Path     string
	Problems []Problem
}

// Error lists the problems, one a line.
func (e *InvalidError) Error() string {
	where := e.Path
	if where == "" {
		where = "environment"
	}
	lines := make([]string, 0, len(e.Problems)+1)
	lines = append(lines, fmt.Sprintf("the configuration (%s) has %s:", where, count(len(e.Problems), "error")))
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// sortProblems orders by line, those without one last, and by key.
func sortProblems(all []Problem) {
	slices.SortStableFunc(all, func(a, b Problem) int {
		if (a.Line == 0) != (b.Line == 0) {
			return cmp.Compare(b.Line, a.Line)
		}
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
}

// mostProblems bounds what is reported of one configuration.
const mostProblems = 100

// capProblems keeps the first ones and says how many more there are.
func capProblems(all []Problem) []Problem {
	if len(all) <= mostProblems {
		return all
	}
	more := Problem{Message: fmt.Sprintf("there are %d more errors", len(all)-mostProblems), Fix: "see to these first"}
	return append(all[:mostProblems:mostProblems], more)
}

// quote shows a value in a message, cut to a readable length.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}

// nearest finds what was probably meant; "" when nothing is near.
func nearest(word string, known []string) string {
	best, bestDistance := "", max(1, len(word)/3)+1
	if len(word) > 64 {
		return ""
	}
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete, change or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
