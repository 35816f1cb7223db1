package build

import (
	"encoding"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/config"
)

// Config is the streamer's configuration for a CertStream, which must carry the defaults of its schema. Capacity is the size of the
// claim of its state, nil while that is not known. It holds no secret: tokens, keys and a proxy's password reach the pod as files
// and variables. Its error is an *InvalidError.
func Config(cs *v1alpha1.CertStream, capacity *resource.Quantity) (*config.Config, error) {
	t := &translation{Config: config.Default(), spec: &cs.Spec}
	t.pod(cs)
	t.retention(RetainedBytes(cs, capacity))
	t.logs()
	t.pacing()
	t.protocols()
	t.dedup()
	t.limits()
	t.auth()
	t.network()
	for _, p := range t.Check() {
		t.problems = append(t.problems, inSpec(p))
	}
	if len(t.problems) > 0 {
		return nil, &InvalidError{Problems: t.problems}
	}
	return t.Config, nil
}

// translation goes from the spec to the configuration.
type translation struct {
	*config.Config
	spec     *v1alpha1.CertStreamSpec
	problems []config.Problem
}

func (t *translation) problem(field, message, fix string) {
	t.problems = append(t.problems, config.Problem{Key: field, Message: message, Fix: fix})
}

// set leaves the configuration's default where the spec says nothing.
func set[C, S any](to *C, from *S, as func(S) C) {
	if from != nil {
		*to = as(*from)
	}
}

// setName is set for a word, which the spec has in capitals: ReadOnly, readonly.
func setName[S ~string](to *string, from S) {
	if from != "" {
		*to = strings.ToLower(string(from))
	}
}

// setText reads a value in its text form.
func (t *translation) setText(to encoding.TextUnmarshaler, from, field string) {
	if from == "" {
		return
	}
	if err := to.UnmarshalText([]byte(from)); err != nil {
		t.problem(field, fmt.Sprintf("%.60q cannot be read", from), err.Error())
	}
}

func same[T any](v T) T { return v }

func integer(v int32) int { return int(v) }

func duration(d metav1.Duration) config.Duration { return config.Duration(d.Duration) }

// pod sets what follows from the pod: where things are, and how it stops. The host stays 0.0.0.0, which Go takes for all
// addresses of either family.
func (t *translation) pod(cs *v1alpha1.CertStream) {
	t.LogFormat = "json"
	setName((*string)(&t.LogLevel), t.spec.LogLevel)
	t.Admin.Enabled, t.Admin.Address = true, fmt.Sprintf(":%d", AdminPort)
	t.State.Dir = stateDir
	set(&t.State.Interval, t.spec.State.CheckpointInterval, duration)
	setName(&t.State.Recovery, t.spec.State.Recovery)
	if t.spec.TLS != nil {
		t.TLSCert, t.TLSKey = tlsDir+"/tls.crt", tlsDir+"/tls.key"
	}
	set(&t.Drain.Period, t.spec.DrainSeconds, func(s int32) config.Duration { return config.Duration(s) * config.Duration(time.Second) })
}

func (t *translation) logs() {
	logs := t.spec.Logs
	t.CTLogsURL = logs.List.URL
	t.LogList.Key = logs.List.Key
	set(&t.LogList.RefreshInterval, logs.List.RefreshInterval, duration)
	if s := logs.List.Source; s != "" {
		t.LogList.Source = sourceName(s)
	}
	t.selection(logs.Select)
	for _, l := range logs.Custom {
		t.CustomLogs = append(t.CustomLogs, customLog(l))
	}
	t.setText(&t.CTLog.Start, logs.Start, "spec.logs.start")
	setName(&t.CTLog.Verification, logs.Verification)
	set(&t.CTLog.MaxLag, logs.MaxLag, duration)
	set(&t.CTLog.MaxLagEntries, logs.MaxLagEntries, same)
	set(&t.CTLog.CatchUpRate, logs.CatchUpRate, integer)
}

