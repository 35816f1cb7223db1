package tail

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/cobra"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// stream answers with server-sent events, and refuses whoever comes back.
func stream(t *testing.T, messages ...string) string {
	t.Helper()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked > 1 {
			http.Error(w, "no more", http.StatusForbidden)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, m := range messages {
			_, _ = w.Write([]byte("data: " + m + "\n\n"))
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestForms(t *testing.T) {
	messages := []string{
		`{"message_type":"dns_entries","data":["a.test","b.test"],"cursor":"e-1"}`,
		`{"message_type":"heartbeat","timestamp":1,"cursor":"e-1"}`,
		`{"message_type":"gap","data":{"reason":"slow","missed":7,"from":"e-1","to":"e-9"},"cursor":"e-9"}`,
		`{"message_type":"gap","data":{"reason":"ingest","log":"Log 1"},"cursor":"e-9"}`,
		`{"message_type":"certificate_update","data":{"leaf_cert":{"all_domains":["c.test"]}},"cursor":"e-10"}`,
	}
	gaps := "x: gap: 7 certificates missed (slow)\nx: gap: the server skipped an unknown number of certificates of Log 1 (ingest)\n"
	for name, c := range map[string]struct {
		flags     Flags
		out, errs string
	}{
		"names":        {Flags{Domains: true}, "a.test\nb.test\nc.test\n", gaps},
		"as they came": {Flags{JSON: true}, strings.Join(messages, "\n") + "\n", ""},
		"one":          {Flags{Domains: true, Count: 1}, "a.test\nb.test\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := c.flags.Options()
			if err != nil {
				t.Fatal(err)
			}
			o.URL, o.MinBackoff = stream(t, messages...), 1
			var out, errs bytes.Buffer
			err = c.flags.Run(t.Context(), "x", o, &out, &errs)
			if c.flags.Count == 0 && (err == nil || !strings.Contains(err.Error(), "403 Forbidden: no more")) || c.flags.Count > 0 && err != nil {
				t.Errorf("ended with %v", err)
			}
			if diff := cmp.Diff(c.out, out.String()); diff != "" {
				t.Error(diff)
			}
			said, _, _ := strings.Cut(errs.String(), "x: reading from")
			if diff := cmp.Diff(c.errs, said); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Why there is no connection is said once, and again when the reason is another or there was a connection in between.
func TestTheSameFailureIsToldOnce(t *testing.T) {
	var dialer net.Dialer
	failures := []string{"no pod", "no pod", "no pod", "not ready", "not ready", "", "not ready"}
	var o client.Options
	o.URL, o.MinBackoff, o.MaxBackoff = stream(t, `{"message_type":"heartbeat","timestamp":1,"cursor":"e-1"}`), 1, 1
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if len(failures) == 0 {
			return dialer.DialContext(ctx, network, address)
		}
		failure := failures[0]
		failures = failures[1:]
		if failure != "" {
			return nil, errors.New(failure)
		}
		return dialer.DialContext(ctx, network, address)
	}
	var out, errs bytes.Buffer
	if err := new(Flags).Run(t.Context(), "x", o, &out, &errs); err == nil {
		t.Error("it did not end")
	}
	for want, times := range map[string]int{"no pod; next try": 1, "not ready; next try": 2} {
		if got := strings.Count(errs.String(), want); got != times {
			t.Errorf("%q was said %d times, want %d:\n%s", want, got, times, &errs)
		}
	}
}

func TestFlagsBecomeOptions(t *testing.T) {
	for line, want := range map[string]client.Options{
		"":                             {},
		"--dedup --since 15m":          {Dedup: client.DedupOn, Since: "15m"},
		"--dedup=false --since e-7":    {Dedup: client.DedupOff, Since: "e-7"},
		"--domains --glob *.test":      {Stream: client.Domains, Filter: client.Filter{Glob: []string{"*.test"}}},
		"--stream domains-only --any":  {Stream: client.Domains, Filter: client.Filter{Any: true}},
		"--suffix a.test --suffix b.c": {Filter: client.Filter{Suffix: []string{"a.test", "b.c"}}},
	} {
		var f Flags
		cmd := &cobra.Command{}
		f.Add(cmd)
		if err := cmd.ParseFlags(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		o, err := f.Options()
		if diff := cmp.Diff(want, o, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", line, err, diff)
		}
	}
	var f Flags
	cmd := &cobra.Command{}
	f.Add(cmd)
	if err := cmd.ParseFlags([]string{"--dedup=sometimes"}); err == nil || !strings.Contains(err.Error(), "want true or false") {
		t.Errorf("got %v", err)
	}
}

func TestFlagsAtFault(t *testing.T) {
	for want, f := range map[string]Flags{
		"--ca: open /nowhere":             {CA: "/nowhere"},
		"--ca: tail_test.go holds no PEM": {CA: "tail_test.go"},
	} {
		if _, err := f.Options(); err == nil || !strings.Contains(err.Error(), want) || !errors.As(err, new(UsageError)) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Of a server that cannot resume, tail says after a reconnect that something may be missing; also beside --json, which prints
// nothing that the server did not send.
func TestServerThatCannotResume(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = w.Write([]byte(`data: {"data":["a.test"],"message_type":"dns_entries"}` + "\n\n"))
	}))
	t.Cleanup(server.Close)
	for name, c := range map[string]struct {
		flags Flags
		out   string
	}{
		"names":        {Flags{Domains: true, Count: 2}, "a.test\na.test\n"},
		"as they came": {Flags{JSON: true, Count: 2}, strings.Repeat(`{"data":["a.test"],"message_type":"dns_entries"}`+"\n", 2)},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if err := c.flags.Run(t.Context(), "x", client.Options{URL: server.URL, MinBackoff: 1}, &out, &errs); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.out, out.String()); diff != "" {
				t.Error(diff)
			}
			const want = "x: gap: an unknown number of certificates missed; this server cannot resume\n"
			if strings.Count(errs.String(), want) != 1 {
				t.Errorf("said %q", &errs)
			}
		})
	}
}
