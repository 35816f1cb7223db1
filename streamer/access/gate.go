// Package access decides who may connect: tokens, origins, limits by address and in total. It knows no sockets: what is known
// of a client comes in as a Request, and a Grant or a Refusal goes out.
package access

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

// Options are all live: Update changes them under connected clients, of which it closes none but those of revoked tokens.
type Options struct {
	Auth Auth
	// MaxConnections and PerAddress limit connections in total and of one address; 0 is no limit.
	MaxConnections, PerAddress int
	// RatePerSecond limits new connections of one address, after RateBurst at once; 0 is no limit.
	RatePerSecond float64
	RateBurst     int
	// RegexpClassesPerAddress limits the distinct filters with regular expressions of one address; 0 is no limit.
	RegexpClassesPerAddress int
	// TrustedProxies are those whose X-Forwarded-For is believed.
	TrustedProxies []netip.Prefix
	// AllowedOrigins are the web pages that may connect; none, or "*", is all.
	AllowedOrigins []string
}

// Auth says which tokens are accepted, and where.
type Auth struct {
	Enabled bool
	// Header carries the token, with or without "Bearer" before it; default Authorization.
	Header string
	// QueryToken accepts ?token= as well.
	QueryToken bool
	// Tokens are accepted, and those in the files and directories Paths too.
	Tokens []Token
	Paths  []string
}

// state is what decisions are made by. It is replaced whole.
type state struct {
	options Options
	origins originSet
	tokens  tokens
	rate    rate
}

// Gate lets clients in and counts them. Its methods are safe for concurrent use.
type Gate struct {
	log     *slog.Logger
	metrics *telemetry.Access
	table   *table
	seed    maphash.Seed
	total   atomic.Int64
	state   atomic.Pointer[state]

	mu      sync.Mutex // held by whoever replaces the state
	rearm   chan struct{}
	revoked chan struct{}
}

// New makes a gate. It fails when the options are wrong or the tokens cannot be read.
func New(options Options, log *slog.Logger, metrics *telemetry.Access) (*Gate, error) {
	g := &Gate{
		log:     log,
		metrics: metrics,
		table:   newTable(),
		seed:    maphash.MakeSeed(),
		rearm:   make(chan struct{}, 1),
		revoked: make(chan struct{}, 1),
	}
	if err := g.Update(options); err != nil {
		return nil, err
	}
	return g, nil
}

