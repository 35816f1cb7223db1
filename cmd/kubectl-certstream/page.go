package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/certstream-operator/certstream-operator/internal/terminal"
)

// color is one of the 16 of every terminal, so that the user's own palette decides.
type color string

const (
	plain  color = ""
	bold   color = "\x1b[1m"
	dim    color = "\x1b[2m"
	red    color = "\x1b[31m"
	green  color = "\x1b[32m"
	yellow color = "\x1b[33m"
)

// defaultWidth is the page's where the output is no terminal.
const defaultWidth = 80

// page is text to be shown to a person. Whatever is put on it is made safe for a terminal.
type page struct {
	// width is the terminal's; 0 is no terminal: then tables are not cut.
	width int
	color bool
	now   time.Time
	text  strings.Builder
}

// cell is one field of a table.
type cell struct {
	text  string
	color color
	right bool
}

func text(s string) cell                  { return cell{text: s} }
func number[T uint64 | int](n T) cell     { return cell{text: fmt.Sprint(n), right: true} }
func decimal(n float64) cell              { return cell{text: rate(n), right: true} }
func painted(c color, s string) cell      { return cell{text: s, color: c} }
func rightward(c color, s string) cell    { return cell{text: s, color: c, right: true} }
func (c cell) size() int                  { return utf8.RuneCountInString(c.text) }
func (p *page) String() string            { return p.text.String() }
func (p *page) line(indent int, s string) { p.put(indent, plain, s) }

// columns is the width to keep to.
func (p *page) columns() int {
	if p.width > 0 {
		return p.width
	}
	return defaultWidth
}

// put writes one line.
func (p *page) put(indent int, c color, s string) {
	p.text.WriteString(strings.Repeat(" ", indent))
	p.text.WriteString(p.paint(c, terminal.Clean(s)))
	p.text.WriteByte('\n')
}

// heading begins a part of the page; what stands beside it explains.
func (p *page) heading(title, beside string) {
	p.text.WriteByte('\n')
	p.text.WriteString(p.paint(bold, title))
	if beside != "" {
		p.text.WriteString("  " + terminal.Clean(beside))
	}
	p.text.WriteByte('\n')
}

// paint colours a text that is safe already.
func (p *page) paint(c color, s string) string {
	if !p.color || c == plain || s == "" {
		return s
	}
	return string(c) + s + "\x1b[0m"
}

// wrap writes a text in lines that fit.
func (p *page) wrap(indent int, c color, s string) { p.wrapPrefixed(strings.Repeat(" ", indent), c, s) }

// wrapPrefixed is wrap with something at the beginning of each line.
func (p *page) wrapPrefixed(prefix string, c color, s string) {
	width := max(p.columns()-len(prefix), 20)
	put := func(line string) { p.text.WriteString(prefix + p.paint(c, line) + "\n") }
	line := ""
	for _, word := range strings.Fields(terminal.Clean(s)) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			put(line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		put(line)
	}
}

// table writes rows in aligned columns. Where they are wider than the terminal, the column flex is cut.
func (p *page) table(indent, flex int, rows [][]cell) {
	widths := clean(rows)
	if over := indent + total(widths) - p.width; p.width > 0 && over > 0 {
		widths[flex] = max(widths[flex]-over, 8)
	}
	for _, row := range rows {
		p.row(indent, widths, row)
	}
}

// clean makes the cells safe and measures their columns.
func clean(rows [][]cell) []int {
	var widths []int
	for _, row := range rows {
		for i := range row {
			row[i].text = terminal.Clean(row[i].text)
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], row[i].size())
		}
	}
	return widths
}

// total is the width of a table's line.
func total(widths []int) int {
	sum := 2 * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

func (p *page) row(indent int, widths []int, row []cell) {
	var line strings.Builder
	line.WriteString(strings.Repeat(" ", indent))
	for i, c := range row {
		c.text = terminal.Cut(c.text, widths[i])
		gap := strings.Repeat(" ", widths[i]-c.size())
		if c.right {
			line.WriteString(gap)
		}
		line.WriteString(p.paint(c.color, c.text))
		if i == len(row)-1 {
			break
		}
		if !c.right {
			line.WriteString(gap)
		}
		line.WriteString("  ")
	}
	p.text.WriteString(strings.TrimRight(line.String(), " "))
	p.text.WriteByte('\n')
}

// without leaves a column out of rows.
func without(rows [][]cell, column int) [][]cell {
	kept := make([][]cell, len(rows))
	for i, row := range rows {
		kept[i] = slices.Delete(slices.Clone(row), column, column+1)
	}
	return kept
}

// since is how long ago something was.
func (p *page) since(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return duration.HumanDuration(max(p.now.Sub(t), 0))
}

// span is a number of seconds, as people say it.
func span(seconds float64) string {
	return duration.HumanDuration(time.Duration(min(max(seconds, 0), 1e9) * float64(time.Second)))
}

// rate is a number per second, with as many decimals as matter.
func rate(n float64) string {
	switch {
	case n > 0 && n < 0.05:
		return "<0.1"
	case n > 0 && n < 9.95:
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.0f", n)
}

// counted is a number with its noun.
func counted[T int | int32 | int64 | uint64](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
