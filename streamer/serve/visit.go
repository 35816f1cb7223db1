package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/publish"
)

// visit is somebody who wants a stream, before there is a connection for it.
type visit struct {
	kind    message.Kind
	framing feed.Framing
	query   filter.Query
	since   *origin
	// unknown are names of parameters that nobody here knows, as UnknownParameters lists them.
	unknown string

	grant  *access.Grant
	stream *publish.Stream
}

// enter lets a visitor in: access grants it a place, its filter is good, and there is a stream for it. Whoever called enter
// hands the visit to a connection, or calls turnAway.
func (s *Server) enter(ctx context.Context, v *visit, req access.Request) *access.Refusal {
	settings := s.live()
	switch {
	case s.draining.Load():
		return s.gate.Refuse(access.Draining, "the server is about to stop")
	case !settings.Protocols[v.framing] || !settings.Kinds[v.kind]:
		return s.gate.Refuse(access.ClosedPath, "this stream is switched off")
	}
	if v.query.Dedup == filter.Unset && settings.Dedup[v.kind] {
		v.query.Dedup = filter.On
	}
	grant, refusal := s.gate.Admit(req)
	if refusal != nil {
		return refusal
	}
	v.grant = grant
	if refusal := s.subscribeInTurn(ctx, v, settings.Limits); refusal != nil {
		grant.Release()
		return refusal
	}
	return nil
}

// subscribeInTurn lets those who want filters wait for each other: to make one can take milliseconds.
func (s *Server) subscribeInTurn(ctx context.Context, v *visit, limits filter.Limits) (refusal *access.Refusal) {
	q := &v.query
	if len(q.Domain)+len(q.Issuer)+len(q.Source)+len(q.ExcludeDomain)+len(q.ExcludeIssuer)+len(q.Suffix) == 0 {
		return s.subscribe(v, limits)
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience.filter)
	defer cancel()
	if !s.filters.pass(ctx, func() { refusal = s.subscribe(v, limits) }) {
		return s.gate.Refuse(access.FilterCount, "too many clients ask for filters at a time; try again later")
	}
	return refusal
}

// subscribe compiles the filter, of somebody who has been let in, and finds the stream for it.
func (s *Server) subscribe(v *visit, limits filter.Limits) *access.Refusal {
	f, err := filter.Compile(v.query, limits)
	if err != nil {
		return s.gate.Refuse(access.BadFilter, err.Error())
	}
	if f.Regexps() > 0 {
		if refusal := v.grant.ClaimRegexps(f.Key()); refusal != nil {
			return refusal
		}
	}
	if v.stream, err = s.publisher.Subscribe(v.kind, v.framing, f); err != nil {
		return s.gate.Refuse(overload(err), err.Error())
	}
	return nil
}

func overload(err error) access.Reason {
	var e *filter.OverloadError
	if errors.As(err, &e) && e.Budget {
		return access.RegexpBudget
	}
	return access.FilterCount
}

// turnAway gives back what enter took, when there is no connection after all.
func (v *visit) turnAway() {
	v.stream.Close()
	v.grant.Release()
}

// parseHTTP reads what a request's URL and headers say about the stream wanted.
func (v *visit) parseHTTP(r *http.Request) error {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // a filter that is left out in silence would let everything through
		return fmt.Errorf("the URL's parameters cannot be read: %w; write %% as %%25 and ; as %%3B", err)
	}
	if v.unknown, err = v.checkNames(values); err != nil {
		return err
	}
	if v.query, err = filter.ParseValues(values); err != nil {
		return err
	}
	if since := values.Get("since"); since != "" {
		if v.since, err = parseSince(since, time.Now()); err != nil {
			return errors.New("parameter since is " + err.Error())
		}
	}
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		c, err := engine.ParseCursor(id)
		if err != nil { // it is of another server
			c = foreign
		}
		v.since = &origin{cursor: c}
	}
	return nil
}

// UnknownParameters is the header of an answer that lists the request's parameters which nobody here knows. They are no reason
// to refuse a client: some came with its old server, some from a proxy.
const UnknownParameters = "Certstream-Unknown-Parameters"

// Bounds of that list.
const (
	maxUnknown     = 8
	maxUnknownName = 40
)

// checkNames refuses names that are nearly right, and lists those that are not known at all.
func (v *visit) checkNames(values url.Values) (unknown string, err error) {
	others := []string{"since", "token"}
	if v.framing == feed.EventStream {
		others = append(others, "stream")
	}
	names, err := filter.CheckNames(slices.Collect(maps.Keys(values)), others...)
	if err != nil || len(names) == 0 {
		return "", err
	}
	names = names[:min(len(names), maxUnknown)]
	for i, name := range names {
		names[i] = url.QueryEscape(name[:min(len(name), maxUnknownName)])
	}
	return strings.Join(names, ", "), nil
}

// begin starts the stream on a connection: a gap notice where the cursor asks for what is gone, a heartbeat, then messages. The
// connection may have ended by now, as when the answer to the upgrade could not be written: whoever reads from it has yet to
// begin, and gives everything back when that is done.
func (c *conn) begin(v *visit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = v.stream
	c.offset = c.stream.Head()
	if v.since != nil {
		c.resume(*v.since)
	}
	c.beginOnce()
	c.out = c.stream.Heartbeat(c.out, c.offset)
	c.join()
	c.shard.join(c)
	c.nudge()
}
