package status

import (
	"slices"
	"time"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
)

// publishEvery is how often figures alone may change a status.
const publishEvery = time.Minute

// keepsUp is the lag in seconds below which nothing matters.
const keepsUp = 10

// SignificantReport says whether a report differs enough from what is published.
func SignificantReport(published v1alpha1.Figures, now observe.Report) bool {
	return Significant(published, FiguresOf(now))
}

// Significant says whether figures differ enough from those published: by more than a fifth, by becoming zero or not, by how
// many logs lag or fail, by which are the worst, by what is amiss. Figures that wander by less than a twelfth never do.
func Significant(published, now v1alpha1.Figures) bool {
	a, b := published.Logs, now.Logs
	return a.Followed != b.Followed || a.Lagging != b.Lagging || a.Failing != b.Failing || !sameProblems(a.Worst, b.Worst) ||
		(published.LagSeconds > laggingAfter) != (now.LagSeconds > laggingAfter) ||
		differ(max(published.LagSeconds, keepsUp), max(now.LagSeconds, keepsUp), 1) ||
		differ(published.EntriesPerSecond, now.EntriesPerSecond, 1) ||
		differ(published.Clients, now.Clients, 0) ||
		a.Unverified != b.Unverified || !sameMarks(a, b) || retentionDiffers(published.Retention, now.Retention)
}

// retentionDiffers says whether what is kept differs enough: by what is amiss, by the bytes it may take, by a fifth.
func retentionDiffers(a, b *v1alpha1.RetentionFigures) bool {
	return !sameRetention(a, b) || a != nil && (differ(max(a.Seconds, keepsUp), max(b.Seconds, keepsUp), 1) || differ(a.Bytes, b.Bytes, 1<<20))
}

// sameRetention says whether as much is amiss, and as much may be kept.
func sameRetention(a, b *v1alpha1.RetentionFigures) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Problem == b.Problem && a.CorruptSegments == b.CorruptSegments && a.MaxBytes == b.MaxBytes
}

// sameMarks says whether the same logs have lied.
func sameMarks(a, b v1alpha1.LogFigures) bool {
	return a.Misbehaved == b.Misbehaved && slices.EqualFunc(a.Misbehaviour, b.Misbehaviour, func(x, y v1alpha1.LogMisbehaviour) bool {
		return x.Name == y.Name && x.Kind == y.Kind
	})
}

// differ says whether a figure changed by more than a fifth and what rounding may add, or from or to zero.
func differ(before, now, rounding int64) bool {
	if (before == 0) != (now == 0) {
		return true
	}
	return 5*(max(before, now)-min(before, now)-rounding) > before
}

func sameProblems(a, b []v1alpha1.LogProblem) bool {
	return slices.EqualFunc(a, b, func(x, y v1alpha1.LogProblem) bool { return x.Name == y.Name && x.Problem == y.Problem })
}

// turned says whether ingestion or retention began or ended, or a log was caught. That is published at once.
func turned(before, now v1alpha1.Figures) bool {
	return flows(before.Logs) != flows(now.Logs) || !sameMarks(before.Logs, now.Logs) || !sameRetention(before.Retention, now.Retention)
}

func flows(f v1alpha1.LogFigures) bool { return f.Failing < f.Followed }
