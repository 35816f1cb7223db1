package ctlog

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// TestRawIsBounded holds that what is kept of a padded tree head is small, and proves what was signed.
func TestRawIsBounded(t *testing.T) {
	for name, o := range map[string]testlog.Options{"RFC 6962": {}, "static": {Static: true}} {
		t.Run(name, func(t *testing.T) {
			log := testlog.New(o)
			log.Append(testlog.NewCA("Raw").Pool(3)...)
			log.Publish()
			pad := func(w http.ResponseWriter, r *http.Request) {
				rec := httptest.NewRecorder()
				log.Handler().ServeHTTP(rec, r)
				body := rec.Body.String()
				if o.Static {
					body += strings.Repeat("\u2014 witness.example AAAAAAAA\n", 20_000)
				} else {
					body = strings.TrimSuffix(body, "}") + `,"padding":"` + strings.Repeat("x", 900_000) + `"}`
				}
				_, _ = w.Write([]byte(body))
			}
			server := httptest.NewServer(http.HandlerFunc(pad))
			defer server.Close()
			log.SetURL(server.URL + "/")
			options := Options{URL: server.URL + "/", Key: log.Key(), Client: server.Client(), UserAgent: "test (ops@example.com)"}
			open := NewRFC6962
			if o.Static {
				open = NewStatic
			}
			l, err := open(options)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			head, err := l.Head(t.Context())
			if err != nil || head.Size != 3 {
				t.Fatalf("size %d, %v", head.Size, err)
			}
			if len(head.Raw) == 0 || len(head.Raw) > MaxRaw {
				t.Fatalf("%d bytes are kept", len(head.Raw))
			}
			again, err := OpenHead(head.Raw, log.Key())
			if err != nil || again.Size != head.Size || again.Root != head.Root || again.Timestamp != head.Timestamp {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}
