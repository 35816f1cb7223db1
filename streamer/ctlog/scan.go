package ctlog

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks over JSON in place. encoding/json would cost ten times the parsing of the certificates inside. It takes any
// legal JSON of the shape wanted, in any order, with members it does not know, and nothing else.
type scanner struct {
	b   []byte
	pos int
	// escapes says that the last string had some.
	escapes bool
}

var (
	errJSON    = errors.New("not the JSON that was expected")
	errMembers = errors.New("leaf_input is missing")
)

func (s *scanner) fail(want string) error {
	at := min(s.pos, len(s.b))
	return fmt.Errorf("%w: want %s at byte %d, got %s", errJSON, want, at, quote(s.b[at:min(at+40, len(s.b))]))
}

// peek skips white space and gives the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.pos < len(s.b) {
		switch c := s.b[s.pos]; c {
		case ' ', '\t', '\r', '\n':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// next skips white space and takes the byte wanted.
func (s *scanner) next(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// span is a string in place: b[from:to] are its bytes, without the quotes; b[from-1] is the opening quote, free to be overwritten.
type span struct{ from, to int }

// str reads a string and undoes its escapes in place. Control characters, which JSON forbids, are left to the caller where there
// are no escapes.
func (s *scanner) str() (span, error) {
	if !s.next('"') {
		return span{}, s.fail("a string")
	}
	from := s.pos
	n := bytes.IndexByte(s.b[from:], '"')
	if n < 0 {
		s.pos = len(s.b)
		return span{}, s.fail("the end of a string")
	}
	to := from + n
	if s.escapes = bytes.IndexByte(s.b[from:to], '\\') >= 0; s.escapes {
		return s.escaped(from)
	}
	s.pos = to + 1
	return span{from, to}, nil
}

// text is str for keys and values that are passed over.
func (s *scanner) text() (span, error) {
	at, err := s.str()
	if err == nil && !s.escapes && bytes.IndexFunc(s.b[at.from:at.to], isControl) >= 0 {
		return span{}, s.fail("no control character before")
	}
	return at, err
}

func isControl(r rune) bool { return r < ' ' }

// escaped is str for strings with a backslash in them.
func (s *scanner) escaped(from int) (span, error) {
	s.pos = from
	out := from
	for s.pos < len(s.b) {
		c := s.b[s.pos]
		switch {
		case c == '"':
			s.pos++
			return span{from, out}, nil
		case c == '\\':
			n := s.escape(out)
			if n == 0 {
				return span{}, s.fail("an escape")
			}
			out += n
		case c < ' ':
			return span{}, s.fail("no control character")
		default:
			s.b[out] = c
			out++
			s.pos++
		}
	}
	return span{}, s.fail("the end of a string")
}

// simpleEscapes maps what follows a backslash to what it stands for.
var simpleEscapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape writes what the escape at pos stands for at out, which is never beyond it, and returns its length, 0 for none.
func (s *scanner) escape(out int) int {
	if s.pos+1 >= len(s.b) {
		return 0
	}
	if c := simpleEscapes[s.b[s.pos+1]]; c != 0 {
		s.b[out] = c
		s.pos += 2
		return 1
	}
	r, ok := s.hex4(s.pos)
	if !ok {
		return 0
	}
	s.pos += 6
	if utf16.IsSurrogate(r) {
		low, ok := s.hex4(s.pos)
		if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
			s.pos += 6
		} else {
			r = utf8.RuneError
		}
	}
	return utf8.EncodeRune(s.b[out:out+utf8.UTFMax], r)
}

// hex4 reads \uXXXX.
func (s *scanner) hex4(at int) (rune, bool) {
	if at+6 > len(s.b) || s.b[at] != '\\' || s.b[at+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s.b[at+2 : at+6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// maxDepth bounds the nesting of members that are skipped.
const maxDepth = 32

// skip steps over a value of any kind.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return s.fail("less nesting")
	}
	switch c := s.peek(); {
	case c == '"':
		_, err := s.text()
		return err
	case c == '{':
		return s.object(func(span) error { return s.skip(depth + 1) })
	case c == '[':
		return s.array(func() error { return s.skip(depth + 1) })
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if s.word(word) {
			return nil
		}
	}
	return s.fail("a value")
}

func (s *scanner) word(w string) bool {
	s.peek()
	if !bytes.HasPrefix(s.b[s.pos:], []byte(w)) {
		return false
	}
	s.pos += len(w)
	return true
}

func (s *scanner) digits() bool {
	from := s.pos
	for s.pos < len(s.b) && s.b[s.pos] >= '0' && s.b[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > from
}

// at says whether the next byte is one of some, and takes it.
func (s *scanner) at(set string) bool {
	if s.pos < len(s.b) && bytes.IndexByte([]byte(set), s.b[s.pos]) >= 0 {
		s.pos++
		return true
	}
	return false
}

// number steps over a number (RFC 8259 §6).
func (s *scanner) number() error {
	s.at("-")
	if !s.at("0") && !s.digits() {
		return s.fail("a digit")
	}
	if s.at(".") && !s.digits() {
		return s.fail("a digit")
	}
	if s.at("eE") {
		s.at("+-")
		if !s.digits() {
			return s.fail("a digit")
		}
	}
	return nil
}

// object reads an object; member reads the value that belongs to a key.
func (s *scanner) object(member func(key span) error) error {
	if !s.next('{') {
		return s.fail("an object")
	}
	if s.next('}') {
		return nil
	}
	for {
		key, err := s.text()
		if err != nil {
			return err
		}
		if !s.next(':') {
			return s.fail("a colon")
		}
		if err := member(key); err != nil {
			return err
		}
		if s.next('}') {
			return nil
		}
		if !s.next(',') {
			return s.fail("a comma")
		}
	}
}

// array reads an array; element reads each of its values.
func (s *scanner) array(element func() error) error {
	if !s.next('[') {
		return s.fail("an array")
	}
	if s.next(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if s.next(']') {
			return nil
		}
		if !s.next(',') {
			return s.fail("a comma")
		}
	}
}

// base64 reads a string and decodes it in place.
func (s *scanner) base64() (span, error) {
	at, err := s.str()
	if err != nil {
		return span{}, err
	}
	text := s.b[at.from:at.to]
	want := base64.StdEncoding.DecodedLen(len(text)) - padding(text)
	n, err := base64.StdEncoding.Decode(text, text)
	if err != nil {
		return span{}, fmt.Errorf("%w: %w", errJSON, err)
	}
	if (n != want || len(text)%4 != 0) && !s.escapes { // the decoder passes over line ends, which JSON has only as escapes
		return span{}, s.fail("no line end before")
	}
	return span{at.from, at.from + n}, nil
}

// padding is the number of = that end a base64 text.
func padding(text []byte) int { return len(text) - len(bytes.TrimRight(text, "=")) }

// scanEntries reads a get-entries answer (RFC 6962 §4.6) and decodes it in place. At most `most` entries are allowed. Each entry
// is handed to emit as the places of leaf_input and extra_data; leaf_input has a byte in front of it that may be overwritten.
func scanEntries(b []byte, most int, emit func(leaf, extra span)) error {
	s := &scanner{b: b}
	n, seen := 0, false
	err := s.object(func(key span) error {
		if string(b[key.from:key.to]) != "entries" {
			return s.skip(1)
		}
		if seen {
			return fmt.Errorf("%w: entries is there twice", errJSON)
		}
		seen = true
		return s.array(func() error {
			if n++; n > most {
				return fmt.Errorf("more than the %d entries asked for", most)
			}
			return s.entry(emit)
		})
	})
	if err != nil {
		return err
	}
	if s.peek(); s.pos < len(b) {
		return s.fail("the end")
	}
	return nil
}

// entry reads one {"leaf_input","extra_data"}.
func (s *scanner) entry(emit func(leaf, extra span)) error {
	var leaf, extra span
	err := s.object(func(key span) (err error) {
		switch string(s.b[key.from:key.to]) {
		case "leaf_input":
			leaf, err = s.base64()
		case "extra_data":
			extra, err = s.base64()
		default:
			err = s.skip(2)
		}
		return err
	})
	if err != nil {
		return err
	}
	if leaf.to == 0 {
		return errMembers
	}
	emit(leaf, extra)
	return nil
}
