package main

import (
	"cmp"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// folds are how many of the logs and events are shown.
type folds struct{ logs, events int }

// renderStatus writes the page of a CertStream.
func renderStatus(p *page, o *overview, fold folds) {
	renderSummary(p, o)
	renderConditions(p, o.CertStream.Status.Conditions)
	renderEndpoints(p, o.CertStream.Status.Endpoints)
	renderConfig(p, o)
	if o.Streamer != nil {
		renderLogs(p, o.Streamer, fold.logs)
		renderClients(p, o.Streamer.Clients)
	} else {
		renderFigures(p, o.CertStream.Status.Figures)
	}
	renderState(p, o)
	renderEvents(p, o, fold.events)
}

// renderSummary says in a few lines how things are.
func renderSummary(p *page, o *overview) {
	state, c := standing(o.CertStream)
	p.text.WriteString(p.paint(bold, "CertStream "+o.CertStream.Namespace+"/"+o.CertStream.Name) + "  " + p.paint(c, state) + "\n")
	if o.Streamer != nil {
		p.line(2, figures(o.Streamer))
	}
	p.wrap(2, plain, podLine(p, o))
	if o.StreamerError != "" {
		p.wrap(2, yellow, "the pod could not be asked: "+o.StreamerError)
	}
}

// standing is the state in a word or two.
func standing(cs *v1alpha1.CertStream) (string, color) {
	state, c := "not seen by an operator yet", yellow
	if ready := condition(cs, v1alpha1.ConditionReady); ready != nil {
		state, c = "not ready: "+ready.Reason, red
		if ready.Status == metav1.ConditionTrue {
			state, c = "ready", green
		}
	}
	if cs.DeletionTimestamp != nil {
		state, c = state+", being deleted", yellow
	}
	if cs.Spec.Suspend {
		state, c = state+", suspended", yellow
	}
	if cs.Status.ObservedGeneration >= 0 && cs.Status.ObservedGeneration < cs.Generation {
		state += ", a change waits for the operator"
	}
	return state, c
}

func condition(cs *v1alpha1.CertStream, kind string) *metav1.Condition {
	for i := range cs.Status.Conditions {
		if cs.Status.Conditions[i].Type == kind {
			return &cs.Status.Conditions[i]
		}
	}
	return nil
}

// figures sum up what the pod says.
func figures(s *serve.Status) string {
	healthy, clients, behind, lag := 0, 0, "lag unknown", 0.0
	for i := range s.Logs {
		if s.Logs[i].Status == serve.Healthy {
			healthy++
		}
		if s.Logs[i].State != "failing" { // what one that does not answer is behind, nobody knows
			lag = max(lag, s.Logs[i].LagSeconds)
			behind = span(lag) + " behind"
		}
	}
	for _, c := range s.Clients {
		clients += c.Count
	}
	return fmt.Sprintf("%d of %s healthy, %s, %s certificates/s, %s",
		healthy, counted(len(s.Logs), "log", "logs"), behind, rate(s.EntriesPerSecond), counted(clients, "client", "clients"))
}

func podLine(p *page, o *overview) string {
	if o.Pod == nil {
		return "no pod"
	}
	state := strings.ToLower(string(o.Pod.Phase))
	switch {
	case o.Pod.Stopping:
		state = "stopping"
	case o.Pod.Ready:
		state = "ready"
	case state == "running":
		state = "running, not ready"
	}
	line := fmt.Sprintf("pod %s, %s, %s old, %s", o.Pod.Name, state, p.since(o.Pod.Created.Time), counted(o.Pod.Restarts, "restart", "restarts"))
	if o.Streamer != nil {
		line += fmt.Sprintf("; streamer %s, up %s", o.Streamer.Version, span(o.Streamer.UptimeSeconds))
	}
	return line
}

// renderConditions lists conditions with their messages below.
func renderConditions(p *page, conditions []metav1.Condition) {
	p.heading("Conditions", "")
	if len(conditions) == 0 {
		p.line(2, "none")
	}
	widest := 0
	for i := range conditions {
		widest = max(widest, len(conditions[i].Type))
	}
	for i := range conditions {
		c := &conditions[i]
		p.row(2, []int{widest, 7, 8, 40}, []cell{
			painted(verdict(c), c.Type), text(string(c.Status)), text(p.since(c.LastTransitionTime.Time)), text(c.Reason),
		})
		p.wrap(4, plain, c.Message)
	}
}

// verdict is the colour of a condition. For some of them True is the bad news.
func verdict(c *metav1.Condition) color {
	bad := metav1.ConditionFalse
	switch c.Type {
	case v1alpha1.ConditionStalled, v1alpha1.ConditionReconciling, v1alpha1.ConditionSuspended:
		bad = metav1.ConditionTrue
	}
	switch {
	case c.Status == metav1.ConditionUnknown:
		return yellow
	case c.Status != bad:
		return green
	case c.Type == v1alpha1.ConditionReady, c.Type == v1alpha1.ConditionStalled, c.Type == v1alpha1.ConditionAvailable,
		c.Type == v1alpha1.ConditionLogsConsistent:
		return red
	}
	return yellow
}

func renderEndpoints(p *page, e *v1alpha1.EndpointsStatus) {
	if e == nil || (e.Cluster == nil && len(e.External) == 0) {
		return
	}
	p.heading("Endpoints", "")
	if e.Cluster != nil {
		renderEndpoint(p, "in the cluster", e.Cluster)
	}
	for i := range e.External {
		renderEndpoint(p, "outside", &e.External[i])
	}
}

func renderEndpoint(p *page, where string, e *v1alpha1.Endpoint) {
	for _, url := range []string{e.WebSocket, e.SSE, e.TCP} {
		if url != "" {
			p.line(2, fmt.Sprintf("%-14s  %s", where, url))
			where = ""
		}
	}
}

// renderConfig says whether the configuration wanted is the one that runs.
func renderConfig(p *page, o *overview) {
	wanted, running := configHashes(o)
	p.heading("Configuration", "")
	p.line(2, "wanted "+short(wanted)+", running "+short(running)+", "+inForce(wanted, running))
	if o.Streamer == nil {
		return
	}
	c := &o.Streamer.Config
	p.line(2, "loaded "+p.since(c.LoadedAt)+" ago")
	if c.LastError != "" {
		p.wrap(2, red, "refused "+p.since(c.LastErrorAt)+" ago, the one before runs on: "+c.LastError)
	}
	if len(c.RestartNeeded) > 0 {
		p.wrap(2, yellow, "waits for a restart: "+strings.Join(c.RestartNeeded, ", "))
	}
	for _, warning := range c.Warnings {
		p.wrap(2, yellow, "warning: "+warning)
	}
}

// configHashes prefers what the pod says now to what the operator saw.
func configHashes(o *overview) (wanted, running string) {
	if c := o.CertStream.Status.Config; c != nil {
		wanted, running = c.WantedHash, c.RunningHash
	}
	if o.Streamer != nil {
		running = o.Streamer.Config.Hash
	}
	return wanted, running
}

func inForce(wanted, running string) string {
	switch {
	case wanted == "" || running == "":
		return "not known whether it is in force"
	case wanted == running:
		return "in force"
	}
	return "not in force yet"
}

// short is a hash as people compare it.
func short(hash string) string {
	if hash == "" {
		return "unknown"
	}
	return hash[:min(len(hash), 12)]
}

// renderFigures shows what the operator read last, where the pod cannot be asked.
func renderFigures(p *page, f *v1alpha1.Figures) {
	if f == nil {
		return
	}
	p.heading("CT logs", "as the operator saw them "+p.since(f.ObservedTime.Time)+" ago")
	p.line(2, fmt.Sprintf("%d followed, %d lagging, %d failing, %s behind, %d certificates/s, %s",
		f.Logs.Followed, f.Logs.Lagging, f.Logs.Failing, span(float64(f.LagSeconds)), f.EntriesPerSecond,
		counted(f.Clients, "client", "clients")))
	for _, worst := range f.Logs.Worst {
		p.wrap(4, yellow, fmt.Sprintf("%s: %s, %s behind", worst.Name, worst.Problem, span(float64(worst.LagSeconds))))
	}
	for _, m := range f.Logs.Misbehaviour {
		p.wrap(4, red, fmt.Sprintf("%s: caught lying (%s) %s ago, evidence in %s", m.Name, m.Kind, p.since(m.Since.Time), cmp.Or(m.Evidence, "its log lines")))
	}
}

func renderClients(p *page, clients []serve.ClientsCount) {
	sum := 0
	rows := [][]cell{{text("PROTOCOL"), text("STREAM"), rightward(plain, "CLIENTS")}}
	for _, c := range clients {
		sum += c.Count
		if c.Count > 0 {
			rows = append(rows, []cell{text(c.Protocol), text(c.Stream), number(c.Count)})
		}
	}
	p.heading("Clients", fmt.Sprintf("%d connected", sum))
	if len(rows) > 1 {
		p.table(2, 1, rows)
	}
}

// renderState says what a restart would resume from.
func renderState(p *page, o *overview) {
	v := o.CertStream.Status.Volume
	if v == nil && o.Streamer == nil {
		return
	}
	p.heading("State", "")
	if v == nil {
		p.line(2, "no volume")
	} else {
		line := "volume " + v.ClaimName + ", " + strings.ToLower(cmp.Or(string(v.Phase), "unknown"))
		if v.Capacity != nil {
			line += ", " + v.Capacity.String()
		}
		p.line(2, line)
	}
	if o.Streamer == nil {
		return
	}
	renderRetention(p, o.Streamer.Retention)
	s := &o.Streamer.State
	if !s.LastCheckpoint.IsZero() {
		p.line(2, "checkpoint written "+p.since(s.LastCheckpoint)+" ago")
	}
	if s.LastError != "" {
		p.wrap(2, red, "the checkpoint cannot be written: "+s.LastError)
	}
}

// renderRetention says how far back clients can resume from the volume.
func renderRetention(p *page, r *serve.RetentionStatus) {
	if r == nil {
		p.line(2, "no entries are kept on it")
		return
	}
	p.line(2, fmt.Sprintf("the last %s are kept, %s in %s of %s", span(r.Seconds), counted(r.Entries, "entry", "entries"),
		mebibytes(r.Bytes), mebibytes(r.CapacityBytes)))
	if r.LastError != "" {
		p.wrap(2, red, "entries cannot be kept: "+r.LastError)
	}
	if r.AsideSegments > 0 {
		p.wrap(2, yellow, fmt.Sprintf("%s could not be read and %s set aside: clients that resume from there are told what they miss",
			counted(r.AsideSegments, "segment", "segments"), one(r.AsideSegments, "was", "were")))
	}
	if r.MissedEntries > 0 {
		p.wrap(2, yellow, counted(r.MissedEntries, "entry was", "entries were")+" not kept since the pod's start")
	}
}

// mebibytes is a size to be read by people.
func mebibytes(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// one takes the word for one or for more.
func one(n int, single, more string) string {
	if n == 1 {
		return single
	}
	return more
}

// renderEvents lists the newest events, the newest last.
func renderEvents(p *page, o *overview, most int) {
	p.heading("Events", "")
	shown := o.Events[len(o.Events)-min(most, len(o.Events)):]
	switch {
	case o.EventsError != "":
		p.wrap(2, yellow, "they could not be read: "+o.EventsError)
	case len(shown) == 0:
		p.line(2, "none")
	case len(shown) < len(o.Events):
		p.put(2, dim, fmt.Sprintf("%d before these (--all shows them)", len(o.Events)-len(shown)))
	}
	for i := range shown {
		e := &shown[i]
		c := plain
		if e.Type != "Normal" {
			c = yellow
		}
		times := ""
		if e.Count > 1 {
			times = fmt.Sprintf(" (%d times)", e.Count)
		}
		p.put(2, c, fmt.Sprintf("%-5s %s%s  %s", p.since(e.Last.Time), e.Reason, times, e.Object))
		p.wrap(6, plain, e.Message)
	}
}
