package status_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

func TestFigures(t *testing.T) {
	for name, c := range map[string]struct {
		logs []observe.Log
		rate float64
		want v1alpha1.Figures
	}{
		"none": {nil, 0, v1alpha1.Figures{Rate: "0/s", Logs: v1alpha1.LogFigures{Summary: "0/0"}}},
		"none answers": {[]observe.Log{failing("a", "tls")}, 0, v1alpha1.Figures{Rate: "0/s", Logs: v1alpha1.LogFigures{Followed: 1, Failing: 1, Summary: "0/1",
			Worst: []v1alpha1.LogProblem{{Name: "a", Problem: "tls"}}}}},
		"a trickle": {[]observe.Log{following("a", 0)}, 0.02,
			v1alpha1.Figures{EntriesPerSecond: 1, Rate: "1/s", Lag: "0s", Logs: v1alpha1.LogFigures{Followed: 1, Summary: "1/1"}}},
		"the slowest that answers": {[]observe.Log{following("a", 59.6), {Name: "b", Failing: true, ErrorKind: "tls", LagSeconds: 9000, LagEntries: 7}}, 5,
			v1alpha1.Figures{EntriesPerSecond: 5, Rate: "5/s", LagSeconds: 60, Lag: "60s", Logs: v1alpha1.LogFigures{Followed: 2, Failing: 1, Summary: "1/2",
				Worst: []v1alpha1.LogProblem{{Name: "b", Problem: "tls", LagSeconds: 9000, LagEntries: 7}}}}},
		"minutes": {[]observe.Log{following("a", 150)}, 5, v1alpha1.Figures{EntriesPerSecond: 5, Rate: "5/s", LagSeconds: 150, Lag: "2m",
			Logs: v1alpha1.LogFigures{Followed: 1, Lagging: 1, Summary: "0/1", Worst: []v1alpha1.LogProblem{{Name: "a", Problem: "Lagging", LagSeconds: 150, LagEntries: 15000}}}}},
		"hours": {[]observe.Log{following("a", 3.5*3600)}, 0, v1alpha1.Figures{Rate: "0/s", LagSeconds: 12600, Lag: "3h",
			Logs: v1alpha1.LogFigures{Followed: 1, Lagging: 1, Summary: "0/1", Worst: []v1alpha1.LogProblem{{Name: "a", Problem: "Lagging", LagSeconds: 12600, LagEntries: 1260000}}}}},
		"days": {[]observe.Log{following("a", 3*86400+1)}, 0, v1alpha1.Figures{Rate: "0/s", LagSeconds: 259201, Lag: "3d",
			Logs: v1alpha1.LogFigures{Followed: 1, Lagging: 1, Summary: "0/1", Worst: []v1alpha1.LogProblem{{Name: "a", Problem: "Lagging", LagSeconds: 259201, LagEntries: 25920100}}}}},
	} {
		got := status.FiguresOf(observe.Report{Logs: c.logs, EntriesPerSecond: c.rate})
		c.want.ObservedTime = got.ObservedTime
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// The worst logs come in the same order whatever the order of the report.
func TestWorstLogsAreDeterministic(t *testing.T) {
	logs := []observe.Log{
		failing("Wyvern", "tls"), failing("Argon", "timeout"), following("Slow", 70), following("Slower", 500), following("Slowest", 90000),
		following("Sloth", 80), following("Good", 1),
	}
	want := status.FiguresOf(observe.Report{Logs: append([]observe.Log(nil), logs...)}).Logs.Worst
	var names []string
	for _, w := range want {
		names = append(names, w.Name)
	}
	if diff := cmp.Diff([]string{"Argon", "Wyvern", "Slowest", "Slower", "Sloth"}, names); diff != "" {
		t.Error(diff)
	}
	for range 20 {
		rand.Shuffle(len(logs), func(i, j int) { logs[i], logs[j] = logs[j], logs[i] })
		if diff := cmp.Diff(want, status.FiguresOf(observe.Report{Logs: logs}).Logs.Worst); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestSignificant(t *testing.T) {
	base := v1alpha1.Figures{EntriesPerSecond: 300, LagSeconds: 4, Clients: 10, Logs: v1alpha1.LogFigures{Followed: 64}}
	for name, c := range map[string]struct {
		from, to func(*v1alpha1.Figures)
		want     bool
	}{
		"the same":                  {nil, nil, false},
		"rate by a fifth":           {nil, func(f *v1alpha1.Figures) { f.EntriesPerSecond = 360 }, false},
		"rate by more":              {nil, func(f *v1alpha1.Figures) { f.EntriesPerSecond = 362 }, true},
		"rate down":                 {nil, func(f *v1alpha1.Figures) { f.EntriesPerSecond = 238 }, true},
		"rate to zero":              {func(f *v1alpha1.Figures) { f.EntriesPerSecond = 1 }, func(f *v1alpha1.Figures) { f.EntriesPerSecond = 0 }, true},
		"rate rounded up":           {func(f *v1alpha1.Figures) { f.EntriesPerSecond = 1 }, func(f *v1alpha1.Figures) { f.EntriesPerSecond = 2 }, false},
		"first client":              {func(f *v1alpha1.Figures) { f.Clients = 0 }, func(f *v1alpha1.Figures) { f.Clients = 1 }, true},
		"second client":             {func(f *v1alpha1.Figures) { f.Clients = 1 }, func(f *v1alpha1.Figures) { f.Clients = 2 }, true},
		"two clients more than ten": {nil, func(f *v1alpha1.Figures) { f.Clients = 12 }, false},
		"three more than ten":       {nil, func(f *v1alpha1.Figures) { f.Clients = 13 }, true},
		"lag that keeps up":         {func(f *v1alpha1.Figures) { f.LagSeconds = 0 }, func(f *v1alpha1.Figures) { f.LagSeconds = 10 }, false},
		"lag that does not":         {nil, func(f *v1alpha1.Figures) { f.LagSeconds = 14 }, true},
		"lag over a minute":         {func(f *v1alpha1.Figures) { f.LagSeconds = 58 }, func(f *v1alpha1.Figures) { f.LagSeconds = 62 }, true},
		"a log more":                {nil, func(f *v1alpha1.Figures) { f.Logs.Followed++ }, true},
		"a log lags":                {nil, func(f *v1alpha1.Figures) { f.Logs.Lagging++ }, true},
		"a log fails":               {nil, func(f *v1alpha1.Figures) { f.Logs.Failing++ }, true},
		"another log is worst":      {worst("a", "tls", 0), worst("b", "tls", 0), true},
		"it fails otherwise":        {worst("a", "tls", 0), worst("a", "timeout", 0), true},
		"it lags more":              {worst("a", "Lagging", 100), worst("a", "Lagging", 115), false},
		"a log is unverified":       {nil, func(f *v1alpha1.Figures) { f.Logs.Unverified++ }, true},
		"a log lies":                {nil, marked("a", "fork"), true},
		"it lies as before":         {marked("a", "fork"), marked("a", "fork"), false},
		"it lies otherwise":         {marked("a", "rollback"), marked("a", "fork"), true},
		"entries are kept":          {nil, kept(60, 1<<20, ""), true},
		"as many as before":         {kept(3600, 100<<20, ""), kept(3600, 100<<20, ""), false},
		"a segment goes":            {kept(3600, 160<<20, ""), kept(3375, 150<<20, ""), false},
		"a fifth more":              {kept(3600, 100<<20, ""), kept(4400, 122<<20, ""), true},
		"the disk is full":          {kept(3600, 100<<20, ""), kept(3600, 100<<20, "DiskFull"), true},
	} {
		from, to := base, base
		if c.from != nil {
			c.from(&from)
			c.from(&to)
		}
		if c.to != nil {
			c.to(&to)
		}
		if got := status.Significant(from, to); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// marked is a log that has lied.
func marked(name, kind string) func(*v1alpha1.Figures) {
	return func(f *v1alpha1.Figures) {
		f.Logs.Misbehaved, f.Logs.Misbehaviour = 1, []v1alpha1.LogMisbehaviour{{Name: name, Kind: kind}}
	}
}

// kept is what is on the volume.
func kept(seconds, bytes int64, problem string) func(*v1alpha1.Figures) {
	return func(f *v1alpha1.Figures) {
		f.Retention = &v1alpha1.RetentionFigures{Seconds: seconds, Bytes: bytes, MaxBytes: 1 << 30, Problem: problem}
	}
}

func worst(name, problem string, lag int64) func(*v1alpha1.Figures) {
	return func(f *v1alpha1.Figures) {
		f.Logs.Worst = []v1alpha1.LogProblem{{Name: name, Problem: problem, LagSeconds: lag}}
	}
}

// wander is a report whose figures are around those given, by at most so much of each.
func wander(t *rapid.T, rate, lag, clients, by float64) *observe.Report {
	around := func(v float64, label string) float64 { return v * rapid.Float64Range(1-by, 1+by).Draw(t, label) }
	r := goodReport()
	r.EntriesPerSecond, r.Clients = around(rate, "rate"), int64(around(clients, "clients"))
	r.Logs = []observe.Log{following("a", around(lag, "lag")), following("b", 1)}
	return r
}

// Figures that wander by 8 % around any value never change a status, but for numbers of clients so small that one more is more
// than a fifth, and lags around the minute at which a log lags.
func TestWanderingFiguresChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Float64Range(0, 5000).Draw(t, "around rate")
		lag := rapid.OneOf(rapid.Float64Range(0, 55), rapid.Float64Range(66, 1e5)).Draw(t, "around lag")
		clients := rapid.Float64Range(50, 10000).Draw(t, "around clients")
		o := observed(func(o *status.Observed) { o.Report = wander(t, rate, lag, clients, 0.08) })
		published := status.Compute(o, v1alpha1.CertStreamStatus{})
		for i := range 10 {
			o.Report = wander(t, rate, lag, clients, 0.08)
			o.Now = noon.Add(time.Duration(i+2) * time.Minute)
			o.Report.At = o.Now
			if diff := cmp.Diff(published, status.Compute(o, published)); diff != "" {
				t.Fatalf("the status changed:\n%s", diff)
			}
		}
	})
}

// Figures that change a lot change a status once a minute at most.
func TestFiguresChangeAtMostOnceAMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		current, changes := v1alpha1.CertStreamStatus{}, 0
		for second := 0; second < 600; second += 20 {
			o := observed(func(o *status.Observed) { o.Report = wander(t, 300, 40, 20, 0.5) })
			if rapid.Bool().Draw(t, "fails") {
				o.Report.Logs[1] = failing("b", "timeout")
			}
			o.Now = noon.Add(time.Duration(second) * time.Second)
			o.Report.At = o.Now
			next := status.Compute(o, current)
			if !cmp.Equal(current, next) {
				changes++
			}
			current = next
		}
		if changes > 10 {
			t.Fatalf("%d changes in ten minutes", changes)
		}
	})
}

