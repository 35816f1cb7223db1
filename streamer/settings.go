package streamer

import (
	"fmt"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/access"
	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/feed"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
	"github.com/certstream-operator/certstream-operator/streamer/loglist"
	"github.com/certstream-operator/certstream-operator/streamer/message"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// What follows turns the configuration into each room's options: the only place where both are known.

func accessOptions(c *config.Config) (access.Options, error) {
	o := access.Options{
		Auth: access.Auth{
			Enabled:    c.Auth.Enabled,
			Header:     c.Auth.HeaderName,
			QueryToken: c.Auth.QueryToken,
		},
		RegexpClassesPerAddress: c.Filters.MaxRegexPerIP,
		AllowedOrigins:          c.AllowedOrigins,
	}
	for _, path := range []string{c.Auth.TokensDir, c.Auth.TokensFile} {
		if path != "" {
			o.Auth.Paths = append(o.Auth.Paths, path)
		}
	}
	for _, t := range c.Auth.Named() {
		o.Auth.Tokens = append(o.Auth.Tokens, access.Token{Name: t.Name, Value: t.Token.Reveal()})
	}
	if c.ConnectionLimit.Enabled {
		o.MaxConnections, o.PerAddress = c.ConnectionLimit.MaxConnections, c.ConnectionLimit.PerIPLimit
	}
	if c.RateLimit.Enabled {
		o.RatePerSecond, o.RateBurst = c.RateLimit.PerSecond, c.RateLimit.BurstSize
	}
	var err error
	o.TrustedProxies, err = access.ParsePrefixes(c.TrustedProxies)
	if err != nil {
		return o, fmt.Errorf("trusted_proxies: %w", err)
	}
	return o, nil
}

func segmentLimits(c *config.Config) engine.SegmentLimits {
	return engine.SegmentLimits{MaxBytes: int64(c.Retention.MaxBytes), MaxAge: c.Retention.MaxAge.Std()}
}

func filterLimits(c *config.Config) filter.Limits {
	return filter.Limits{
		Values:       c.Filters.MaxPerClient,
		Suffixes:     c.Filters.MaxPerClient * 10,
		PatternBytes: c.Filters.MaxPatternLength,
	}
}

func filterOptions(c *config.Config) filter.Options {
	return filter.Options{Classes: c.Filters.MaxTotal, RegexpBudget: c.Filters.RegexBudget, MemoryBytes: int(c.Dedup.Memory)}
}

func (s *Streamer) followSettings(c *config.Config) follow.Settings {
	settings := followSettings(c)
	settings.RewindPause = s.options.Reread
	return settings
}

func followSettings(c *config.Config) follow.Settings {
	l := c.CTLog
	floor := millis(l.RetryInitialDelayMS)
	longest := max(millis(l.RetryMaxDelayMS), floor)
	s := follow.Settings{
		Parallel:        l.FetchConcurrency,
		PollMin:         millis(l.PollIntervalMS),
		BackoffFloor:    floor,
		BackoffCap:      longest,
		BreakerAfter:    l.RetryMaxAttempts,
		CheckpointEvery: c.State.Interval.Std(),
		CatchUpRate:     float64(l.CatchUpRate),
		MaxLagEntries:   uint64(l.MaxLagEntries),
		MaxLag:          l.MaxLag.Std(),
		Pace:            pace(l.RequestsPerSecond),
		Operators:       map[string]follow.Pace{},
	}
	for name, o := range l.Operators {
		if o.RequestsPerSecond > 0 {
			s.Operators[name] = pace(o.RequestsPerSecond)
		}
	}
	return s
}

// pace is a configured bound; 0 leaves it to the pacer to find one.
func pace(perSecond float64) follow.Pace { return follow.Pace{Rate: perSecond, Max: perSecond} }

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func startPosition(s config.Start) follow.Start {
	switch {
	case s.Mode == config.StartIndex:
		return follow.Start{Kind: follow.StartAtIndex, N: s.Index}
	case s.Mode == config.StartTime:
		return follow.Start{Kind: follow.StartAtTime, Time: s.Time}
	case s.Back > 0:
		return follow.Start{Kind: follow.StartBeforeHead, N: s.Back}
	}
	return follow.Start{Kind: follow.StartAtHead}
}

func logListOptions(c *config.Config) (loglist.Options, error) {
	sources, err := loglist.Sources(c.LogList.Source, c.CTLogsURL, c.LogList.Key)
	if err != nil {
		return loglist.Options{}, fmt.Errorf("log_list: %w", err)
	}
	o := loglist.Options{
		Sources:   sources,
		Refresh:   c.LogList.RefreshInterval.Std(),
		Selection: selection(c.Logs),
	}
	o.Selection.AllowHTTP = c.Network.AllowHTTP
	for _, l := range c.CustomLogs {
		o.Custom = append(o.Custom, loglist.Custom{
			Name: l.Name, Operator: l.Operator, URL: l.URL, SubmissionURL: l.SubmissionURL,
			Key: l.Key, Protocol: loglist.Protocol(l.Protocol), MMD: l.MMD.Std(),
		})
	}
	return o, nil
}

func selection(s config.Selection) loglist.Selection {
	selected := loglist.Selection{
		States:       texts[loglist.State](s.States),
		Operators:    s.Operators,
		Names:        s.Names,
		Protocols:    texts[loglist.Protocol](s.Protocols),
		ExpiresFrom:  s.ExpiresFrom.Time,
		ExpiresUntil: s.ExpiresUntil.Time,
		Include:      s.Include,
		Exclude:      s.Exclude,
	}
	for _, id := range s.LogIDs {
		if parsed, err := config.ParseLogID(id); err == nil { // the loader has checked them
			selected.LogIDs = append(selected.LogIDs, parsed)
		}
	}
	return selected
}

func texts[T ~string](all []string) []T {
	list := make([]T, len(all))
	for i, s := range all {
		list[i] = T(s)
	}
	return list
}

// userAgent names the program, its version and, as log operators ask for, a contact.
func userAgent(version, contact string) string {
	const project = "https://github.com/certstream-operator/certstream-operator"
	agent := "certstream-streamer/" + strings.TrimPrefix(version, "v")
	if contact == "" {
		return agent + " (+" + project + ")"
	}
	return agent + " (" + contact + "; +" + project + ")"
}

func serveSettings(c *config.Config) serve.Settings {
	s := serve.Settings{
		SSEPath:    c.Protocols.Paths.SSE,
		Buffer:     c.BufferSize,
		SlowClient: serve.SlowPolicy(c.SlowClient),
		Limits:     filterLimits(c),
	}
	s.Protocols[feed.WebSocket], s.Protocols[feed.EventStream], s.Protocols[feed.Lines] =
		c.Protocols.WebSocket, c.Protocols.SSE, c.Protocols.TCP
	s.Kinds[message.Full], s.Kinds[message.Lite], s.Kinds[message.Domains] = c.Streams.Full, c.Streams.Lite, c.Streams.DomainsOnly
	for _, name := range c.Dedup.Streams {
		if kind, err := message.ParseKind(name); err == nil { // else the configuration's check has refused it
			s.Dedup[kind] = true
		}
	}
	p := c.Protocols.Paths
	s.Paths[message.Full], s.Paths[message.Lite], s.Paths[message.Domains] = p.Full, p.Lite, p.DomainsOnly
	return s
}

func endpointOptions(c *config.Config) serve.EndpointOptions {
	p := c.Protocols
	o := serve.EndpointOptions{
		Health: p.Health, Examples: p.ExampleJSON, API: p.API, Metrics: p.Metrics,
		Admin: c.Admin.Enabled, Pprof: c.Admin.Pprof,
		Full: p.Paths.Full, Lite: p.Paths.Lite, Domains: p.Paths.DomainsOnly,
		TLS: c.TLSCert != "",
	}
	if p.SSE {
		o.SSE = p.Paths.SSE
	}
	return o
}

func httpOptions(c *config.Config) serve.HTTPOptions {
	return serve.HTTPOptions{
		HeaderTimeout: c.HTTP.HeaderTimeout.Std(), HandshakeTimeout: c.HTTP.HandshakeTimeout.Std(), MaxHeaderBytes: int(c.HTTP.MaxHeaderBytes),
	}
}
