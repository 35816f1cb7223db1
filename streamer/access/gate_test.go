package access

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

func metrics() *telemetry.Access { return telemetry.NewAccess(prometheus.NewRegistry(), Reasons()) }

func newGate(t *testing.T, options Options) *Gate {
	t.Helper()
	g, err := New(options, slog.New(slog.DiscardHandler), metrics())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func from(address string) Request { return Request{Peer: netip.MustParseAddr(address)} }

// admit expects to be let in.
func admit(t *testing.T, g *Gate, r Request) *Grant {
	t.Helper()
	grant, refusal := g.Admit(r)
	if refusal != nil {
		t.Fatalf("%+v is refused: %d %s", r, refusal.Status, refusal.Detail)
	}
	return grant
}

// refuse expects to be refused.
func refuse(t *testing.T, g *Gate, r Request, reason Reason, status int) *Refusal {
	t.Helper()
	before := testutil.ToFloat64(g.metrics.RefusalsOf(string(reason)))
	grant, refusal := g.Admit(r)
	if refusal == nil {
		grant.Release()
		t.Fatalf("%+v is let in, want %s", r, reason)
	}
	if refusal.Reason != reason || refusal.Status != status || refusal.Detail == "" {
		t.Fatalf("%+v is refused with %d %s %q, want %d %s", r, refusal.Status, refusal.Reason, refusal.Detail, status, reason)
	}
	if retry := status == 429 || status == 503; (refusal.RetryAfter >= time.Second) != retry {
		t.Errorf("%s: Retry-After %v", reason, refusal.RetryAfter)
	}
	if testutil.ToFloat64(g.metrics.RefusalsOf(string(reason))) != before+1 {
		t.Errorf("%s is not counted once", reason)
	}
	return refusal
}

func TestTotalLimit(t *testing.T) {
	g := newGate(t, Options{MaxConnections: 2})
	first := admit(t, g, from("192.0.2.1"))
	admit(t, g, from("192.0.2.2"))
	refuse(t, g, from("192.0.2.3"), TotalConnections, 503)
	first.Release()
	first.Release()
	admit(t, g, from("192.0.2.3"))
	refuse(t, g, from("192.0.2.4"), TotalConnections, 503)
	if g.Connections() != 2 {
		t.Errorf("%d connections, want 2", g.Connections())
	}
}

func TestAddressLimit(t *testing.T) {
	g := newGate(t, Options{PerAddress: 2, TrustedProxies: prefixes(t, "10.0.0.1")})
	first := admit(t, g, from("2001:db8::1"))
	admit(t, g, from("2001:db8::2"))
	refuse(t, g, from("2001:db8::3"), AddressConnections, 429)
	admit(t, g, from("2001:db8:0:1::1"))
	first.Release()
	admit(t, g, from("2001:db8::3"))
	for _, client := range []string{"192.0.2.1", "192.0.2.1", "192.0.2.2"} {
		admit(t, g, Request{Peer: netip.MustParseAddr("10.0.0.1"), Forwarded: []string{client}})
	}
	refuse(t, g, Request{Peer: netip.MustParseAddr("10.0.0.1"), Forwarded: []string{"192.0.2.1"}}, AddressConnections, 429)
}

func TestRegexpClassLimit(t *testing.T) {
	g := newGate(t, Options{RegexpClassesPerAddress: 2})
	claim := func(address, class string, want bool) *Grant {
		t.Helper()
		grant := admit(t, g, from(address))
		refusal := grant.ClaimRegexps(class)
		if (refusal == nil) != want {
			t.Fatalf("%s with class %s: refusal %v", address, class, refusal)
		}
		if refusal != nil && (refusal.Status != 503 || refusal.Reason != AddressRegexps || refusal.RetryAfter == 0) {
			t.Errorf("refusal %+v", refusal)
		}
		return grant
	}
	a := claim("192.0.2.1", "a", true)
	again := claim("192.0.2.1", "a", true)
	claim("192.0.2.1", "b", true)
	claim("192.0.2.1", "c", false).Release()
	claim("192.0.2.2", "c", true)
	a.Release()
	claim("192.0.2.1", "c", false).Release()
	again.Release()
	claim("192.0.2.1", "c", true)
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, Options{RatePerSecond: 0.5, RateBurst: 3})
		for range 3 {
			admit(t, g, from("192.0.2.1")).Release()
		}
		refusal := refuse(t, g, from("192.0.2.1"), AddressRate, 429)
		if refusal.RetryAfter != 2*time.Second {
			t.Errorf("Retry-After %v, want the 2s until the next", refusal.RetryAfter)
		}
		admit(t, g, from("192.0.2.2"))
		time.Sleep(2 * time.Second)
		admit(t, g, from("192.0.2.1"))
		refuse(t, g, from("192.0.2.1"), AddressRate, 429)
		time.Sleep(time.Hour)
		for range 3 {
			admit(t, g, from("192.0.2.1"))
		}
		refuse(t, g, from("192.0.2.1"), AddressRate, 429)
	})
}

