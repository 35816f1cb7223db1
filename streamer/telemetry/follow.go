package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Follow are the metrics of the followers: per log, deleted when the log is no longer followed, and per operator.
type Follow struct {
	treeSize, position, verified, lagEntries, lagSeconds, breaker, unverified, stale, marked, inFlight *prometheus.GaugeVec
	entries, requests, skipped, rewinds, repeats, mismatches, misbehaviours, fetches, bytes, fetched   *prometheus.CounterVec
	rate, paused                                                                                       *prometheus.GaugeVec
	catchUp                                                                                            prometheus.Gauge
	checkpoints                                                                                        *prometheus.CounterVec
}

// NewFollow makes the metrics and registers them.
func NewFollow(r prometheus.Registerer) *Follow {
	m := &Follow{}
	gauge := func(to **prometheus.GaugeVec, name, help string, labels ...string) {
		*to = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
		r.MustRegister(*to)
	}
	counter := func(to **prometheus.CounterVec, name, help string, labels ...string) {
		*to = prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(*to)
	}
	gauge(&m.treeSize, "certstream_log_tree_size", "Size of the newest tree head of the log.", "log", "operator")
	gauge(&m.position, "certstream_log_position", "Index of the next entry to emit.", "log", "operator")
	gauge(&m.verified, "certstream_log_verified_position", "Entries below this index are proved to be in the log's tree.", "log", "operator")
	gauge(&m.lagEntries, "certstream_log_lag_entries", "Entries of the tree head not yet emitted.", "log", "operator")
	gauge(&m.lagSeconds, "certstream_log_lag_seconds", "How long the log has had the next entry to emit.", "log", "operator")
	gauge(&m.breaker, "certstream_log_breaker_state", "Circuit breaker of the log: 0 closed, 1 half open, 2 open.", "log", "operator")
	gauge(&m.unverified, "certstream_log_unverified", "1 while entries are streamed without verification.", "log", "operator")
	gauge(&m.stale, "certstream_log_stale", "1 while the tree head is older than the log's maximum merge delay.", "log", "operator")
	gauge(&m.marked, "certstream_log_misbehaved", "1 while the log is marked as one that has lied, over restarts too.", "log", "operator")
	counter(&m.entries, "certstream_log_entries_total", "Entries emitted.", "log", "operator")
	counter(&m.requests, "certstream_log_requests_total", "Requests to the log by outcome.", "log", "operator", "outcome")
	counter(&m.fetches, "certstream_log_fetches_total",
		"Requests to the log by what they were for: head, entries, tile, partial_tile, issuer, proof.", "log", "operator", "what")
	counter(&m.bytes, "certstream_log_received_bytes_total", "Bytes of the log's answers, as they came over the wire.", "log", "operator")
	counter(&m.fetched, "certstream_log_fetched_entries_total",
		"Entries in the log's answers. What exceeds the entries emitted was fetched more than once.", "log", "operator")
	gauge(&m.inFlight, "certstream_log_requests_in_flight", "Requests to the log that wait for their answer.", "log", "operator")
	counter(&m.skipped, "certstream_log_skipped_entries_total", "Entries skipped by a configured maximum lag.", "log", "operator")
	counter(&m.rewinds, "certstream_log_rewinds_total", "Times that entries were read again because the tree did not match.", "log", "operator")
	counter(&m.repeats, "certstream_log_repeated_entries_total", "Entries emitted again after a rewind.", "log", "operator")
	counter(&m.mismatches, "certstream_log_root_mismatches_total", "Tree heads or proofs that the entries did not lead to.", "log", "operator")
	counter(&m.misbehaviours, "certstream_log_misbehaviour_total", "Proofs that the log has lied.", "log", "operator")
	gauge(&m.rate, "certstream_operator_request_rate", "Requests per second that the pacing allows the operator's logs.", "operator")
	gauge(&m.paused, "certstream_operator_paused_seconds", "How long the operator's Retry-After still holds.", "operator")
	counter(&m.checkpoints, "certstream_checkpoints_total", "Checkpoints written, by result.", "result")
	m.catchUp = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "certstream_catch_up_rate", Help: "Entries per second that all backlogs together may emit.",
	})
	r.MustRegister(m.catchUp)
	return m
}

// Log binds the handles of one log. The log is labelled with a name that no other followed log has.
func (m *Follow) Log(log, operator string) *FollowLog {
	if m == nil {
		return nil
	}
	return &FollowLog{
		all: m, labels: prometheus.Labels{"log": log, "operator": operator},
		treeSize: m.treeSize.WithLabelValues(log, operator), position: m.position.WithLabelValues(log, operator),
		verified: m.verified.WithLabelValues(log, operator), lagEntries: m.lagEntries.WithLabelValues(log, operator),
		lagSeconds: m.lagSeconds.WithLabelValues(log, operator), breaker: m.breaker.WithLabelValues(log, operator),
		unverified: m.unverified.WithLabelValues(log, operator), stale: m.stale.WithLabelValues(log, operator),
		marked:  m.marked.WithLabelValues(log, operator),
		entries: m.entries.WithLabelValues(log, operator), skipped: m.skipped.WithLabelValues(log, operator),
		rewinds: m.rewinds.WithLabelValues(log, operator), repeats: m.repeats.WithLabelValues(log, operator),
		mismatches: m.mismatches.WithLabelValues(log, operator), misbehaviours: m.misbehaviours.WithLabelValues(log, operator),
		bytes: m.bytes.WithLabelValues(log, operator), fetched: m.fetched.WithLabelValues(log, operator),
		inFlight: m.inFlight.WithLabelValues(log, operator),
		requests: m.requests.MustCurryWith(prometheus.Labels{"log": log, "operator": operator}),
		fetches:  m.fetches.MustCurryWith(prometheus.Labels{"log": log, "operator": operator}),
	}
}

