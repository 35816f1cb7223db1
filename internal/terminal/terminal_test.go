package terminal

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// at is a printer as on a terminal of a width; 0 is a pipe.
func at(width int, color bool) (*Printer, *bytes.Buffer) {
	var b bytes.Buffer
	p := &Printer{w: &b, color: color}
	if width > 0 {
		p.width = func() int { return width }
	}
	return p, &b
}

func certificate(domains ...string) *client.Certificate {
	return &client.Certificate{
		UpdateType: "PrecertLogEntry",
		Seen:       client.Time{Time: time.Date(2026, 7, 1, 12, 0, 5, 0, time.Local)},
		Leaf: client.Leaf{
			AllDomains: domains, Subject: client.Name{O: "Subject Ltd"}, Issuer: client.Name{O: "Let's Encrypt", CN: "R13"},
		},
		Source: client.Source{Name: "Some log"},
	}
}

func lines(b *bytes.Buffer) []string {
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func TestLinesAreAligned(t *testing.T) {
	p, b := at(100, false)
	long := certificate(strings.Repeat("very-long-name.", 20)+"test", "b.test", "c.test")
	wide := certificate("müller.test", "b.test")
	for _, c := range []*client.Certificate{certificate("a.test"), long, wide, certificate()} {
		if err := p.Certificate(c); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"12:00:05  pre  a.test                                   Let's Encrypt R13         Some log",
		"12:00:05  pre  very-long-name.very-long-name.very… +2   Let's Encrypt R13         Some log",
		"12:00:05  pre  müller.test +1                           Let's Encrypt R13         Some log",
		"12:00:05  pre  [Subject Ltd]                            Let's Encrypt R13         Some log",
	}
	got := lines(b)
	first := column(got[0], "Let's")
	for i, line := range got {
		if n := utf8.RuneCountInString(line); n > 100 {
			t.Errorf("line of %d columns: %q", n, line)
		}
		if at := column(line, "Let's"); at != first {
			t.Errorf("line %d: the issuer is in column %d, want %d", i, at, first)
		}
		got[i] = strings.Join(strings.Fields(line), " ")
		want[i] = strings.Join(strings.Fields(want[i]), " ")
	}
	got[1], want[1] = got[1][:40], want[1][:40] // where it is cut depends on the columns
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func column(line, part string) int {
	before, _, _ := strings.Cut(line, part)
	return utf8.RuneCountInString(before)
}

func TestNarrowTerminal(t *testing.T) {
	for _, width := range []int{1, 20, 40, 60, 80, 200} {
		p, b := at(width, false)
		if err := p.Certificate(certificate("a-name.test", "b.test")); err != nil {
			t.Fatal(err)
		}
		if n := utf8.RuneCountInString(lines(b)[0]); n > max(width, 30) {
			t.Errorf("%d columns on a terminal of %d: %q", n, width, b)
		}
	}
}

// What certificates hold must not reach a terminal as it is: escape sequences would be obeyed.
func TestControlCharactersAreNotPrinted(t *testing.T) {
	c := certificate("a\x1b[31m\x07.test", "b\r\n")
	c.Leaf.Issuer.O, c.Source.Name = "\x1b]0;title\x07", "log\u202e"
	p, b := at(100, false)
	for _, err := range []error{p.Certificate(c), p.Names([]string{"\x1b[2J"}), p.Note("%s", "\x1b[2J"), p.Status("\x1b[2J")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	text := strings.ReplaceAll(b.String(), "\r\x1b[K", "") // our own
	if strings.ContainsAny(text, "\x1b\x07\r\u202e") {
		t.Errorf("printed %q", text)
	}
}

func TestStatusLineStaysBelow(t *testing.T) {
	p, b := at(40, false)
	for _, err := range []error{p.Status("first"), p.Line("a line"), p.Status("second"), p.Close(), p.Line("after")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	clear := "\r\x1b[K"
	pad := func(s string) string { return s + strings.Repeat(" ", 39-len(s)) }
	want := clear + pad("first") + clear + "a line\n" + pad("first") + clear + pad("second") + clear + "after\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPipeGetsPlainLines(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(write, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{p.Status("not shown"), p.Certificate(certificate("a.test")), p.Close(), write.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(read); err != nil {
		t.Fatal(err)
	}
	want := "12:00:05  pre  a.test"
	if got := b.String(); !strings.HasPrefix(got, want) || strings.Contains(got, "\x1b") || p.Live() {
		t.Errorf("got %q", got)
	}
}

func TestColour(t *testing.T) {
	for choice, want := range map[string]bool{"": false, "auto": false, "never": false, "always": true} {
		_, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(write, Options{Color: choice})
		if err != nil || p.color != want {
			t.Errorf("%q: colour %v, %v", choice, p.color, err)
		}
		_ = write.Close()
	}
	if _, err := New(os.Stdout, Options{Color: "pink"}); err == nil {
		t.Error("pink was accepted")
	}
	p, b := at(100, true)
	if err := p.Certificate(certificate("a.test", "b.test")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), bold+"a.test"+reset+dim+" +1"+reset) {
		t.Errorf("got %q", b)
	}
}

func TestIssuerName(t *testing.T) {
	for _, c := range []struct {
		name client.Name
		want string
	}{
		{client.Name{O: "Let's Encrypt", CN: "R13"}, "Let's Encrypt R13"},
		{client.Name{O: "Amazon", CN: "Amazon RSA 2048 M02"}, "Amazon RSA 2048 M02"},
		{client.Name{O: "DigiCert Inc", CN: "GeoTrust by DigiCert Inc"}, "GeoTrust by DigiCert Inc"},
		{client.Name{CN: "Only CN"}, "Only CN"},
		{client.Name{O: "Only O"}, "Only O"},
		{client.Name{}, ""},
	} {
		if got := issuerName(&c.name); got != c.want {
			t.Errorf("%+v: %q, want %q", c.name, got, c.want)
		}
	}
}
