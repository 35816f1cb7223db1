package message

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

const (
	upperHex = "0123456789ABCDEF"
	lowerHex = "0123456789abcdef"
)

// appendString appends a JSON string (RFC 8259 §7). What is not valid UTF-8 becomes U+FFFD, byte by byte; nothing is escaped
// for HTML.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	dst = appendEscaped(dst, s)
	return append(dst, '"')
}

// appendText is appendString for what is a string already; such is not in the hot path.
func appendText(dst []byte, s string) []byte { return appendString(dst, []byte(s)) }

// appendEscaped appends what stands between the quotes of a JSON string.
func appendEscaped(dst, s []byte) []byte {
	if n := plain(s); n < len(s) {
		return escape(append(dst, s[:n]...), s[n:])
	}
	return append(dst, s...)
}

// plain says how many bytes at the beginning of b need no escape: all, nearly always. It may stop some bytes early.
func plain(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if special(binary.LittleEndian.Uint64(b[i:])) {
			return i
		}
	}
	if len(b) >= 8 { // the last eight, some of them once more
		if special(binary.LittleEndian.Uint64(b[len(b)-8:])) {
			return i
		}
		return len(b)
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return i
		}
	}
	return i
}

// special says whether one of eight bytes is a control character, a quote, a backslash, or not ASCII.
func special(v uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, backslash := v^(ones*'"'), v^(ones*'\\')
	return (v|(v-ones*0x20)|(quote-ones)|(backslash-ones))&highs != 0
}

// escape is appendEscaped for what is not plain.
func escape(dst, s []byte) []byte {
	for len(s) > 0 {
		if c := s[0]; c < utf8.RuneSelf {
			dst = escapeASCII(dst, c)
			s = s[1:]
			continue
		}
		r, size := utf8.DecodeRune(s)
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(dst, `\ufffd`...)
		case r == '\u2028' || r == '\u2029': // legal in JSON, not in old JavaScript
			dst = append(dst, `\u202`...)
			dst = append(dst, lowerHex[r&0xf])
		default:
			dst = append(dst, s[:size]...)
		}
		s = s[size:]
	}
	return dst
}

func escapeASCII(dst []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c >= 0x20:
		return append(dst, c)
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\r':
		return append(dst, `\r`...)
	case c == '\t':
		return append(dst, `\t`...)
	case c == '\b':
		return append(dst, `\b`...)
	case c == '\f':
		return append(dst, `\f`...)
	}
	return append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&0xf])
}

// appendSeconds appends ms as a number of seconds with three decimals.
func appendSeconds(dst []byte, ms uint64) []byte {
	dst = strconv.AppendUint(dst, ms/1000, 10)
	f := ms % 1000
	return append(dst, '.', '0'+byte(f/100), '0'+byte(f/10%10), '0'+byte(f%10))
}

// appendHex appends two digits per byte.
func appendHex(dst, b []byte, digits string) []byte {
	for _, c := range b {
		dst = append(dst, digits[c>>4], digits[c&0xf])
	}
	return dst
}

// appendColonHex appends two digits per byte with colons in between.
func appendColonHex(dst, b []byte, digits string) []byte {
	for i, c := range b {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = append(dst, digits[c>>4], digits[c&0xf])
	}
	return dst
}