func TestLoweredLimitClosesNobody(t *testing.T) {
	g := newGate(t, Options{})
	var grants []*Grant
	for range 5 {
		grants = append(grants, admit(t, g, from("192.0.2.1")))
	}
	if err := g.Update(Options{MaxConnections: 3, PerAddress: 2}); err != nil {
		t.Fatal(err)
	}
	refuse(t, g, from("192.0.2.2"), TotalConnections, 503)
	for _, grant := range grants[:3] {
		if grant.Revoked() {
			t.Error("a client that was in is out")
		}
		grant.Release()
	}
	refuse(t, g, from("192.0.2.1"), AddressConnections, 429)
	admit(t, g, from("192.0.2.2"))
}

func TestOrigins(t *testing.T) {
	withOrigin := func(origin string) Request { return Request{Peer: netip.MustParseAddr("192.0.2.1"), Origin: origin} }
	g := newGate(t, Options{})
	admit(t, g, withOrigin("https://evil.example"))
	allowed := []string{"https://app.example.com", "https://*.example.org", "localhost:3000"}
	if err := g.Update(Options{AllowedOrigins: allowed}); err != nil {
		t.Fatal(err)
	}
	for _, good := range []string{
		"", "https://app.example.com", "HTTPS://App.Example.Com", "https://a.b.example.org", "http://localhost:3000",
	} {
		admit(t, g, withOrigin(good))
	}
	for _, bad := range []string{
		"http://app.example.com", "https://app.example.com:8443", "https://example.org", "https://evilexample.org",
		"null", "%", "https://",
	} {
		refuse(t, g, withOrigin(bad), BadOrigin, 403)
	}
	err := g.Update(Options{AllowedOrigins: []string{"https://app.example.com/path"}})
	if err == nil || !strings.Contains(err.Error(), "/path") {
		t.Errorf("error %v, want one that shows the value", err)
	}
	refuse(t, g, withOrigin("null"), BadOrigin, 403)
}

func TestAuth(t *testing.T) {
	g := newGate(t, Options{Auth: Auth{Enabled: true, Tokens: []Token{{"alice", "s3cret"}, {"bob", "t0ken"}}}})
	refusal := refuse(t, g, from("192.0.2.1"), NoToken, 401)
	if !strings.Contains(refusal.Detail, "Authorization: Bearer") {
		t.Errorf("%q does not say how", refusal.Detail)
	}
	with := func(tokens ...string) Request { return Request{Peer: netip.MustParseAddr("192.0.2.1"), Tokens: tokens} }
	if grant := admit(t, g, with("wrong", "t0ken")); grant.Token != "bob" {
		t.Errorf("let in as %q, want bob", grant.Token)
	}
	if refusal := refuse(t, g, with("s3cre"), NoToken, 401); strings.Contains(refusal.Detail, "s3cre") {
		t.Errorf("%q shows the token", refusal.Detail)
	}
	if name, refusal := g.Authorize(with("s3cret")); name != "alice" || refusal != nil {
		t.Errorf("authorized as %q, %v; want alice", name, refusal)
	}
	if _, refusal := g.Authorize(from("192.0.2.1")); refusal == nil || refusal.Status != 401 {
		t.Errorf("without a token: %v", refusal)
	}
	if got := fmt.Sprint(g.TokenNames()); got != "[alice bob]" {
		t.Errorf("names %s", got)
	}
}

func TestGuessingIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, Options{RatePerSecond: 1, RateBurst: 2, Auth: Auth{Enabled: true, Tokens: []Token{{"a", "good"}}}})
		guess := Request{Peer: netip.MustParseAddr("192.0.2.1"), Tokens: []string{"bad"}}
		var statuses []int
		for range 3 {
			_, refusal := g.Authorize(guess)
			statuses = append(statuses, refusal.Status)
		}
		if fmt.Sprint(statuses) != "[401 401 429]" {
			t.Errorf("guesses are answered with %v", statuses)
		}
		guess.Tokens[0] = "good"
		if _, refusal := g.Authorize(guess); refusal != nil {
			t.Errorf("a good token: %v", refusal)
		}
	})
}

