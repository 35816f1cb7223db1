package serve

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
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

	grant  *access.Grant
	stream *publish.Stream
}

// enter lets a visitor in: access grants it a place, its filter is good, and there is a stream for it. Whoever called enter
// hands the visit to a connection, or calls turnAway.
func (s *Server) enter(v *visit, req access.Request) *access.Refusal {
	settings := s.live()
	switch {
	case s.draining.Load():
		return s.gate.Refuse(access.Draining, "the server is about to stop")
	case !settings.Protocols[v.framing] || !settings.Kinds[v.kind]:
		return s.gate.Refuse(access.ClosedPath, "this stream is switched off")
	}
	grant, refusal := s.gate.Admit(req)
	if refusal != nil {
		return refusal
	}
	v.grant = grant
	if refusal := s.subscribe(v, settings.Limits); refusal != nil {
		grant.Release()
		return refusal
	}
	return nil
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
	query, err := filter.ParseValues(values)
	if err != nil {
		return err
	}
	v.query = query
	if since := values.Get("since"); since != "" {
		if v.since, err = parseSince(since, time.Now()); err != nil {
			return errors.New("parameter since is " + err.Error())
		}
	}
	if c, err := engine.ParseCursor(r.Header.Get("Last-Event-ID")); err == nil { // else it is of another server
		v.since = &origin{cursor: c}
	}
	return nil
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
	c.out = c.stream.Heartbeat(c.out, c.offset)
	c.join()
	c.shard.join(c)
	c.nudge()
}