// Update puts new options into force, or, when they are wrong or their tokens cannot be read, leaves the old ones and returns
// why.
func (g *Gate) Update(options Options) error {
	if options.Auth.Header == "" {
		options.Auth.Header = "Authorization"
	}
	origins, err := parseOrigins(options.AllowedOrigins)
	if err != nil {
		return fmt.Errorf("allowed origins: %w", err)
	}
	next := &state{options: options, origins: origins, rate: bucket(options)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if next.tokens, err = loadTokens(options.Auth); err != nil {
		return fmt.Errorf("auth: %w", err)
	}
	g.replace(next)
	notify(g.rearm)
	return nil
}

func bucket(o Options) rate {
	return rate{perSecond: o.RatePerSecond, burst: max(1, math.Ceil(o.RatePerSecond), float64(o.RateBurst))}
}

// loadTokens gathers all tokens of the options.
func loadTokens(auth Auth) (tokens, error) {
	if !auth.Enabled {
		return nil, nil
	}
	list := slices.Clone(auth.Tokens)
	for _, path := range auth.Paths {
		more, err := ReadTokens(path)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return newTokens(list)
}

// replace puts a state into force and tells of revoked tokens. g.mu is held.
func (g *Gate) replace(next *state) {
	old := g.state.Swap(next)
	g.metrics.Tokens.Set(float64(len(next.tokens)))
	if next.options.Auth.Enabled && len(next.tokens) == 0 {
		g.log.Warn("auth is on, but there are no tokens: nobody can connect")
	}
	if old == nil || !next.options.Auth.Enabled {
		return
	}
	if slices.ContainsFunc(old.tokens, func(t namedDigest) bool { return !next.tokens.has(t.sum) }) {
		notify(g.revoked)
	}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Reload reads the tokens again. On an error the last good ones stay.
func (g *Gate) Reload() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.state.Load()
	set, err := loadTokens(old.options.Auth)
	if err != nil {
		g.metrics.TokenReloads.Count(err)
		return err
	}
	if slices.Equal(set, old.tokens) {
		return nil
	}
	g.metrics.TokenReloads.Count(nil)
	next := *old
	next.tokens = set
	g.replace(&next)
	g.log.Info("tokens read", "count", len(set))
	return nil
}

// Run reads the tokens again whenever their file or directory changes, until ctx ends.
func (g *Gate) Run(ctx context.Context) {
	w := watcher{
		log:   g.log,
		paths: func() []string { return g.state.Load().options.Auth.Paths },
		rearm: g.rearm,
		reload: func() error {
			g.metrics.Addresses.Set(float64(g.table.size()))
			return g.Reload()
		},
		what: "tokens",
	}
	w.run(ctx)
}

// Revoked gives a value when tokens have been revoked: whoever keeps connections then asks each grant. It is for one reader.
func (g *Gate) Revoked() <-chan struct{} { return g.revoked }

// Connections is the number of grants not released.
func (g *Gate) Connections() int { return int(g.total.Load()) }

// AuthEnabled says whether tokens are asked for.
func (g *Gate) AuthEnabled() bool { return g.state.Load().options.Auth.Enabled }

// TokenNames are the names of the tokens accepted, sorted.
func (g *Gate) TokenNames() []string {
	var names []string
	for _, t := range g.state.Load().tokens {
		names = append(names, t.name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// AllowsOrigin says whether web pages of the origin may read what is served.
func (g *Gate) AllowsOrigin(origin string) bool { return g.state.Load().origins.allows(origin) }

// AllowsAnyOrigin says that there is no list of allowed origins.
func (g *Gate) AllowsAnyOrigin() bool { return len(g.state.Load().origins) == 0 }

// Grant is a place that a client has. Release gives it back.
type Grant struct {
	// Token is the name of the client's token, empty without auth. Address is the client's, behind proxies.
	Token   string
	Address netip.Addr

	gate     *Gate
	key      netip.Addr
	class    uint64 // 0: no regular expressions
	sum      digest
	released atomic.Bool
}

// Admit lets a client in or says why not, and counts that.
func (g *Gate) Admit(req Request) (*Grant, *Refusal) {
	s := g.state.Load()
	address := clientAddress(req.Peer, req.Forwarded, s.options.TrustedProxies)
	grant := &Grant{Address: address, gate: g, key: limitKey(address)}
	refusal := g.check(s, req, grant)
	if refusal == nil {
		refusal = g.enter(s, grant)
	}
	if refusal != nil {
		g.metrics.Refused(string(refusal.Reason))
		return nil, refusal
	}
	return grant, nil
}

// check decides by what the client shows: its origin, how often it comes, its token.
func (g *Gate) check(s *state, req Request, grant *Grant) *Refusal {
	if !s.origins.allows(req.Origin) {
		return newRefusal(BadOrigin, "connections from this web page's origin are not allowed")
	}
	if wait, ok := g.table.take(grant.key, s.rate, time.Now()); !ok {
		return rateRefusal(wait)
	}
	if !s.options.Auth.Enabled {
		return nil
	}
	token, ok := s.tokens.find(req.Tokens)
	if !ok {
		return tokenRefusal(s, req)
	}
	grant.Token, grant.sum = token.name, token.sum
	return nil
}

func rateRefusal(wait time.Duration) *Refusal {
	r := newRefusal(AddressRate, "too many new connections from this address")
	r.RetryAfter = max(time.Second, wait)
	return r
}

func tokenRefusal(s *state, req Request) *Refusal {
	if len(req.Tokens) > 0 {
		return newRefusal(NoToken, "the token is not accepted")
	}
	return newRefusal(NoToken, fmt.Sprintf("a token is needed, in the header \"%s: Bearer TOKEN\"", s.options.Auth.Header))
}

// enter counts the client, if there is room.
func (g *Gate) enter(s *state, grant *Grant) *Refusal {
	o := s.options
	if total := g.total.Add(1); o.MaxConnections > 0 && total > int64(o.MaxConnections) {
		g.total.Add(-1)
		return newRefusal(TotalConnections, "the server has as many connections as it takes")
	}
	if !g.table.enter(grant.key, o.PerAddress) {
		g.total.Add(-1)
		return newRefusal(AddressConnections, fmt.Sprintf("this address has %d connections already", o.PerAddress))
	}
	return nil
}

// Authorize checks the token of a request that is not a connection to a stream, and returns the token's name.
func (g *Gate) Authorize(req Request) (token string, refusal *Refusal) {
	s := g.state.Load()
	if !s.options.Auth.Enabled {
		return "", nil
	}
	found, ok := s.tokens.find(req.Tokens)
	if ok {
		return found.name, nil
	}
	refusal = tokenRefusal(s, req)
	// A wrong guess costs as much as a connection, so that guessing here is no faster than there.
	key := limitKey(clientAddress(req.Peer, req.Forwarded, s.options.TrustedProxies))
	if wait, ok := g.table.take(key, s.rate, time.Now()); !ok {
		refusal = rateRefusal(wait)
	}
	g.metrics.Refused(string(refusal.Reason))
	return "", refusal
}

// Refuse makes and counts a refusal whose reason lies outside of this package: a filter, a path, a drain.
func (g *Gate) Refuse(reason Reason, detail string) *Refusal {
	if _, known := statuses[reason]; !known {
		reason = BadRequest
	}
	g.metrics.Refused(string(reason))
	return newRefusal(reason, detail)
}

// Revoked says whether the client's token is no longer accepted. Clients that came without one stay.
func (g *Grant) Revoked() bool {
	s := g.gate.state.Load()
	return g.sum != digest{} && s.options.Auth.Enabled && !s.tokens.has(g.sum)
}

// ClaimRegexps counts a filter with regular expressions, by its key, for the grant's address, or says why not. It is called at
// most once, before Release; filters come after Admit, so that nobody has expressions compiled who is not let in.
func (g *Grant) ClaimRegexps(key string) *Refusal {
	limit := g.gate.state.Load().options.RegexpClassesPerAddress
	class := max(1, maphash.String(g.gate.seed, key))
	if !g.gate.table.claim(g.key, class, limit) {
		return g.gate.Refuse(AddressRegexps, fmt.Sprintf("this address has %d different filters with regular expressions already; "+
			"use suffix= or plain text", limit))
	}
	g.class = class
	return nil
}

// Release gives the place back. Calls after the first do nothing.
func (g *Grant) Release() {
	if g.released.Swap(true) {
		return
	}
	g.gate.total.Add(-1)
	g.gate.table.leave(g.key, g.class)
}