func sourceName(s v1alpha1.LogListSource) string {
	switch s {
	case v1alpha1.LogListGoogleAll:
		return "google_all"
	case v1alpha1.LogListGoogleAndApple:
		return "google+apple"
	}
	return strings.ToLower(string(s))
}

func (t *translation) selection(s v1alpha1.LogSelection) {
	if len(s.States) > 0 {
		t.Logs.States = nil
	}
	for _, state := range s.States {
		t.Logs.States = append(t.Logs.States, strings.ToLower(string(state)))
	}
	if len(s.Protocols) > 0 {
		t.Logs.Protocols = nil
	}
	for _, p := range s.Protocols {
		t.Logs.Protocols = append(t.Logs.Protocols, protocolName(p))
	}
	t.Logs.Operators, t.Logs.Names, t.Logs.LogIDs = s.Operators, s.Names, s.IDs
	t.Logs.Include, t.Logs.Exclude = s.Include, s.Exclude
	t.setText(&t.Logs.ExpiresFrom, s.ExpiresFrom, "spec.logs.select.expiresFrom")
	t.setText(&t.Logs.ExpiresUntil, s.ExpiresUntil, "spec.logs.select.expiresUntil")
}

func protocolName(p v1alpha1.LogProtocol) string {
	if p == v1alpha1.LogProtocolStatic {
		return "tiled"
	}
	return strings.ToLower(string(p))
}

func customLog(l v1alpha1.CustomLog) config.CustomLog {
	log := config.CustomLog{
		Name: l.Name, URL: l.URL, Key: l.Key, Operator: l.Operator, Protocol: "rfc6962", SubmissionURL: l.SubmissionURL,
		MMD: config.Duration(24 * time.Hour),
	}
	if l.Protocol != "" {
		log.Protocol = protocolName(l.Protocol)
	}
	set(&log.MMD, l.MMD, duration)
	return log
}

func (t *translation) pacing() {
	p := t.spec.Logs.Pacing
	set(&t.CTLog.RequestsPerSecond, p.RequestsPerSecond, perSecond)
	set(&t.CTLog.BatchSize, p.BatchSize, integer)
	set(&t.CTLog.FetchConcurrency, p.Concurrency, integer)
	set(&t.CTLog.PollIntervalMS, p.PollInterval, func(d metav1.Duration) int { return int(d.Milliseconds()) })
	set(&t.CTLog.PartialTileInterval, p.PartialTileInterval, duration)
	for _, o := range p.Operators {
		if t.CTLog.Operators == nil {
			t.CTLog.Operators = make(map[string]config.Operator)
		}
		operator := config.Operator{HTTP1: o.HTTP1, Tiles: o.Tiles}
		set(&operator.RequestsPerSecond, o.RequestsPerSecond, perSecond)
		t.CTLog.Operators[o.Name] = operator
	}
}

func perSecond(v int32) float64 { return float64(v) }

// network leaves out a proxy from a Secret: a variable that refers to it carries it into the pod.
func (t *translation) network() {
	logs, n := t.spec.Logs, &t.Network
	if p := logs.Proxy; p != nil && strings.Contains(p.URL, "@") {
		t.problem("spec.logs.proxy.url", "holds a user or password", "put the whole URL into a Secret and name it in spec.logs.proxy.secretKeyRef")
	} else if p != nil {
		n.Proxy = config.Secret(p.URL)
	}
	if logs.CABundle != nil {
		n.CABundle = caDir + "/" + caFile
	}
	n.AllowPrivateAddresses, n.AllowHTTP, n.UserAgentContact = logs.AllowPrivateAddresses, logs.AllowHTTP, logs.Contact
}

func (t *translation) protocols() {
	p := t.spec.Protocols
	t.Port = int(p.Port)
	to := &t.Protocols
	set(&to.WebSocket, p.WebSocket.Enabled, same)
	set(&to.SSE, p.SSE.Enabled, same)
	set(&to.TCP, p.TCP.Enabled, same)
	to.TCPPort = int(p.TCP.Port)
	for _, path := range []struct {
		to   *string
		from string
	}{
		{&to.Paths.Lite, p.WebSocket.LitePath}, {&to.Paths.Full, p.WebSocket.FullPath},
		{&to.Paths.DomainsOnly, p.WebSocket.DomainsOnlyPath}, {&to.Paths.SSE, p.SSE.Path},
	} {
		if path.from != "" {
			*path.to = path.from
		}
	}
	set(&t.Streams.Full, p.Streams.Full, same)
	set(&t.Streams.Lite, p.Streams.Lite, same)
	set(&t.Streams.DomainsOnly, p.Streams.DomainsOnly, same)
}

