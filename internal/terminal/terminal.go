// Package terminal shows a stream to a person: aligned lines, colour where it is wanted, and a status line that stays below
// them. Where the output is no terminal it writes plain lines.
package terminal

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// The colours in use: the 16 of every terminal, so that the user's own palette decides.
const (
	reset  = "\x1b[0m"
	dim    = "\x1b[2m"
	bold   = "\x1b[1m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	cyan   = "\x1b[36m"
)

// Printer writes to one terminal or pipe. All methods are safe for concurrent use.
type Printer struct {
	mu     sync.Mutex
	w      io.Writer
	width  func() int
	color  bool
	status string
	buf    bytes.Buffer
}

// Options override what New finds out about the output.
type Options struct {
	// Color is always, never, or auto: only on a terminal, and not where NO_COLOR is set.
	Color string
}

// New makes a printer for a writer, such as os.Stdout. Each line goes out with one write.
func New(w io.Writer, o Options) (*Printer, error) {
	p := &Printer{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.width = func() int {
			width, _, err := term.GetSize(int(f.Fd()))
			if err != nil || width <= 0 {
				return 80
			}
			return width
		}
	}
	switch o.Color {
	case "", "auto":
		p.color = p.width != nil && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	case "always":
		p.color = true
	case "never":
	default:
		return nil, fmt.Errorf("colour %q: want auto, always or never", o.Color)
	}
	return p, nil
}

// Live says that the output is a terminal: a status line can stay.
func (p *Printer) Live() bool { return p.width != nil }

// columns are the widths of the line's columns: names, issuer, log.
func (p *Printer) columns() (names, issuer, log int) {
	if p.width == nil {
		return 44, 32, 0
	}
	free := p.width() - len("15:04:05  pre  ") - 4
	if free < 50 {
		return max(free, 10), 0, 0
	}
	issuer, log = free*30/100, free*22/100
	return free - issuer - log, issuer, log
}

// Certificate writes one line: time, kind, names, issuer, log.
func (p *Printer) Certificate(c *client.Certificate) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	names, issuer, log := p.columns()
	kind, color := "crt", green
	if c.UpdateType == "PrecertLogEntry" {
		kind, color = "pre", cyan
	}
	if c.Leaf.ParseError != "" {
		color = yellow
	}
	p.begin()
	p.paint(dim, clock(c.Seen.Time))
	p.buf.WriteString("  ")
	p.paint(color, kind)
	p.buf.WriteString("  ")
	p.names(c.Leaf.AllDomains, subject(&c.Leaf), names)
	if issuer > 0 {
		p.buf.WriteString("  ")
		p.paint(dim, pad(issuerName(&c.Leaf.Issuer), issuer))
		p.buf.WriteString("  ")
		p.paint(dim, pad(c.Source.Name, log))
	}
	return p.end()
}

// Names writes one line of a domains-only stream.
func (p *Printer) Names(names []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	width := 0
	if p.width != nil {
		width = max(p.width()-len("15:04:05  "), 10)
	}
	p.begin()
	p.paint(dim, clock(time.Now()))
	p.buf.WriteString("  ")
	p.buf.WriteString(strings.TrimRight(pad(strings.Join(names, " "), width), " "))
	return p.end()
}

// Note writes a line about the stream itself: a gap, a lost connection.
func (p *Printer) Note(format string, args ...any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begin()
	p.paint(yellow, Clean(fmt.Sprintf(format, args...)))
	return p.end()
}

// Line writes a line as it is.
func (p *Printer) Line(line string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begin()
	p.buf.WriteString(line)
	return p.end()
}

// Write puts whole lines, such as a logger's, between the others.
func (p *Printer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begin()
	p.buf.Write(bytes.TrimSuffix(b, []byte("\n")))
	return len(b), p.end()
}

// Heading writes a line that stands out.
func (p *Printer) Heading(line string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begin()
	p.paint(bold, line)
	return p.end()
}

// Status replaces the status line. Where the output is no terminal it does nothing.
func (p *Printer) Status(line string) error {
	if !p.Live() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = pad(Clean(line), p.width()-1)
	p.buf.Reset()
	p.buf.WriteString("\r\x1b[K")
	p.writeStatus()
	_, err := p.w.Write(p.buf.Bytes())
	return err
}

// Close removes the status line.
func (p *Printer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status == "" {
		return nil
	}
	p.status = ""
	_, err := io.WriteString(p.w, "\r\x1b[K")
	return err
}

// begin starts a line where the status line is.
func (p *Printer) begin() {
	p.buf.Reset()
	if p.status != "" {
		p.buf.WriteString("\r\x1b[K")
	}
}

// end writes the line, and the status line below it.
func (p *Printer) end() error {
	line := bytes.TrimRight(p.buf.Bytes(), " ")
	p.buf.Truncate(len(line))
	p.buf.WriteByte('\n')
	p.writeStatus()
	_, err := p.w.Write(p.buf.Bytes())
	return err
}

func (p *Printer) writeStatus() {
	if p.status != "" {
		p.paint("\x1b[7m", p.status)
	}
}

func (p *Printer) paint(color, s string) {
	if !p.color {
		p.buf.WriteString(s)
		return
	}
	p.buf.WriteString(color)
	p.buf.WriteString(s)
	p.buf.WriteString(reset)
}

// names writes the first name and how many more there are; what a certificate without names is about, in brackets.
func (p *Printer) names(all []string, subject string, width int) {
	if len(all) == 0 {
		p.paint(dim, pad("["+subject+"]", width))
		return
	}
	more := ""
	if len(all) > 1 {
		more = fmt.Sprintf(" +%d", len(all)-1)
	}
	name := Cut(Clean(all[0]), width-len(more))
	p.paint(bold, name)
	p.paint(dim, more)
	p.buf.WriteString(strings.Repeat(" ", max(0, width-utf8.RuneCountInString(name)-len(more))))
}

// subject is what a certificate without names is about.
func subject(l *client.Leaf) string {
	switch {
	case l.Subject.CN != "":
		return l.Subject.CN
	case l.Subject.O != "":
		return l.Subject.O
	case l.ParseError != "":
		return l.ParseError
	}
	return "no names"
}

// issuerName is an issuer as people call it.
func issuerName(n *client.Name) string {
	switch {
	case n.CN == "":
		return n.O
	case strings.Contains(n.CN, n.O):
		return n.CN
	}
	return n.O + " " + n.CN
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "--:--:--"
	}
	return t.Local().Format(time.TimeOnly)
}

// pad makes a text exactly so wide; 0 leaves its length alone.
func pad(s string, width int) string {
	s = Clean(s)
	if width <= 0 {
		return s
	}
	s = Cut(s, width)
	return s + strings.Repeat(" ", width-utf8.RuneCountInString(s))
}

// Cut shortens a text to a width, and shows that it did.
func Cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	if width < 1 {
		return ""
	}
	return string([]rune(s)[:width-1]) + "…"
}

// Clean replaces what a terminal would obey instead of show: certificates hold whatever their makers put in.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '·'
	}, s)
}
