package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span written as in Go: `500ms`, `10s`, `1h30m`.
type Duration time.Duration

// Std is d as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// UnmarshalText reads the text form.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New("want a number with its unit, such as 500ms, 10s or 1h30m")
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes the text form, without units that are zero: `1h`, not `1h0m0s`.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the text form.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Bytes is an amount of memory: `4096`, `16KiB`, `32MiB`, `1GiB`.
type Bytes int64

var byteUnits = []struct {
	suffix string
	factor int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}, {"", 1}}

// UnmarshalText reads the text form; KiB and the like are powers of 1,024, kB and the like of 1,000.
func (b *Bytes) UnmarshalText(text []byte) error {
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/u.factor {
			break
		}
		*b = Bytes(n * u.factor)
		return nil
	}
	return errors.New("want a whole number of bytes with or without a unit, such as 4096, 64KiB or 32MiB")
}

// MarshalText writes the largest unit of 1,024 that fits without a remainder.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// String is the text form.
func (b Bytes) String() string {
	for _, u := range byteUnits[:3] {
		if b != 0 && int64(b)%u.factor == 0 {
			return strconv.FormatInt(int64(b)/u.factor, 10) + u.suffix
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Time is a moment, written as a date (its beginning in UTC) or as RFC 3339; the zero value is "not set".
type Time struct{ time.Time }

// UnmarshalText reads the text form; the empty text is the zero value.
func (t *Time) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*t = Time{}
		return nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if v, err := time.Parse(layout, string(text)); err == nil {
			*t = Time{v.UTC()}
			return nil
		}
	}
	return errors.New("want a date such as 2026-07-01, or a time such as 2026-07-01T12:00:00Z")
}

// MarshalText writes a date where it is midnight, else RFC 3339.
func (t Time) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// String is the text form.
func (t Time) String() string {
	switch {
	case t.IsZero():
		return ""
	case t.Equal(t.Truncate(24 * time.Hour)):
		return t.Format(time.DateOnly)
	default:
		return t.Format(time.RFC3339Nano)
	}
}

// LogLevel is what is worth a log line: debug, info, warn or error.
type LogLevel string

// UnmarshalText takes the names of other servers, too. What it does not know is for Check to refuse.
func (l *LogLevel) UnmarshalText(text []byte) error {
	switch s := strings.ToLower(string(text)); s {
	case "trace":
		*l = "debug"
	case "warning":
		*l = "warn"
	default:
		*l = LogLevel(s)
	}
	return nil
}

// MarshalText writes the name.
func (l LogLevel) MarshalText() ([]byte, error) { return []byte(l), nil }

// Slog is the level as log/slog has it.
func (l LogLevel) Slog() slog.Level {
	switch l {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}

// StartMode says what a Start counts from.
type StartMode string

// The modes of Start.
const (
	StartHead  StartMode = "head"
	StartIndex StartMode = "index"
	StartTime  StartMode = "time"
)

// Start is where a log without a checkpoint is begun.
type Start struct {
	Mode StartMode
	// Back is how many entries before the head (StartHead).
	Back uint64
	// Index is the first entry (StartIndex).
	Index uint64
	// Time is the SCT time of about the first entry (StartTime).
	Time time.Time
}

// UnmarshalText reads `head`, `head-N`, `index:N`, a date or a time.
func (s *Start) UnmarshalText(text []byte) error {
	const want = "want head, head-1000, index:4711, or a time such as 2026-07-01 or 2026-07-01T12:00:00Z"
	t := string(text)
	if t == "head" {
		*s = Start{Mode: StartHead}
		return nil
	}
	if digits, ok := strings.CutPrefix(t, "head-"); ok {
		n, err := strconv.ParseUint(digits, 10, 63)
		*s = Start{Mode: StartHead, Back: n}
		return wrapText(err, want)
	}
	if digits, ok := strings.CutPrefix(t, "index:"); ok {
		n, err := strconv.ParseUint(digits, 10, 63)
		*s = Start{Mode: StartIndex, Index: n}
		return wrapText(err, want)
	}
	var at Time
	if err := at.UnmarshalText(text); err != nil || at.IsZero() {
		return errors.New(want)
	}
	*s = Start{Mode: StartTime, Time: at.Time}
	return nil
}

func wrapText(err error, want string) error {
	if err != nil {
		return errors.New(want)
	}
	return nil
}

// MarshalText writes the text form.
func (s Start) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is the text form.
func (s Start) String() string {
	switch {
	case s.Mode == StartIndex:
		return fmt.Sprintf("index:%d", s.Index)
	case s.Mode == StartTime:
		return Time{s.Time}.String()
	case s.Back > 0:
		return fmt.Sprintf("head-%d", s.Back)
	default:
		return "head"
	}
}

// Secret is a text that shows itself to nobody who does not ask: neither fmt, nor JSON, nor slog. Only Render writes it.
type Secret string

const redacted = "[redacted]"

// Reveal is the text itself.
func (s Secret) Reveal() string { return string(s) }

// String says that there is one, or "".
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText is String, for JSON and other encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// UnmarshalText takes the text as it is.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = Secret(text)
	return nil
}

// UnmarshalText takes a token without a name.
func (t *Token) UnmarshalText(text []byte) error {
	*t = Token{Token: Secret(text)}
	return nil
}
