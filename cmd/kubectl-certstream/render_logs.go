package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// renderLogs lists the CT logs, the worst off first.
func renderLogs(p *page, s *serve.Status, most int) {
	logs := worstFirst(s.Logs)
	p.heading("CT logs", fmt.Sprintf("%d followed", len(logs)))
	for _, source := range s.LogList.Sources {
		if source.Error != "" {
			p.wrap(2, red, "list "+source.Name+" cannot be renewed: "+source.Error)
		}
	}
	shown := logs[:min(most, len(logs))]
	if len(shown) > 0 {
		rows := [][]cell{{text("NAME"), text("STATUS"), text("STATE"), rightward(plain, "LAG"), rightward(plain, "POSITION"), rightward(plain, "AVG/S")}}
		for i := range shown {
			rows = append(rows, logRow(s, &shown[i]))
		}
		p.table(2, 0, rows)
	}
	for i := range shown {
		renderLogError(p, &shown[i])
	}
	renderFolded(p, logs[len(shown):])
}

func logRow(s *serve.Status, l *serve.LogStatus) []cell {
	return []cell{
		text(l.Name), painted(health(l.Status), l.Status), text(l.State), rightward(plain, lagOf(l)), number(l.Position),
		decimal(meanRate(s, l)),
	}
}

// meanRate is a log's entries per second since the pod's start.
func meanRate(s *serve.Status, l *serve.LogStatus) float64 {
	return float64(l.Entries) / max(s.UptimeSeconds, 1)
}

// lagOf is how far a log is behind, where that is known.
func lagOf(l *serve.LogStatus) string {
	if l.State == "starting" {
		return "-"
	}
	return span(l.LagSeconds)
}

// renderLogError says what is amiss with a log that is not healthy.
func renderLogError(p *page, l *serve.LogStatus) {
	if l.Status == serve.Healthy {
		return
	}
	for _, reason := range complaints(p, l) {
		p.wrap(4, yellow, l.Name+": "+reason)
	}
}

func complaints(p *page, l *serve.LogStatus) (all []string) {
	if l.Misbehaviours > 0 && l.Misbehaviour == nil {
		all = append(all, "it has contradicted itself "+counted(l.Misbehaviours, "time", "times"))
	}
	if m := l.Misbehaviour; m != nil {
		all = append(all, fmt.Sprintf("it misbehaved %s ago: %s; evidence in %s", p.since(m.Since), m.Why, cmp.Or(m.Evidence, "its log lines")))
	}
	if l.LastError != "" && (l.State == "failing" || l.Breaker != "closed") {
		all = append(all, fmt.Sprintf("%s %s ago: %s", l.LastErrorKind, p.since(l.LastErrorAt), l.LastError))
	}
	if l.Doubt != "" {
		all = append(all, "in doubt, and being looked into: "+l.Doubt)
	}
	if l.Unverified != "" {
		all = append(all, "not verified for "+p.since(l.UnverifiedSince)+": "+l.Unverified)
	}
	if l.Stale {
		all = append(all, "its tree head is from "+p.since(l.TreeHeadTime)+" ago")
	}
	return all
}

// proofOf says how much of a log is verified, or what it was caught at.
func proofOf(l *serve.LogStatus) cell {
	switch {
	case l.Misbehaviour != nil:
		return painted(red, l.Misbehaviour.Kind)
	case l.Doubt != "":
		return painted(yellow, "doubt")
	case l.Unverified != "":
		return painted(yellow, "unverified")
	}
	return text(cmp.Or(l.Verification, "-"))
}

func renderFolded(p *page, rest []serve.LogStatus) {
	if len(rest) == 0 {
		return
	}
	state := "all healthy"
	if i := slices.IndexFunc(rest, func(l serve.LogStatus) bool { return l.Status != serve.Healthy }); i >= 0 {
		state = "not all healthy"
	}
	p.put(2, dim, fmt.Sprintf("and %d more, %s (--all shows them)", len(rest), state))
}

// worstFirst sorts logs: unhealthy before degraded before healthy, then by lag, then by name.
func worstFirst(logs []serve.LogStatus) []serve.LogStatus {
	rank := map[string]int{serve.Unhealthy: 0, serve.Degraded: 1, serve.Healthy: 2}
	logs = slices.Clone(logs)
	slices.SortStableFunc(logs, func(a, b serve.LogStatus) int {
		return cmp.Or(rank[a.Status]-rank[b.Status], cmp.Compare(b.LagSeconds, a.LagSeconds), cmp.Compare(a.Name, b.Name))
	})
	return logs
}

// health is the colour of a log's status.
func health(status string) color {
	switch status {
	case serve.Healthy:
		return green
	case serve.Degraded:
		return yellow
	}
	return red
}

// renderLogTable lists all logs. On a terminal too narrow for that, columns are left out, those of least use first.
func renderLogTable(p *page, s *serve.Status) {
	rows := [][]cell{{
		text("NAME"), text("OPERATOR"), text("PROTOCOL"), text("STATE"), text("STATUS"), text("PROOF"), rightward(plain, "POSITION"),
		rightward(plain, "TREE SIZE"), rightward(plain, "LAG"), text("ERROR"),
	}}
	for _, l := range worstFirst(s.Logs) {
		rows = append(rows, []cell{
			text(l.Name), text(cmp.Or(l.Operator, "-")), text(l.Protocol), text(l.State), painted(health(l.Status), l.Status), proofOf(&l),
			number(l.Position), number(l.TreeSize), rightward(plain, lagOf(&l)), text(errorOf(&l)),
		})
	}
	for _, column := range []int{1, 6, 1, 4} { // operator, tree size, protocol, position
		if p.width == 0 || total(clean(rows)) <= p.width {
			break
		}
		rows = without(rows, column)
	}
	p.table(0, 0, rows)
}

// errorOf is the class of a log's last error, while it matters.
func errorOf(l *serve.LogStatus) string {
	if l.State != "failing" && l.Status == serve.Healthy {
		return "-"
	}
	return cmp.Or(l.LastErrorKind, "-")
}

// renderWideLogTable lists all logs with all that fits a line.
func renderWideLogTable(p *page, s *serve.Status) {
	rows := [][]cell{{
		text("NAME"), text("OPERATOR"), text("PROTOCOL"), text("STATE"), text("STATUS"), text("PROOF"),
		rightward(plain, "POSITION"), rightward(plain, "VERIFIED"), rightward(plain, "TREE SIZE"), rightward(plain, "BEHIND"), rightward(plain, "LAG"),
		rightward(plain, "AVG/S"), rightward(plain, "REQUESTS/S"), rightward(plain, "ERRORS"), text("ERROR"), text("URL"),
	}}
	for _, l := range worstFirst(s.Logs) {
		rows = append(rows, []cell{
			text(l.Name), text(cmp.Or(l.Operator, "-")), text(l.Protocol), text(l.State), painted(health(l.Status), l.Status), proofOf(&l),
			number(l.Position), number(l.VerifiedPosition), number(l.TreeSize), number(l.LagEntries), rightward(plain, lagOf(&l)),
			decimal(meanRate(s, &l)), decimal(l.RequestsPerSec), number(l.Errors), text(errorOf(&l)), text(l.URL),
		})
	}
	p.table(0, 0, rows)
}