// That no log answers any more, or that one does again, is told at once.
func TestIngestionTurnsAtOnce(t *testing.T) {
	before := status.Compute(observed(), v1alpha1.CertStreamStatus{})
	o := observed(reported(func(r *observe.Report) { r.Logs = []observe.Log{failing("a", "network")} }))
	o.Now = noon.Add(time.Second)
	down := status.Compute(o, before)
	if down.Figures.Logs.Failing != 1 {
		t.Errorf("figures %+v", down.Figures)
	}
	o = observed()
	o.Now = noon.Add(2 * time.Second)
	if up := status.Compute(o, down); up.Figures.Logs.Failing != 0 {
		t.Errorf("figures %+v", up.Figures)
	}
}

// Figures of a streamer that has just started mean nothing, and those of its forerunner stay.
func TestFiguresSettle(t *testing.T) {
	young := observed(reported(func(r *observe.Report) { r.Uptime, r.EntriesPerSecond = 9*time.Second, 0 }))
	first := status.Compute(young, v1alpha1.CertStreamStatus{})
	if first.Figures != nil {
		t.Errorf("figures %+v", first.Figures)
	}
	old := observed(reported(func(r *observe.Report) { r.Uptime = 10 * time.Second }))
	old.Now = noon.Add(time.Second)
	settled := status.Compute(old, first)
	if settled.Figures == nil || settled.Figures.Rate != "312/s" {
		t.Errorf("figures %+v", settled.Figures)
	}
	young.Now = noon.Add(time.Hour)
	if diff := cmp.Diff(settled.Figures, status.Compute(young, settled).Figures); diff != "" {
		t.Error(diff)
	}
}