func TestRevocation(t *testing.T) {
	g := newGate(t, Options{})
	anonymous := admit(t, g, from("192.0.2.1"))
	both := Options{Auth: Auth{Enabled: true, Tokens: []Token{{"alice", "old"}, {"bob", "t0ken"}}}}
	if err := g.Update(both); err != nil {
		t.Fatal(err)
	}
	alice := admit(t, g, Request{Tokens: []string{"old"}})
	bob := admit(t, g, Request{Tokens: []string{"t0ken"}})
	select {
	case <-g.Revoked():
		t.Fatal("something is revoked already")
	default:
	}
	rotated := Options{Auth: Auth{Enabled: true, Tokens: []Token{{"alice", "new"}, {"robert", "t0ken"}}}}
	if err := g.Update(rotated); err != nil {
		t.Fatal(err)
	}
	select {
	case <-g.Revoked():
	default:
		t.Error("nobody is told of the revocation")
	}
	if !alice.Revoked() || bob.Revoked() || anonymous.Revoked() {
		t.Errorf("revoked: alice %v, bob %v, anonymous %v; want true, false, false",
			alice.Revoked(), bob.Revoked(), anonymous.Revoked())
	}
	if err := g.Update(Options{}); err != nil {
		t.Fatal(err)
	}
	if alice.Revoked() {
		t.Error("revoked though nobody needs a token any more")
	}
}

func TestBadTokensLeaveTheOldOnes(t *testing.T) {
	path := t.TempDir() + "/tokens"
	write(t, path, "alice:s3cret\n")
	auth := Options{Auth: Auth{Enabled: true, Paths: []string{path}}}
	g := newGate(t, auth)
	write(t, path, "two words\n")
	if err := g.Reload(); err == nil {
		t.Error("a bad file is accepted")
	}
	if err := g.Update(auth); err == nil {
		t.Error("a bad file is accepted in an update")
	}
	admit(t, g, Request{Tokens: []string{"s3cret"}})
	if _, err := New(auth, slog.New(slog.DiscardHandler), metrics()); err == nil {
		t.Error("a gate starts with a bad file")
	}
}

func TestFromHTTP(t *testing.T) {
	header := func(name string, values ...string) http.Header { return http.Header{name: values} }
	const protocol = "Sec-Websocket-Protocol"
	for _, test := range []struct {
		name      string
		url       string
		header    http.Header
		auth      Auth
		want      string
		leftOfURL string
	}{
		{name: "bearer", url: "/", header: header("Authorization", "Bearer abc"), want: "[abc]", leftOfURL: "/"},
		{name: "any case", url: "/", header: header("Authorization", "bearer  abc "), want: "[abc]", leftOfURL: "/"},
		{name: "bare", url: "/", header: header("Authorization", "abc"), want: "[abc]", leftOfURL: "/"},
		{name: "own header", url: "/", auth: Auth{Header: "x-api-key"}, want: "[abc]", leftOfURL: "/",
			header: http.Header{"X-Api-Key": {"abc"}, "Authorization": {"Bearer no"}}},
		{name: "subprotocol", url: "/", header: header(protocol, "bearer, abc"), want: "[abc]", leftOfURL: "/"},
		{name: "subprotocol in lines", url: "/", header: header(protocol, "bearer", "abc"), want: "[abc]", leftOfURL: "/"},
		{name: "other subprotocol", url: "/", header: header(protocol, "chat, abc"), want: "[]", leftOfURL: "/"},
		{name: "query", url: "/?a=1&token=ab%2Bc&b=2", auth: Auth{QueryToken: true}, want: "[ab+c]", leftOfURL: "/?a=1&b=2"},
		{name: "query, off", url: "/?token=abc", want: "[]", leftOfURL: "/"},
		{name: "query, disguised", url: "/sse?%74oken=abc&TOKEN=d&x=%zz", auth: Auth{QueryToken: true}, want: "[abc d]",
			leftOfURL: "/sse?x=%zz"},
		{name: "query, no value", url: "/?token", want: "[]", leftOfURL: "/"},
		{name: "query, old separator", url: "/?a=1;token=abc", want: "[]", leftOfURL: "/?a=1"},
		{name: "semicolon elsewhere", url: "/?domain=a;b&token=c", want: "[]", leftOfURL: "/?domain=a;b"},
		{name: "many", url: "/?token=1&token=2&token=3&token=4&token=5", auth: Auth{QueryToken: true}, want: "[1 2 3 4]",
			leftOfURL: "/"},
	} {
		g := newGate(t, Options{Auth: test.auth})
		r := httptest.NewRequest("GET", test.url, nil)
		r.Header = test.header
		r.RemoteAddr = "192.0.2.1:4711"
		if r.Header == nil {
			r.Header = http.Header{}
		}
		got := g.FromHTTP(r)
		if fmt.Sprint(got.Tokens) != test.want || got.Peer.String() != "192.0.2.1" {
			t.Errorf("%s: tokens %v of %v, want %s", test.name, got.Tokens, got.Peer, test.want)
		}
		if r.URL.String() != test.leftOfURL || r.RequestURI != test.leftOfURL {
			t.Errorf("%s: URL %s, request line %s; want %s", test.name, r.URL, r.RequestURI, test.leftOfURL)
		}
	}
}