func (t *translation) dedup() {
	d := t.spec.Protocols.Streams.Dedup
	for _, kind := range d.Default {
		name := strings.ToLower(string(kind))
		if kind == v1alpha1.StreamDomainsOnly {
			name = "domains-only"
		}
		t.Dedup.Streams = append(t.Dedup.Streams, name)
	}
	if d.Memory != nil {
		t.Dedup.Memory = config.Bytes(d.Memory.Value())
	}
}

func (t *translation) limits() {
	l := t.spec.Limits
	t.ConnectionLimit.Enabled = true
	set(&t.ConnectionLimit.MaxConnections, l.Connections, integer)
	set(&t.ConnectionLimit.PerIPLimit, l.ConnectionsPerIP, integer)
	if l.Rate != nil {
		t.RateLimit.Enabled = true
		set(&t.RateLimit.PerSecond, l.Rate.PerSecond, perSecond)
		set(&t.RateLimit.BurstSize, l.Rate.Burst, integer)
	}
	setName(&t.SlowClient, l.SlowClient)
	set(&t.BufferSize, l.MessagesBehind, integer)
	if l.Window != nil {
		t.Window.Size = config.Bytes(l.Window.Value())
	}
	t.TrustedProxies, t.AllowedOrigins = l.TrustedProxies, l.AllowedOrigins
	f := l.Filters
	set(&t.Filters.MaxPatternLength, f.PatternLength, integer)
	set(&t.Filters.MaxPerClient, f.PerClient, integer)
	set(&t.Filters.MaxTotal, f.Total, integer)
	set(&t.Filters.MaxRegexPerIP, f.RegexPerIP, integer)
	if f.RegexCPU != nil {
		t.Filters.RegexBudget = f.RegexCPU.AsApproximateFloat64()
	}
}

// auth has tokens read from their directory only.
func (t *translation) auth() {
	a := t.spec.Auth
	if a == nil {
		return
	}
	t.Auth.Enabled, t.Auth.TokensDir, t.Auth.QueryToken = true, tokensDir, a.QueryToken
	if a.HeaderName != "" {
		t.Auth.HeaderName = a.HeaderName
	}
	t.tokens(a.Tokens)
}

// tokens sees to names that two sources give, as far as the spec alone shows it: each is a file in one directory.
func (t *translation) tokens(sources []v1alpha1.TokenSource) {
	names, whole := make(map[string]string), make(map[string]string)
	for i, source := range sources {
		field := fmt.Sprintf("spec.auth.tokens[%d]", i)
		if source.Key == "" {
			if first, taken := whole[source.SecretName]; taken {
				t.problem(field, fmt.Sprintf("the whole Secret %s is at %s already", source.SecretName, first), "leave one out")
			}
			whole[source.SecretName] = field
			continue
		}
		if first, taken := names[TokenName(source)]; taken {
			t.problem(field, fmt.Sprintf("the token's name %s is that of %s already", TokenName(source), first), "set another "+field+".name")
		}
		names[TokenName(source)] = field
	}
	t.wholeSecrets(sources, whole)
}

// wholeSecrets sees to keys that are taken by themselves, and under the same name with their whole Secret.
func (t *translation) wholeSecrets(sources []v1alpha1.TokenSource, whole map[string]string) {
	for i, source := range sources {
		field, also := whole[source.SecretName]
		if also && source.Key != "" && TokenName(source) == source.Key {
			key := fmt.Sprintf("the whole Secret %s has the key %s of spec.auth.tokens[%d] already", source.SecretName, source.Key, i)
			t.problem(field, key, "leave one out")
		}
	}
}
