package streamer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/certstream-operator/certstream-operator/streamer/config"
	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
	"github.com/certstream-operator/certstream-operator/streamer/loglist"
)

// network reaches logs and log lists. The logs of one operator share connections: a log that breaks its own, and so has the idle
// ones closed, costs other operators no handshake.
type network struct {
	agent    string
	options  ctlog.TransportOptions
	standard *http.Client // for log lists

	mu        sync.Mutex
	operators map[connections]*http.Client
}

// connections tell those of one operator and protocol from others.
type connections struct {
	operator string
	http1    bool
}

func newNetwork(c *config.Config, version string, logger *slog.Logger) (*network, error) {
	n := &network{
		operators: map[connections]*http.Client{},
		agent:     userAgent(version, c.Network.UserAgentContact),
		options: ctlog.TransportOptions{
			Proxy:              c.Network.Proxy.Reveal(),
			CABundle:           c.Network.CABundle,
			AllowPrivate:       c.Network.AllowPrivateAddresses,
			AllowHTTP:          c.Network.AllowHTTP,
			InsecureSkipVerify: c.Network.InsecureSkipVerify,
			Logger:             logger,
		},
	}
	transport, err := ctlog.NewTransport(n.options)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	n.standard = &http.Client{Transport: transport}
	return n, nil
}

// client is for one operator's logs.
func (n *network) client(operator string, http1 bool) (*http.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := connections{strings.ToLower(operator), http1}
	if c := n.operators[key]; c != nil {
		return c, nil
	}
	options := n.options
	options.HTTP1 = http1
	transport, err := ctlog.NewTransport(options)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	n.operators[key] = &http.Client{Transport: transport}
	return n.operators[key], nil
}

func (n *network) close() {
	n.standard.CloseIdleConnections()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.operators {
		c.CloseIdleConnections()
	}
}

// followLogs hands every change of the list to the supervisor until ctx ends.
func (s *Streamer) followLogs(ctx context.Context) {
	for {
		now := s.list.Current()
		s.setLogs(now.Followed())
		select {
		case <-now.Changed:
		case <-s.relist:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Streamer) setLogs(logs []loglist.Log) {
	c := s.config()
	specs := make([]follow.LogSpec, 0, len(logs))
	for _, l := range logs {
		specs = append(specs, s.logSpec(c, l))
	}
	s.supervisor.SetLogs(specs)
}

// logSpec says how to follow a log of the list.
func (s *Streamer) logSpec(c *config.Config, l loglist.Log) follow.LogSpec {
	source := &engine.Source{LogID: l.ID, Name: l.Name, Operator: l.Operator, URL: l.URL, Protocol: engine.Protocol(l.Protocol)}
	spec := follow.LogSpec{
		Source:       source,
		MMD:          l.MMD,
		Key:          slices.Clone(l.Key),
		Unsigned:     unsigned(l),
		Verification: follow.Verification(c.CTLog.Verification),
		Start:        startPosition(c.CTLog.Start),
		Open:         func(hooks ctlog.Hooks) (ctlog.Log, error) { return s.network.open(c, l, hooks) },
	}
	spec.Revision = revision(c, l)
	if l.State == loglist.Readonly {
		spec.ReadOnly = &follow.FinalHead{}
		if l.FinalHead != nil {
			spec.ReadOnly = &follow.FinalHead{Size: l.FinalHead.Size, Root: l.FinalHead.Root}
		}
	}
	return spec
}

// unsigned says that a log's signatures cannot be checked.
func unsigned(l loglist.Log) bool { return l.Custom && l.Key == nil }

// revision changes when a log's client has to be made anew.
func revision(c *config.Config, l loglist.Log) string {
	o := operator(c, l.Operator)
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %q %q %t %t %d %d %d %s", l.Key, l.SubmissionURL, l.Protocol, o.HTTP1, o.Tiles,
		c.CTLog.BatchSize, c.CTLog.PartialTileInterval, c.CTLog.RequestTimeoutSecs, c.CTLog.Verification))
	return hex.EncodeToString(sum[:8])
}

// operator is how an operator's logs are treated.
func operator(c *config.Config, name string) config.Operator {
	for own, o := range c.CTLog.Operators {
		if strings.EqualFold(own, name) {
			return o
		}
	}
	return config.Operator{}
}

// open makes a log's client.
func (n *network) open(c *config.Config, l loglist.Log, hooks ctlog.Hooks) (ctlog.Log, error) {
	special := operator(c, l.Operator)
	client, err := n.client(l.Operator, special.HTTP1)
	if err != nil {
		return nil, err
	}
	o := ctlog.Options{
		URL:             l.URL,
		SubmissionURL:   l.SubmissionURL,
		Key:             slices.Clone(l.Key),
		Unsigned:        unsigned(l),
		Client:          client,
		Hooks:           hooks,
		UserAgent:       n.agent,
		PageHint:        uint64(c.CTLog.BatchSize),
		PartialInterval: c.CTLog.PartialTileInterval.Std(),
		Unhashed:        c.CTLog.Verification != string(follow.VerifyFull),
		HeaderTimeout:   millis(c.CTLog.RequestTimeoutSecs * 1000),
	}
	switch {
	case l.Protocol == loglist.Tiled:
		return ctlog.NewStatic(o)
	case special.Tiles:
		return ctlog.NewHybrid(o)
	}
	return ctlog.NewRFC6962(o)
}
