package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

func overviewOf(t testing.TB, s *serve.Status) *overview {
	o := &overview{
		CertStream: load[v1alpha1.CertStream](t, "certstream.yaml"), Streamer: s,
		Pod: viewPod(podOf("main", "certstream-main-7c9f-x2x", true, 0)),
	}
	o.Pod.Created.Time = moment.Add(-72 * 3600e9)
	for _, e := range events()[:3] {
		o.Events = append(o.Events, viewEvent(e))
	}
	return o
}

func TestRenderStatus(t *testing.T) {
	suspended := overviewOf(t, healthyReport())
	suspended.CertStream.Spec.Suspend = true
	suspended.CertStream.Generation = 4
	young := &overview{CertStream: stream("young"), StreamerError: errNoPod.Error()}
	young.CertStream.Status.ObservedGeneration = -1
	unread := overviewOf(t, nil)
	unread.StreamerError = "port-forward to pod certstream-main-7c9f-x2x: pods is forbidden: User \"viewer\" cannot create pods/portforward"
	unread.EventsError = "events is forbidden"
	for name, c := range map[string]struct {
		overview *overview
		fold     folds
	}{
		"status-healthy":   {overviewOf(t, healthyReport()), folds{3, 8}},
		"status-troubled":  {overviewOf(t, troubledReport()), folds{4, 2}},
		"status-suspended": {suspended, folds{1, 1}},
		"status-young":     {young, folds{10, 8}},
		"status-unread":    {unread, folds{10, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			p := &page{width: 80, now: moment}
			renderStatus(p, c.overview, c.fold)
			golden(t, name, p.String())
			checkLines(t, p.String(), 80)
		})
	}
}

// checkLines holds that a page fits, and that nothing on it is a terminal's command.
func checkLines(t *testing.T, text string, width int) {
	t.Helper()
	for _, line := range strings.Split(text, "\n") {
		if n := utf8.RuneCountInString(line); n > width {
			t.Errorf("%d columns: %q", n, line)
		}
		if strings.ContainsRune(line, '\x1b') || strings.HasSuffix(line, " ") {
			t.Errorf("line %q", line)
		}
	}
}

func TestRenderLogs(t *testing.T) {
	for name, c := range map[string]struct {
		width  int
		render func(*page, *serve.Status)
	}{
		"logs-pipe": {0, renderLogTable},
		"logs-80":   {80, renderLogTable},
		"logs-100":  {100, renderLogTable},
		"logs-40":   {40, renderLogTable},
		"logs-wide": {0, renderWideLogTable},
	} {
		t.Run(name, func(t *testing.T) {
			p := &page{width: c.width, now: moment}
			c.render(p, troubledReport())
			golden(t, name, p.String())
			if c.width >= 80 {
				checkLines(t, p.String(), c.width)
			}
		})
	}
}

func TestColours(t *testing.T) {
	p := &page{width: 80, color: true, now: moment}
	renderStatus(p, overviewOf(t, troubledReport()), folds{3, 2})
	for _, want := range []string{
		"\x1b[1mCertStream ct/main\x1b[0m  \x1b[32mready\x1b[0m", "\x1b[32mReady\x1b[0m ", "\x1b[33mMonitored\x1b[0m ",
		"\x1b[31munhealthy\x1b[0m", "\x1b[33mdegraded\x1b[0m",
	} {
		if !strings.Contains(p.String(), want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	bare := &page{width: 80, now: moment}
	renderStatus(bare, overviewOf(t, troubledReport()), folds{3, 2})
	if got := uncoloured(p.String()); got != bare.String() {
		t.Errorf("colours move the text:\n%s", got)
	}
}

func uncoloured(s string) string {
	for _, c := range []color{bold, dim, red, green, yellow, "\x1b[0m"} {
		s = strings.ReplaceAll(s, string(c), "")
	}
	return s
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		kind, status string
		want         color
	}{
		{v1alpha1.ConditionReady, "True", green}, {v1alpha1.ConditionReady, "False", red}, {v1alpha1.ConditionReady, "Unknown", yellow},
		{v1alpha1.ConditionStalled, "True", red}, {v1alpha1.ConditionStalled, "False", green},
		{v1alpha1.ConditionReconciling, "True", yellow}, {v1alpha1.ConditionSuspended, "True", yellow},
		{v1alpha1.ConditionNoWarnings, "False", yellow}, {v1alpha1.ConditionNoWarnings, "True", green},
	} {
		condition := conditionOf(c.kind, c.status)
		if got := verdict(&condition); got != c.want {
			t.Errorf("%s=%s: %q, want %q", c.kind, c.status, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 0.04: "<0.1", 0.05: "0.1", 3.14159: "3.1", 9.96: "10", 412.5: "412", 12345: "12345"} {
		if got := rate(n); got != want {
			t.Errorf("rate(%v) = %s, want %s", n, got, want)
		}
	}
	for n, want := range map[float64]string{-1: "0s", 0: "0s", 95: "95s", 3600: "60m", 1e300: "31y"} {
		if got := span(n); got != want {
			t.Errorf("span(%v) = %s, want %s", n, got, want)
		}
	}
}

// What logs that do not answer are behind, nobody knows.
func TestNoLogAnswers(t *testing.T) {
	s := &serve.Status{Logs: []serve.LogStatus{{State: "failing", LagSeconds: 5}}}
	if got, want := figures(s), "0 of 1 log healthy, lag unknown, 0 certificates/s, 0 clients"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
