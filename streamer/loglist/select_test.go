package loglist

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func date(s string) time.Time {
	t, _ := time.Parse(time.DateOnly, s)
	return t
}

// TestSelection holds each rule, and the reason it gives.
func TestSelection(t *testing.T) {
	usable := Log{
		Name: "Google 'Argon2026h2' log", Operator: "Google", ID: [32]byte{1}, URL: "https://ct.example/argon", Protocol: RFC6962,
		State: Usable, From: date("2026-07-01"), Until: date("2027-01-01"),
	}
	changed := func(f func(l *Log)) Log {
		l := usable
		f(&l)
		return l
	}
	for name, tt := range map[string]struct {
		log  Log
		s    Selection
		want string // what begins with - is not followed
	}{
		"default":   {usable, Selection{}, "its state is usable"},
		"qualified": {changed(func(l *Log) { l.State = Qualified }), Selection{}, "its state is qualified"},
		"readonly":  {changed(func(l *Log) { l.State = Readonly }), Selection{}, "its state is readonly"},
		"pending":   {changed(func(l *Log) { l.State = Pending }), Selection{}, "-its state is pending"},
		"pending asked for": {
			changed(func(l *Log) { l.State = Pending }),
			Selection{States: []State{Pending}},
			"its state is pending",
		},
		"no states": {usable, Selection{States: []State{}}, "-its state is usable"},
		"test":      {changed(func(l *Log) { l.Type = "monitoring_only" }), Selection{}, "-is a monitoring only log"},
		"test, included": {
			changed(func(l *Log) { l.Type = "test" }),
			Selection{Include: []string{"google*"}},
			"included by google*",
		},
		"excluded and included": {
			usable,
			Selection{Include: []string{"*"}, Exclude: []string{"operator:google"}},
			"-excluded by operator:google",
		},
		"by URL": {
			usable,
			Selection{Exclude: []string{"https://ct.example/argon/"}},
			"-excluded by https://ct.example/argon/",
		},
		"by id": {
			usable,
			Selection{Exclude: []string{"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}},
			"-excluded by AQAA",
		},
		"by hex id":          {usable, Selection{Exclude: []string{"01" + strings.Repeat("00", 31)}}, "-excluded by 0100"},
		"by another name":    {usable, Selection{Exclude: []string{"Xenon*", "https://x/", "operator:x"}}, "its state is usable"},
		"operator":           {usable, Selection{Operators: []string{"GOOGLE"}}, "its state is usable"},
		"other operator":     {usable, Selection{Operators: []string{"Sectigo"}}, "-its operator is not selected"},
		"name":               {usable, Selection{Names: []string{"*argon20??h2*"}}, "its state is usable"},
		"other name":         {usable, Selection{Names: []string{"argon"}}, "-its name is not selected"},
		"id":                 {usable, Selection{LogIDs: [][32]byte{{2}, {1}}}, "its state is usable"},
		"other id":           {usable, Selection{LogIDs: [][32]byte{{2}}}, "-its log id is not selected"},
		"protocol":           {usable, Selection{Protocols: []Protocol{Tiled}}, "-its protocol is rfc6962"},
		"plain http":         {changed(func(l *Log) { l.URL = "http://x" }), Selection{}, "-is read by plain http"},
		"plain http allowed": {changed(func(l *Log) { l.URL = "http://x" }), Selection{AllowHTTP: true}, "its state is usable"},
		"expired":            {usable, Selection{ExpiresFrom: date("2027-01-01")}, "-its certificates expire before 2027-01-01"},
		"not all expired":    {usable, Selection{ExpiresFrom: date("2026-12-31")}, "its state is usable"},
		"too late":           {usable, Selection{ExpiresUntil: date("2026-07-01")}, "-its certificates expire from 2026-07-01 on"},
		"not too late":       {usable, Selection{ExpiresUntil: date("2026-07-02")}, "its state is usable"},
		"no interval": {
			changed(func(l *Log) { l.From, l.Until = time.Time{}, time.Time{} }),
			Selection{ExpiresFrom: date("2030-01-01"), ExpiresUntil: date("2030-01-02")},
			"its state is usable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := Resolve([]Log{tt.log}, nil, tt.s)[0]
			got := d.Reason
			if !d.Followed {
				got = "-" + got
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestCustomLogs holds that custom logs come first, beat their twins in the list, and say what is wrong with them.
func TestCustomLogs(t *testing.T) {
	_, spki := newKey(t)
	twin := Log{
		Name: "listed", Operator: "Z", ID: [32]byte(sha(spki)), Key: spki, URL: "https://twin.example", State: Usable, Protocol: RFC6962,
	}
	same := Log{Name: "same URL", Operator: "Y", ID: [32]byte{9}, URL: "https://bare.example/log", State: Usable, Protocol: RFC6962}
	all := Resolve([]Log{twin, same}, []Custom{
		{Name: "keyed", URL: "https://mine.example/", Key: base64Of(spki), Operator: "Me"},
		{Name: "bare", URL: "https://bare.example/log/"},
		{Name: "tiles", URL: "https://mon.example/", SubmissionURL: "https://log.example/", Protocol: Tiled, MMD: time.Minute},
		{Name: "no URL"},
		{Name: "bad key", URL: "https://x.example/", Key: "!"},
		{Name: "bad origin", URL: "https://x.example/", SubmissionURL: "x", Protocol: Tiled},
	}, Selection{Exclude: []string{"*"}})
	var got []string
	for _, d := range all {
		mark := "-"
		if d.Followed {
			mark = "+"
		}
		got = append(got, mark+d.Log.Name+": "+d.Reason)
	}
	want := []string{
		"+keyed: named in the configuration",
		"+bare: named in the configuration, without a key: unverified",
		"+tiles: named in the configuration, without a key: unverified",
		`-no URL: custom log "no URL": it has no URL`,
		`-bad key: custom log "bad key": reading a public key: want PEM, or the base64 of its SubjectPublicKeyInfo`,
		`-bad origin: custom log "bad origin": submission_url: "x" is not a URL of a log`,
		`-same URL: is the custom log "bare"`,
		`-listed: is the custom log "keyed"`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	tiles := all[2].Log
	if tiles.ID != [32]byte(sha([]byte("https://mon.example"))) || tiles.Operator != "tiles" || tiles.MMD != time.Minute ||
		tiles.SubmissionURL != "https://log.example" || !tiles.Custom {
		t.Errorf("tiles: %+v", tiles)
	}
}

// TestGlob holds the matcher, with patterns that make careless ones slow.
func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"", "", true}, {"", "a", false}, {"?", "", false}, {"a*b*c", "aXbYc", true}, {"a*b*c", "aXbY", false},
		{"ÄRGER*", "ärger 2026", true}, {"a?c", "aéc", true}, {"*h2", "argon2026h2", true}, {"[a]", "[A]", true}, {"a**b", "ab", true},
		{strings.Repeat("*a", 40) + "b", strings.Repeat("a", 200), false},
	} {
		if got := glob(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%q %q: %t", tt.pattern, tt.name, got)
		}
	}
}
