package status

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
)

const (
	// laggingAfter is the lag from which a log lags.
	laggingAfter = 60
	// maxWorst is how many logs are named.
	maxWorst = 5
	// problemLagging is what is amiss with a log that answers and lags.
	problemLagging = "Lagging"
)

// FiguresOf sums up a report.
func FiguresOf(r observe.Report) v1alpha1.Figures {
	f := v1alpha1.Figures{
		ObservedTime:     metav1.NewTime(r.At.Truncate(time.Second)),
		EntriesPerSecond: int64(math.Ceil(r.EntriesPerSecond)),
		Clients:          r.Clients,
		Retention:        retentionOf(r.Retention),
	}
	var worst []observe.Log
	lag := 0.0
	for _, l := range r.Logs {
		f.Logs.Followed++
		if l.Unverified && l.Misbehaviour == nil {
			f.Logs.Unverified++
		}
		switch {
		case l.Failing:
			f.Logs.Failing++
			worst = append(worst, l)
			continue
		case l.LagSeconds > laggingAfter:
			f.Logs.Lagging++
			worst = append(worst, l)
		}
		lag = max(lag, l.LagSeconds)
	}
	f.LagSeconds = int64(math.Round(lag))
	f.Rate = fmt.Sprintf("%d/s", f.EntriesPerSecond)
	if flows(f.Logs) {
		f.Lag = span(f.LagSeconds)
	}
	f.Logs.Summary = fmt.Sprintf("%d/%d", f.Logs.Followed-f.Logs.Failing-f.Logs.Lagging, f.Logs.Followed)
	f.Logs.Worst = worstOf(worst)
	f.Logs.Misbehaved, f.Logs.Misbehaviour = caught(r.Logs)
	return f
}

// caught are the logs that have lied: how many, and the first of them, those caught last before the others.
func caught(logs []observe.Log) (count int32, first []v1alpha1.LogMisbehaviour) {
	for _, l := range logs {
		if m := l.Misbehaviour; m != nil {
			first = append(first, v1alpha1.LogMisbehaviour{
				Name: l.Name, Kind: m.Kind, Since: metav1.NewTime(m.Since.UTC().Truncate(time.Second)), Evidence: m.Evidence,
			})
		}
	}
	slices.SortFunc(first, func(a, b v1alpha1.LogMisbehaviour) int {
		return cmp.Or(b.Since.Compare(a.Since.Time), strings.Compare(a.Name, b.Name))
	})
	return int32(len(first)), first[:min(len(first), maxWorst)]
}

func retentionOf(r *observe.Retention) *v1alpha1.RetentionFigures {
	if r == nil {
		return nil
	}
	f := &v1alpha1.RetentionFigures{
		Seconds: int64(math.Round(r.Seconds)), Bytes: r.Bytes, MaxBytes: r.MaxBytes, CorruptSegments: r.Aside,
	}
	f.Span = span(f.Seconds)
	switch {
	case r.Full:
		f.Problem = v1alpha1.ReasonDiskFull
	case r.Failing:
		f.Problem = v1alpha1.ReasonRetentionFailing
	}
	return f
}

// worstOf names the worst: those that fail, then those that lag most. Lags of about the same length count as equal, lest the
// five change places all the time.
func worstOf(logs []observe.Log) []v1alpha1.LogProblem {
	slices.SortStableFunc(logs, func(a, b observe.Log) int {
		return cmp.Or(-compareBool(a.Failing, b.Failing), -cmp.Compare(magnitude(a), magnitude(b)), strings.Compare(a.Name, b.Name))
	})
	var worst []v1alpha1.LogProblem
	for _, l := range logs[:min(len(logs), maxWorst)] {
		p := v1alpha1.LogProblem{
			Name: l.Name, Problem: problemLagging,
			LagSeconds: int64(math.Round(l.LagSeconds)), LagEntries: int64(min(l.LagEntries, math.MaxInt64)),
		}
		if l.Failing {
			p.Problem = cmp.Or(l.ErrorKind, "error")
		}
		worst = append(worst, p)
	}
	return worst
}

// magnitude is about how long a log lags; those that fail are all alike.
func magnitude(l observe.Log) int {
	if l.Failing {
		return 0
	}
	return bits.Len64(uint64(l.LagSeconds) / laggingAfter)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// span is a time to be read by people, in its largest unit that is not too coarse.
func span(seconds int64) string {
	switch {
	case seconds < 120:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%dm", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%dh", seconds/3600)
	}
	return fmt.Sprintf("%dd", seconds/86400)
}

// published are the figures to publish: those that are, unless it is time for new ones.
func (v *view) published() *v1alpha1.Figures {
	before := v.previous.Figures
	switch {
	case len(v.ready) == 0:
		return nil
	case !v.readable() || v.report.Settling():
		return before.DeepCopy()
	}
	now := FiguresOf(*v.report)
	if before == nil || turned(*before, now) || Significant(*before, now) && isOld(before, v.Now) {
		return &now
	}
	return before.DeepCopy()
}

// isOld says whether figures may be renewed. A clock that was set back waits for nothing.
func isOld(f *v1alpha1.Figures, now time.Time) bool {
	age := now.Sub(f.ObservedTime.Time)
	return age < 0 || age >= publishEvery
}

// logs are the figures of the logs to judge: those published, or what the pod says before it is time to publish any.
func (v *view) logs() (v1alpha1.LogFigures, bool) {
	switch {
	case v.readable() && (v.figures == nil || v.report.Settling()):
		return FiguresOf(*v.report).Logs, true
	case v.figures != nil:
		return v.figures.Logs, true
	}
	return v1alpha1.LogFigures{}, false
}