// Operator sets an operator's pace; pausedSeconds is what is left of its Retry-After.
func (m *Follow) Operator(operator string, rate, pausedSeconds float64) {
	if m != nil {
		m.rate.WithLabelValues(operator).Set(rate)
		m.paused.WithLabelValues(operator).Set(pausedSeconds)
	}
}

// DeleteOperator forgets an operator of which no log is followed any more.
func (m *Follow) DeleteOperator(operator string) {
	if m != nil {
		m.rate.DeleteLabelValues(operator)
		m.paused.DeleteLabelValues(operator)
	}
}

// CatchUp sets the rate of all backlogs together.
func (m *Follow) CatchUp(rate float64) {
	if m != nil {
		m.catchUp.Set(rate)
	}
}

// Checkpoint counts a checkpoint.
func (m *Follow) Checkpoint(err error) {
	if m == nil {
		return
	}
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.checkpoints.WithLabelValues(result).Inc()
}

// FollowLog are the metrics of one log. All methods are safe on nil and for concurrent use.
type FollowLog struct {
	all    *Follow
	labels prometheus.Labels

	treeSize, position, verified, lagEntries, lagSeconds, breaker, unverified, stale, marked, inFlight prometheus.Gauge
	entries, skipped, rewinds, repeats, mismatches, misbehaviours, bytes, fetched                      prometheus.Counter
	requests, fetches                                                                                  *prometheus.CounterVec
}

// Set sets where the log stands.
func (l *FollowLog) Set(treeSize, position, verified, lagEntries uint64, lagSeconds float64) {
	if l == nil {
		return
	}
	l.treeSize.Set(float64(treeSize))
	l.position.Set(float64(position))
	l.verified.Set(float64(verified))
	l.lagEntries.Set(float64(lagEntries))
	l.lagSeconds.Set(lagSeconds)
}

// SetConditions sets the breaker's state ("closed", "half_open", "open") and the conditions.
func (l *FollowLog) SetConditions(breaker string, unverified, stale, marked bool) {
	if l == nil {
		return
	}
	l.breaker.Set(map[string]float64{"half_open": 1, "open": 2}[breaker])
	l.unverified.Set(number(unverified))
	l.stale.Set(number(stale))
	l.marked.Set(number(marked))
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Entries counts emitted entries.
func (l *FollowLog) Entries(n int) {
	if l != nil {
		l.entries.Add(float64(n))
	}
}

// Begin counts a request that goes out, by what it is for.
func (l *FollowLog) Begin(what string) {
	if l != nil {
		l.fetches.WithLabelValues(what).Inc()
		l.inFlight.Inc()
	}
}

// Request counts a request that has begun by its outcome, one of ctlog's kinds or "ok", and the answer's bytes.
func (l *FollowLog) Request(outcome string, bytes int) {
	if l != nil {
		l.requests.WithLabelValues(outcome).Inc()
		l.bytes.Add(float64(bytes))
		l.inFlight.Dec()
	}
}

// Fetched counts the entries in an answer.
func (l *FollowLog) Fetched(n int) {
	if l != nil {
		l.fetched.Add(float64(n))
	}
}

// Skipped counts entries skipped by a configured maximum lag.
func (l *FollowLog) Skipped(n uint64) {
	if l != nil {
		l.skipped.Add(float64(n))
	}
}

// Rewind counts a rewind.
func (l *FollowLog) Rewind() {
	if l != nil {
		l.rewinds.Inc()
	}
}

// Repeat counts an entry emitted again.
func (l *FollowLog) Repeat() {
	if l != nil {
		l.repeats.Inc()
	}
}

// Mismatch counts a root or proof that the entries did not lead to.
func (l *FollowLog) Mismatch() {
	if l != nil {
		l.mismatches.Inc()
	}
}

// Misbehaviour counts a proof that the log has lied.
func (l *FollowLog) Misbehaviour() {
	if l != nil {
		l.misbehaviours.Inc()
	}
}

// Delete forgets the log.
func (l *FollowLog) Delete() {
	if l == nil {
		return
	}
	m := l.all
	for _, g := range []*prometheus.GaugeVec{
		m.treeSize, m.position, m.verified, m.lagEntries, m.lagSeconds, m.breaker, m.unverified, m.stale, m.marked, m.inFlight,
	} {
		g.DeletePartialMatch(l.labels)
	}
	for _, c := range []*prometheus.CounterVec{
		m.entries, m.requests, m.skipped, m.rewinds, m.repeats, m.mismatches, m.misbehaviours, m.fetches, m.bytes, m.fetched,
	} {
		c.DeletePartialMatch(l.labels)
	}
}
