package tail

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// Whatever a server says, in messages, as reason of a gap or of a refusal: a terminal gets nothing to obey.
func TestServersDoNotRuleTheTerminal(t *testing.T) {
	hostile := []string{
		`{"message_type":"dns_entries","data":["evil\u001b]0;PWNED\u0007\u001b[2J\u009b31m\nb.test\u202e"],"cursor":"e-1"}`,
		`{"message_type":"gap","data":{"reason":"\u001b[2Jslow","missed":3,"from":"e-1","to":"e-2"},"cursor":"e-2"}`,
		`{"message_type":"gap","data":{"reason":"ingest","log":"\u001b[2JLog"},"cursor":"e-2"}`,
		"{\"message_type\":\"dns_entries\",\"data\":[\"\x1b[2Jraw\xc2\x9b\"],\"cursor\":\"e-3\"}",
		"{\"message_type\":\"heartbeat\",\"timestamp\":1,\"\x1b[2J\":\"\x9b\"}",
	}
	for name, flags := range map[string]*Flags{"lines": {}, "names": {Domains: true}, "as they came": {JSON: true}} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if asked++; asked > 1 {
					http.Error(w, "\x1b[2Jno more", http.StatusForbidden)
					return
				}
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = w.Write([]byte("data: " + strings.Join(hostile, "\n\ndata: ") + "\n\n"))
			}))
			t.Cleanup(server.Close)
			var out, errs bytes.Buffer
			err := flags.Run(t.Context(), "x", client.Options{URL: server.URL, MinBackoff: 1}, &out, &errs)
			if err == nil || !strings.Contains(err.Error(), "·[2Jno more") {
				t.Errorf("ended with %v", err)
			}
			for _, said := range []string{out.String(), errs.String(), err.Error()} {
				if strings.ContainsFunc(said, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
					t.Errorf("a terminal would get %q", said)
				}
			}
		})
	}
}

func TestCleanJSONIsTheSameJSON(t *testing.T) {
	for _, raw := range []string{
		`{"a":["x\u001b"]}`, "{\n\t\"a\": \"b\u009b \u00fc \u202e \U000e0001\"\r\n}", "{\"a\":\"\u00a0\x7f\"}",
	} {
		clean := cleanJSON([]byte(raw))
		var want, got any
		if err := json.Unmarshal([]byte(raw), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(clean, &got); err != nil {
			t.Fatalf("%s: %v", clean, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if bytes.ContainsFunc(clean, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("a terminal would get %q", clean)
		}
	}
}
