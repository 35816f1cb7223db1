package serve

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// knock is an attempt to be let in.
type knock struct {
	query  url.Values // filters and the like; on TCP they become the JSON line
	token  string
	origin string
}

// answer is what came of it: 200 for being let in.
type answer struct {
	status int
	retry  bool // a time to come back at was named
	reason string
	leave  func()
}

// at knocks at one protocol's door.
func (k knock) at(r *rig, protocol feed.Framing) answer {
	r.Helper()
	switch protocol {
	case feed.WebSocket:
		return k.atWebSocket(r)
	case feed.EventStream:
		return k.atEventStream(r)
	}
	return k.atTCP(r)
}

func (k knock) header() http.Header {
	h := http.Header{}
	if k.token != "" {
		h.Set("Authorization", "Bearer "+k.token)
	}
	if k.origin != "" {
		h.Set("Origin", k.origin)
	}
	return h
}

func (k knock) atWebSocket(r *rig) answer {
	ws, response, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(r.http.URL, "http")+"/?"+k.query.Encode(), k.header())
	if err == nil {
		return answer{status: 200, leave: func() { _ = ws.Close() }}
	}
	if response == nil {
		r.Fatalf("no answer: %v", err)
	}
	return answerOf(response)
}

func (k knock) atEventStream(r *rig) answer {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, r.http.URL+"/sse?"+k.query.Encode(), nil)
	if err != nil {
		r.Fatal(err)
	}
	request.Header = k.header()
	response, err := r.http.Client().Do(request)
	if err != nil {
		r.Fatal(err)
	}
	if response.StatusCode == 200 {
		return answer{status: 200, leave: func() { _ = response.Body.Close() }}
	}
	defer response.Body.Close()
	return answerOf(response)
}

func answerOf(response *http.Response) answer {
	var body struct{ Error string }
	_ = json.NewDecoder(response.Body).Decode(&body) // an empty reason is found by the test
	return answer{response.StatusCode, response.Header.Get("Retry-After") != "", body.Error, func() {}}
}