func FuzzFromHTTP(f *testing.F) {
	f.Add("Bearer abc", "bearer, abc", "token=abc&x=1", "203.0.113.7")
	f.Add(" ", ",", "&&=&token", "[::1]:9")
	f.Add("Bearer\t", "bearer,,", "%74oken=%zz", "\x00")
	g, err := New(Options{Auth: Auth{Enabled: true, QueryToken: true, Tokens: []Token{{"a", "abc"}}},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, slog.New(slog.DiscardHandler), metrics())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, authorization, protocol, query, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.RawQuery = query
		r.Header = http.Header{"Authorization": {authorization}, "Sec-Websocket-Protocol": {protocol}, "X-Forwarded-For": {forwarded}}
		request := g.FromHTTP(r)
		for _, token := range request.Tokens {
			if token == "" {
				t.Error("an empty token")
			}
		}
		if r.URL.Query().Has("token") {
			t.Errorf("a token stays in %q", r.URL.RawQuery)
		}
		if grant, _ := g.Admit(request); grant != nil {
			grant.Release()
		}
		if g.Connections() != 0 {
			t.Errorf("%d connections left", g.Connections())
		}
	})
}

func TestRefusalAnswers(t *testing.T) {
	g := newGate(t, Options{})
	w := httptest.NewRecorder()
	g.Refuse(RegexpBudget, `no room for "that"`).ServeHTTP(w, nil)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || w.Body.String() != `{"error":"no room for \"that\""}`+"\n" {
		t.Errorf("503: %d %v %s", w.Code, w.Header(), w.Body)
	}
	w = httptest.NewRecorder()
	newRefusal(NoToken, "x").ServeHTTP(w, nil)
	if w.Header().Get("WWW-Authenticate") == "" || w.Header().Get("Retry-After") != "" {
		t.Errorf("401: %v", w.Header())
	}
	r := &Refusal{Status: 429, Reason: AddressRate, Detail: "too many", RetryAfter: 1500 * time.Millisecond}
	want := `{"message_type":"error","data":{"code":429,"reason":"too many","retry_after":2}}` + "\n"
	if !bytes.Equal(r.Line(), []byte(want)) {
		t.Errorf("line %s, want %s", r.Line(), want)
	}
	if got := g.Refuse("made up", "x").Reason; got != BadRequest {
		t.Errorf("a reason that is none becomes %s", got)
	}
}

// TestFloodIsBounded comes from more addresses than are remembered.
func TestFloodIsBounded(t *testing.T) {
	g := newGate(t, Options{RatePerSecond: 1, RateBurst: 1, PerAddress: 10})
	steady := admit(t, g, from("192.0.2.1"))
	for i := range 3 * tableShards * maxIdle / 2 {
		address := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)})
		grant, refusal := g.Admit(Request{Peer: address})
		if refusal != nil {
			t.Fatal(refusal)
		}
		grant.Release()
	}
	if n := g.table.size(); n > tableShards*maxIdle+1 {
		t.Errorf("%d addresses are remembered, more than %d", n, tableShards*maxIdle+1)
	}
	if e := g.table.shard(steady.key).entries[steady.key]; e == nil || e.connections != 1 {
		t.Error("an address with a connection is forgotten")
	}
}

func TestConcurrentAdmissionsKeepLimits(t *testing.T) {
	g := newGate(t, Options{MaxConnections: 50, PerAddress: 20, RegexpClassesPerAddress: 3})
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for j := range 300 {
				grant, _ := g.Admit(from(fmt.Sprintf("192.0.2.%d", j%4)))
				if n := g.Connections(); n > 50+8 { // a refused one counts for an instant
					t.Errorf("%d connections", n)
				}
				if grant != nil {
					grant.ClaimRegexps(fmt.Sprint("class", (i+j)%5))
					grant.Release()
				}
			}
		})
	}
	work.Wait()
	if g.Connections() != 0 || g.table.size() != 0 {
		t.Errorf("left: %d connections of %d addresses", g.Connections(), g.table.size())
	}
}
