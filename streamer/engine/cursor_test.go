package engine

import (
	"errors"
	"strings"
	"testing"
)

func TestParseCursor(t *testing.T) {
	good, err := ParseCursor("1x9k2-4711")
	if err != nil || good != (Cursor{"1x9k2", 4711}) || good.String() != "1x9k2-4711" {
		t.Errorf("got %+v, %v", good, err)
	}
	for _, bad := range []string{"", "-", "-5", "a", "a-", "a--5", "A-5", "a-5x", "a-+5", "a-99999999999999999999", "é-5",
		strings.Repeat("a", 70) + "-1", "a-5\n"} {
		if c, err := ParseCursor(bad); !errors.Is(err, ErrCursor) {
			t.Errorf("ParseCursor(%q) = %v, %v, want an error", bad, c, err)
		}
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"1x9k2-4711", "a-0", "-", "a-18446744073709551615"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCursor(s)
		if err != nil {
			return
		}
		if again, err := ParseCursor(c.String()); err != nil || again != c {
			t.Errorf("%q became %v, then %v: %v", s, c, again, err)
		}
	})
}
