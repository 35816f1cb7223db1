package serve

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// TestHello: what a client says first, with and without silence, decides its stream.
func TestHello(t *testing.T) {
	for _, c := range []struct {
		say   string
		wait  time.Duration
		close bool
		want  visit
		token string
		err   string
	}{
		{say: "f", want: visit{kind: message.Full}},
		{say: "d\n", want: visit{kind: message.Domains}},
		{say: "x", want: visit{kind: message.Lite}},
		{say: "GET / HTTP/1.1\r\n", want: visit{kind: message.Lite}},
		{wait: 6 * time.Second, want: visit{kind: message.Lite}},
		{close: true, want: visit{kind: message.Lite}},
		{say: `{"stream":"full","token":"secret","since":"e-5","suffix":"a.org"}` + "\n", token: "secret",
			want: visit{kind: message.Full, since: &origin{cursor: engine.Cursor{Epoch: "e", Offset: 5}},
				query: filter.Query{Suffix: filter.Values{"a.org"}}}},
		{say: `{"domain":["a","b"],"mode":"any"}`, close: true,
			want: visit{kind: message.Lite, query: filter.Query{Domain: filter.Values{"a", "b"}, Mode: "any"}}},
		{say: `{"stream":"full"`, wait: 6 * time.Second, err: "does not end"},
		{say: `{"stream":"many"}` + "\n", err: "want full, lite or domains-only"},
		{say: `{"since":"?"}` + "\n", err: "since is not a place to begin"},
		{say: `{no json` + "\n", err: "not the JSON object"},
		{say: `{"dedup":"yes"}` + "\n", err: `dedup in the first line is "yes"; give 1 or 0`},
		{say: `{"since":15}` + "\n", err: `since in the first line is 15; give a string such as "15m"`},
		{say: `{"stream":"lite","mode":["any"]}` + "\n", err: `mode in the first line is ["any"]; give a string`},
		{say: `{"suffix":{"a":1}}` + "\n", err: `suffix in the first line is {"a":1}; give a string or a list of strings`},
		{say: `{"sinc":"15m"}` + "\n", err: "sinc"},
		{say: `{` + strings.Repeat(" ", maxHello+1), err: "longer than"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer ours.Close()
			go func() {
				if c.say != "" {
					_, _ = io.WriteString(theirs, c.say)
				}
				time.Sleep(c.wait)
				if c.close {
					_ = theirs.Close()
				}
			}()
			s := &Server{patience: defaultPatience()}
			v, token, err := s.greet(ours)
			_ = theirs.Close()
			time.Sleep(c.wait) // in fake time: until the other side has finished
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%q: %v, want %s", c.say, err, c.err)
				}
				return
			}
			c.want.framing = feed.Lines
			if err != nil && !c.close || token != c.token || !cmp.Equal(*v, c.want, cmp.AllowUnexported(visit{}, origin{})) {
				t.Errorf("%q: %+v %q %v, want %+v", c.say, v, token, err, c.want)
			}
		})
	}
}

func FuzzHello(f *testing.F) {
	for _, s := range []string{"", "f", "d", `{"stream":"full","token":"t","since":"e-1","domain":["a"],"mode":"any"}` + "\n",
		"{\n", "{}", `{"suffix":1}` + "\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, first []byte) {
		ours, theirs := net.Pipe()
		go func() {
			if len(first) > 0 {
				_, _ = theirs.Write(first)
			}
			_ = theirs.Close()
		}()
		s := &Server{patience: defaultPatience()}
		v, _, err := s.greet(ours)
		if err == nil && v != nil && v.framing != feed.Lines {
			t.Errorf("%q became %+v", first, v)
		}
		_, _ = io.Copy(io.Discard, ours)
		_ = ours.Close()
	})
}

// tcpClient says something and returns the lines that come.
func (r *rig) tcpClient(say string) (*net.TCPConn, *bufio.Reader) {
	r.Helper()
	nc, err := net.Dial("tcp", r.tcp.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(nc, say)
	return nc.(*net.TCPConn), bufio.NewReader(nc)
}

func TestTCPStreams(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: time.Hour, patience: func(p *patience) { p.hello = 50 * time.Millisecond }})
	var clients []*bufio.Reader
	for _, say := range []string{"f", "d", "l", "", `{"stream":"domains-only","suffix":"n00000003.example.org"}` + "\n", "EOF"} {
		nc, lines := r.tcpClient(strings.TrimPrefix(say, "EOF"))
		if say == "EOF" {
			_ = nc.CloseWrite()
		}
		clients = append(clients, lines)
	}
	for _, lines := range clients {
		if h, err := r.lines(lines)(); err != nil || h.Type != "heartbeat" {
			t.Fatalf("first came %+v, %v", h, err)
		}
	}
	r.add(3)
	for i, want := range []string{`"as_der":`, `["n00000001.example.org"]`, `"cert_index":1`, `"cert_index":1`,
		`["n00000003.example.org"]`, `"cert_index":1`} {
		if h, err := r.lines(clients[i])(); err != nil || !strings.Contains(string(h.Data), want) {
			t.Errorf("client %d got %s %v, want %s", i, h.Data, err, want)
		}
	}
}

func TestTCPRefusalsAreALine(t *testing.T) {
	r := newRig(t, rigOptions{heartbeat: 20 * time.Millisecond, access: access.Options{
		Auth: access.Auth{Enabled: true, Tokens: []access.Token{{Name: "a", Value: "long-enough-secret"}}},
	}})
	for say, want := range map[string]string{
		"f":                        `"code":401`,
		`{"token":"wrong"}` + "\n": `"code":401`,
		`{"stream":"x"}` + "\n":    `"code":400`,
		`{"token":"long-enough-secret","domain":"("}` + "\n": `"code":400`,
		`{"token":"long-enough-secret"}` + "\n":              `"heartbeat"`,
	} {
		nc, lines := r.tcpClient(say)
		line, err := lines.ReadString('\n')
		if err != nil || !strings.Contains(line, want) {
			t.Errorf("%s: %q %v, want %s", say, line, err, want)
		}
		if want != `"heartbeat"` {
			if _, err := lines.ReadByte(); err != io.EOF {
				t.Errorf("%s: after the refusal: %v, want the end", say, err)
			}
		}
		_ = nc.Close()
	}
	r.await("the places to be given back", func() bool { return r.server.gate.Connections() == 0 })
}
