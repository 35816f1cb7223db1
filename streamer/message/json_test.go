package message

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// standard is encoding/json's form of a value, without HTML escaping.
func standard(t fataler, value any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// TestStrings is byte for byte what encoding/json writes, for any bytes.
func TestStrings(t *testing.T) {
	odd := []string{"\x00", "\x1f", " ", `"`, `\`, "/", "<>&'", "\x7f", "\u2028", "\u2029", "\ufffd", "\xff",
		"\xed\xa0\x80", "\t\n\r\b\f",
		"ä", "€", "😀", "abcdefgh", "example.com"}
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.OneOf(rapid.SampledFrom(odd), rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()),
			func(b []byte) string { return string(b) }))
		s := strings.Join(rapid.SliceOfN(piece, 0, 8).Draw(t, "pieces"), "")
		want := standard(t, s)
		if got := appendString([]byte("x"), []byte(s)); string(got) != "x"+string(want) {
			t.Fatalf("%q: got %s, want %s", s, got[1:], want)
		}
	})
}

// TestSpecial puts each byte at each of eight places among plain ones.
func TestSpecial(t *testing.T) {
	for c := range 256 {
		for place := range 17 {
			b := []byte("plain-and-long-xy")
			b[place] = byte(c)
			needs := c < 0x20 || c == '"' || c == '\\' || c >= 0x80
			if n := plain(b); needs != (n < len(b)) || needs && n > place {
				t.Fatalf("byte %#x at %d: %d bytes are plain", c, place, n)
			}
		}
	}
}

func TestSeconds(t *testing.T) {
	for ms, want := range map[uint64]string{0: "0.000", 1: "0.001", 999: "0.999", 1000: "1.000", 1795209880358: "1795209880.358",
		math.MaxUint64: "18446744073709551.615"} {
		if got := string(appendSeconds(nil, ms)); got != want {
			t.Errorf("%d: got %s, want %s", ms, got, want)
		}
	}
}

func TestHex(t *testing.T) {
	b := []byte{0x00, 0x0f, 0xa5, 0xff}
	if got := string(appendColonHex(nil, b, upperHex)); got != "00:0F:A5:FF" {
		t.Errorf("got %s", got)
	}
	if got := string(appendColonHex(nil, b, lowerHex)); got != "00:0f:a5:ff" {
		t.Errorf("got %s", got)
	}
	if got := string(appendHex(nil, b, upperHex)); got != "000FA5FF" {
		t.Errorf("got %s", got)
	}
	if got := appendColonHex(nil, nil, lowerHex); len(got) != 0 {
		t.Errorf("got %s", got)
	}
}
