package certificate

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/streamer/certificate/certtest"
)

func TestTimes(t *testing.T) {
	for text, test := range map[string]struct {
		tag  byte
		want string // RFC 3339; "" for no date
	}{
		"250102030405Z":           {certtest.UTCTime, "2025-01-02T03:04:05Z"},
		"500101000000Z":           {certtest.UTCTime, "1950-01-01T00:00:00Z"},
		"491231235959Z":           {certtest.UTCTime, "2049-12-31T23:59:59Z"},
		"2501020304Z":             {certtest.UTCTime, "2025-01-02T03:04:00Z"},
		"250102030405+0130":       {certtest.UTCTime, "2025-01-02T01:34:05Z"},
		"250102030405-0500":       {certtest.UTCTime, "2025-01-02T08:04:05Z"},
		"250102030405":            {certtest.UTCTime, "2025-01-02T03:04:05Z"},
		"240229000000Z":           {certtest.UTCTime, "2024-02-29T00:00:00Z"},
		"250229000000Z":           {certtest.UTCTime, ""},
		"250631000000Z":           {certtest.UTCTime, ""},
		"251301000000Z":           {certtest.UTCTime, ""},
		"250102240000Z":           {certtest.UTCTime, ""},
		"250102030460Z":           {certtest.UTCTime, ""},
		"2501020304o5Z":           {certtest.UTCTime, ""},
		"25010203040/Z":           {certtest.UTCTime, ""},
		"250102030405X":           {certtest.UTCTime, ""},
		"250102030405+01":         {certtest.UTCTime, ""},
		"250102030405+2400":       {certtest.UTCTime, ""},
		"":                        {certtest.UTCTime, ""},
		"20250102030405Z":         {certtest.Generalized, "2025-01-02T03:04:05Z"},
		"20250102030405.25Z":      {certtest.Generalized, "2025-01-02T03:04:05Z"},
		"99991231235959Z":         {certtest.Generalized, "9999-12-31T23:59:59Z"},
		"00000101000000Z":         {certtest.Generalized, "0000-01-01T00:00:00Z"},
		"19000228235959Z":         {certtest.Generalized, "1900-02-28T23:59:59Z"},
		"19000229000000Z":         {certtest.Generalized, ""},
		"2025-01-02T03:04:05Z":    {certtest.Generalized, ""},
		"20250102030405Z of yore": {certtest.Generalized, ""},
		"20250102030406Z":         {certtest.UTF8, ""},
	} {
		t.Run(text, func(t *testing.T) {
			sound := tlv(certtest.UTCTime, []byte("300101000000Z"))
			p := certtest.NewParts()
			p.Validity = tlv(certtest.Sequence, tlv(test.tag, []byte(text)), sound)
			r := parse(p.DER())
			want, problem := int64(NoTime), "notBefore: no date"
			if test.want != "" {
				at, err := time.Parse(time.RFC3339, test.want)
				if err != nil {
					t.Fatal(err)
				}
				want, problem = at.Unix(), ""
			}
			if r.NotBefore != want || r.ParseError() != problem || r.NotAfter != 1893456000 {
				t.Errorf("got %d, want %d; parse error %q; the other date %d", r.NotBefore, want, r.ParseError(), r.NotAfter)
			}
		})
	}
}

// TestCalendar compares with package time, for all the years that dates can have.
func TestCalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62167219200, 253402300799).Draw(t, "s"), 0).UTC()
		got, ok := unixTime(at.Year(), []byte(at.Format("0102150405Z")))
		if !ok || got != at.Unix() {
			t.Fatalf("%s: got %d %v, want %d", at, got, ok, at.Unix())
		}
	})
}
