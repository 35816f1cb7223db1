package main

import (
	"fmt"
	"strings"
)

// diffContext is how many equal lines stand around a difference.
const diffContext = 3

// edit is one line of a difference: ' ' in both, '-' only in the first, '+' only in the second.
type edit struct {
	kind byte
	line string
}

// unified is the difference of two texts as diff -u shows it, empty when there is none.
func unified(nameA, a, nameB, b string) string {
	edits := compare(lines(a), lines(b))
	var out strings.Builder
	for _, h := range hunks(edits) {
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", nameA, nameB)
		}
		out.WriteString(h)
	}
	return out.String()
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// compare finds the longest common subsequence: configurations are short.
func compare(a, b []string) []edit {
	common := longestCommon(a, b)
	var edits []edit
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			edits = append(edits, edit{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			edits = append(edits, edit{'-', a[i]})
			i++
		default:
			edits = append(edits, edit{'+', b[j]})
			j++
		}
	}
	return edits
}

// longestCommon says how long the longest common subsequence of a[i:] and b[j:] is.
func longestCommon(a, b []string) [][]int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}

// hunks groups differences that are near each other.
func hunks(edits []edit) (all []string) {
	for start := 0; start < len(edits); {
		if edits[start].kind == ' ' {
			start++
			continue
		}
		end := hunkEnd(edits, start)
		all = append(all, hunk(edits, max(start-diffContext, 0), min(end+diffContext, len(edits))))
		start = end
	}
	return all
}

// hunkEnd is where the differences that begin at start are followed by more equal lines than two contexts hold.
func hunkEnd(edits []edit, start int) int {
	end := start
	for i := start; i < len(edits) && i-end <= 2*diffContext; i++ {
		if edits[i].kind != ' ' {
			end = i + 1
		}
	}
	return end
}

func hunk(edits []edit, from, to int) string {
	lineA, lineB := 1, 1
	for _, e := range edits[:from] {
		lineA, lineB = advance(e, lineA, lineB)
	}
	endA, endB := lineA, lineB
	var body strings.Builder
	for _, e := range edits[from:to] {
		endA, endB = advance(e, endA, endB)
		body.WriteByte(e.kind)
		body.WriteString(e.line + "\n")
	}
	return fmt.Sprintf("@@ -%s +%s @@\n%s", extent(lineA, endA), extent(lineB, endB), body.String())
}

func advance(e edit, a, b int) (int, int) {
	if e.kind != '+' {
		a++
	}
	if e.kind != '-' {
		b++
	}
	return a, b
}

// extent is a range of lines; an empty one is named by the line before it.
func extent(from, to int) string {
	size := to - from
	if size == 0 {
		from--
	}
	return fmt.Sprintf("%d,%d", from, size)
}