// A clock that was set back does not keep figures from being renewed.
func TestFiguresWhenTimeRunsBackwards(t *testing.T) {
	before := status.Compute(observed(), v1alpha1.CertStreamStatus{})
	o := observed(reported(func(r *observe.Report) { r.Clients = 99 }))
	if got := status.Compute(o, before); got.Figures.Clients == 99 {
		t.Error("figures were renewed within the minute")
	}
	o.Now = noon.Add(-time.Hour)
	if got := status.Compute(o, before); got.Figures.Clients != 99 {
		t.Errorf("figures %+v", got.Figures)
	}
}

// Figures of a pod that cannot be read stay; those of one that is gone do not.
func TestFiguresWithoutAReport(t *testing.T) {
	before := status.Compute(observed(), v1alpha1.CertStreamStatus{})
	unreadable := status.Compute(observed(reported(func(r *observe.Report) { r.Err, r.Clients = observe.TimedOut, 99 })), before)
	if diff := cmp.Diff(before.Figures, unreadable.Figures); diff != "" {
		t.Error(diff)
	}
	if gone := status.Compute(observed(noPod()), before); gone.Figures != nil || gone.Version != "" || gone.Config.RunningHash != "" {
		t.Errorf("without a pod: figures %v, version %q, running %q", gone.Figures, gone.Version, gone.Config.RunningHash)
	}
}