func (k knock) atTCP(r *rig) answer {
	line := map[string]any{"stream": "lite"}
	for name, values := range k.query {
		line[name] = values
	}
	if mode := k.query.Get("mode"); mode != "" {
		line["mode"] = mode
	}
	if k.token != "" {
		line["token"] = k.token
	}
	hello, err := json.Marshal(line)
	if err != nil {
		r.Fatal(err)
	}
	conn, err := net.Dial("tcp", r.tcp.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	if _, err := conn.Write(append(hello, '\n')); err != nil {
		r.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	text, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		r.Fatal(err)
	}
	h := parseHeard(r, text)
	if h.Type != "error" {
		return answer{status: 200, leave: func() { _ = conn.Close() }}
	}
	_ = conn.Close()
	var data struct {
		Code       int    `json:"code"`
		Reason     string `json:"reason"`
		RetryAfter int    `json:"retry_after"`
	}
	h.into(r, &data)
	return answer{data.Code, data.RetryAfter > 0, data.Reason, func() {}}
}

var protocols = []feed.Framing{feed.WebSocket, feed.EventStream, feed.Lines}

// TestRefusalsOfTheContract makes each refusal happen on each protocol: the first knocks are answered with 200, the last as said.
func TestRefusalsOfTheContract(t *testing.T) {
	auth := access.Auth{Enabled: true, Tokens: []access.Token{{Name: "alice", Value: "s3cret"}}}
	for _, test := range []struct {
		name     string
		rig      rigOptions
		welcome  []knock
		refused  knock
		status   int
		says     string
		noOrigin bool // TCP clients have none
	}{
		{name: "no token", rig: rigOptions{access: access.Options{Auth: auth}}, welcome: []knock{{token: "s3cret"}}, status: 401,
			says: "a token is needed"},
		{name: "bad token", rig: rigOptions{access: access.Options{Auth: auth}}, refused: knock{token: "guess"}, status: 401,
			says: "not accepted"},
		{name: "origin", rig: rigOptions{access: access.Options{AllowedOrigins: []string{"https://app.example"}}},
			welcome: []knock{{}, {origin: "https://app.example"}}, refused: knock{origin: "https://evil.example"}, status: 403,
			says: "origin", noOrigin: true},
		{name: "stream switched off", rig: rigOptions{settings: func(s *Settings) { s.Kinds[message.Lite] = false }}, status: 403,
			says: "switched off"},
		{name: "address", rig: rigOptions{access: access.Options{PerAddress: 1}}, welcome: []knock{{}}, status: 429,
			says: "this address"},
		{name: "rate", rig: rigOptions{access: access.Options{RatePerSecond: 0.001, RateBurst: 1}}, welcome: []knock{{}}, status: 429,
			says: "too many new connections"},
		{name: "total", rig: rigOptions{access: access.Options{MaxConnections: 1}}, welcome: []knock{{}}, status: 503,
			says: "the server"},
		{name: "pattern", refused: knock{query: url.Values{"domain": {"("}}}, status: 400, says: "parameter domain"},
		{name: "mode", refused: knock{query: url.Values{"mode": {"some"}}}, status: 400, says: "parameter mode"},
		{name: "suffix", refused: knock{query: url.Values{"suffix": {"a b"}}}, status: 400, says: "parameter suffix"},
		{name: "no regular expressions left", rig: rigOptions{noRegexps: true}, welcome: []knock{{query: url.Values{"domain": {"plain.*text"}}}},
			refused: knock{query: url.Values{"domain": {`\d+x`}}}, status: 503, says: "suffix="},
	} {
		for _, protocol := range protocols {
			if test.noOrigin && protocol == feed.Lines {
				continue
			}
			t.Run(test.name+" "+protocol.String(), func(t *testing.T) {
				r := newRig(t, test.rig)
				for _, k := range test.welcome {
					if got := k.at(r, protocol); got.status != 200 {
						t.Fatalf("%+v is refused: %d %s", k, got.status, got.reason)
					} else {
						defer got.leave()
					}
				}
				got := test.refused.at(r, protocol)
				got.leave()
				if got.status != test.status || !strings.Contains(got.reason, test.says) {
					t.Errorf("answered with %d %q, want %d and %q", got.status, got.reason, test.status, test.says)
				}
				if want := test.status == 429 || test.status == 503; got.retry != want {
					t.Errorf("a time to come back: %v, want %v", got.retry, want)
				}
			})
		}
	}
}

// TestPlacesAreGivenBack lets clients of every protocol come and go through a single place.
func TestPlacesAreGivenBack(t *testing.T) {
	r := newRig(t, rigOptions{access: access.Options{MaxConnections: 1}})
	free := func() bool {
		r.add(1) // a TCP client that has gone is told from one that has only stopped sending by writing to it
		return r.server.gate.Connections() == 0
	}
	for range 3 {
		for _, protocol := range protocols {
			r.await("a free place", free)
			got := knock{}.at(r, protocol)
			if got.status != 200 {
				t.Fatalf("%v: %d %s", protocol, got.status, got.reason)
			}
			refused := knock{query: url.Values{"domain": {"("}}}.at(r, protocol) // must not take a place with it
			refused.leave()
			got.leave()
		}
	}
	r.await("a free place", free)
}

// TestTokenFromBrowsers comes with the token in the subprotocol, which the server has to agree to.
func TestTokenFromBrowsers(t *testing.T) {
	r := newRig(t, rigOptions{access: access.Options{
		Auth: access.Auth{Enabled: true, QueryToken: true, Tokens: []access.Token{{Name: "alice", Value: "s3cret"}}},
	}})
	address := "ws" + strings.TrimPrefix(r.http.URL, "http")
	dialer := websocket.Dialer{Subprotocols: []string{access.Subprotocol, "s3cret"}}
	ws, _, err := dialer.Dial(address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	if ws.Subprotocol() != access.Subprotocol {
		t.Errorf("the server agrees to %q", ws.Subprotocol())
	}
	fromURL, _, err := websocket.DefaultDialer.Dial(address+"/?token=s3cret", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer fromURL.Close()
}

// TestRevokedTokenClosesItsClients changes the tokens under two clients.
func TestRevokedTokenClosesItsClients(t *testing.T) {
	options := func(tokens ...access.Token) access.Options {
		return access.Options{Auth: access.Auth{Enabled: true, QueryToken: true, Tokens: tokens}}
	}
	alice, bob := access.Token{Name: "alice", Value: "s3cret"}, access.Token{Name: "bob", Value: "t0ken"}
	r := newRig(t, rigOptions{access: options(alice, bob)})
	goes, stays := r.dial("/?token=s3cret"), r.dial("/?token=t0ken")
	r.next(goes)
	r.next(stays)
	if err := r.server.gate.Update(options(bob)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := goes.ReadMessage(); !websocket.IsCloseError(err, closePolicy) {
		t.Errorf("the client of the revoked token reads %v", err)
	}
	r.add(1)
	if h := r.next(stays); h.Type != "certificate_update" {
		t.Errorf("the other client reads %+v", h)
	}
}
