package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

// TestTextForms holds that each type reads what it documents, writes its shortest form, and refuses the rest.
func TestTextForms(t *testing.T) {
	for _, tt := range []struct {
		value    encoding.TextUnmarshaler
		in, want string // an empty want is a refusal
	}{
		{new(Duration), "90s", "1m30s"}, {new(Duration), "60m", "1h"}, {new(Duration), "0s", "0s"}, {new(Duration), "1h0m5s", "1h0m5s"},
		{new(Duration), "10", ""}, {new(Duration), "1d", ""}, {new(Duration), "", ""},
		{new(Bytes), "4096", "4KiB"}, {new(Bytes), "32MiB", "32MiB"}, {new(Bytes), "1 GiB", "1GiB"}, {new(Bytes), "2kB", "2000"},
		{new(Bytes), "5MB", "5000000"}, {new(Bytes), "7B", "7"}, {new(Bytes), "0", "0"},
		{new(Bytes), "-1", ""}, {new(Bytes), "1.5MiB", ""}, {new(Bytes), "9999999999GiB", ""}, {new(Bytes), "MiB", ""},
		{new(Time), "2026-07-01", "2026-07-01"}, {new(Time), "2026-07-01T12:30:00+02:00", "2026-07-01T10:30:00Z"},
		{new(Time), "2026-07-01T00:00:00.5Z", "2026-07-01T00:00:00.5Z"}, {new(Time), "yesterday", ""},
		{new(Start), "head", "head"}, {new(Start), "head-1000", "head-1000"}, {new(Start), "head-0", "head"},
		{new(Start), "index:0", "index:0"}, {new(Start), "2026-07-01", "2026-07-01"},
		{new(Start), "head+5", ""}, {new(Start), "head-x", ""}, {new(Start), "index:-1", ""}, {new(Start), "", ""},
		{new(LogLevel), "TRACE", "debug"}, {new(LogLevel), "Warning", "warn"}, {new(LogLevel), "ERROR", "error"},
	} {
		err := tt.value.UnmarshalText([]byte(tt.in))
		if (err != nil) != (tt.want == "") {
			t.Errorf("%T %q: error %v", tt.value, tt.in, err)
		}
		if err == nil && textOf(reflect.ValueOf(tt.value).Elem()) != tt.want {
			t.Errorf("%T %q: got %v, want %s", tt.value, tt.in, textOf(reflect.ValueOf(tt.value).Elem()), tt.want)
		}
	}
}

// TestSecretsStaySecret holds that no usual way of printing shows a secret.
func TestSecretsStaySecret(t *testing.T) {
	const word = "correct-horse"
	c := Default()
	c.Auth.Tokens = []Token{{Name: "alice", Token: word}}
	c.Network.Proxy = "http://user:" + word + "@proxy:3128"
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("loaded", "config", c, "token", c.Auth.Tokens[0].Token)
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		fmt.Sprint(*c), fmt.Sprintf("%+v", *c), fmt.Sprintf("%#v", *c), fmt.Sprintf("%q %s", c.Network.Proxy, c.Network.Proxy),
		string(asJSON), log.String(),
	} {
		if strings.Contains(shown, word) {
			t.Errorf("shown: %s", shown)
		}
	}
	rendered, err := Render(c)
	if err != nil || strings.Count(string(rendered), word) != 2 {
		t.Errorf("Render must write secrets, for a file: %s, %v", rendered, err)
	}
}

// TestProblemsHideSecrets holds that what is wrong with a secret is said without it.
func TestProblemsHideSecrets(t *testing.T) {
	const word = "correct-horse"
	file := "network: {proxy: \"::" + word + "\"}\n" +
		"ct_logs_url: http://me:" + word + "@a.example/l.json\n" +
		"auth: {enabled: true, tokens: [\"" + word + " staple\", {name: [x], token: " + word + "}]}\n"
	problems := Validate([]byte(file), []string{"CERTSTREAM_AUTH_TOKENS=" + word + ",a\tb"})
	if len(problems) < 4 || strings.Contains(fmt.Sprint(problems), word) {
		t.Errorf("problems: %v", problems)
	}
}
