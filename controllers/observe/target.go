package observe

import (
	"container/heap"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// A pod that should come to run a configuration is asked often at first.
const (
	eagerFor, eagerEvery = 5 * time.Second, 100 * time.Millisecond
	keenFor, keenEvery   = 2 * time.Minute, time.Second
)

// publishEvery is how often figures alone may change a status.
const publishEvery = time.Minute

// giveUp is how many failures in a row make a pod unreadable.
const giveUp = 2

// target is a pod that is asked. It is guarded by the prober's mutex.
type target struct {
	Target
	key types.NamespacedName
	// wanted is since when WantHash is.
	wanted time.Time
	// report is what is known; nil before the first answer, or the second failure.
	report   *Report
	failures int
	// due is when it is asked next; index its place in the queue, counted from 1: 0 while it is asked.
	due   time.Time
	index int
}

// take keeps an answer, or a failure once there were enough of them, and says whether it is news.
func (t *target) take(report *Report, err error, now time.Time) bool {
	before := t.report
	switch {
	case err == nil:
		t.failures = 0
		t.report = report
		t.report.PodUID, t.report.At = t.PodUID, now
	case t.failures+1 < giveUp:
		t.failures++
		return false
	default:
		t.failures++
		t.report = &Report{PodUID: t.PodUID, At: now}
		if before != nil {
			*t.report = *before
		}
		t.report.Err = err
	}
	return before == nil || !before.sameNews(t.report)
}

// delay is the time to the next question.
func (t *target) delay(now time.Time, interval time.Duration) time.Duration {
	if t.WantHash != "" && (t.report == nil || t.report.Err != nil || t.report.ConfigHash != t.WantHash) {
		switch since := now.Sub(t.wanted); {
		case since < eagerFor:
			return min(eagerEvery, interval)
		case since < keenFor:
			return min(keenEvery, interval)
		}
	}
	if t.failures > 0 && t.failures < giveUp {
		return min(keenEvery, interval)
	}
	return interval
}

// queue holds the targets that wait, the next one first.
type queue []*target

// Len is for container/heap, as are Less, Swap, Push and Pop.
func (q *queue) Len() int           { return len(*q) }
func (q *queue) Less(i, j int) bool { return (*q)[i].due.Before((*q)[j].due) }

// Swap swaps two.
func (q *queue) Swap(i, j int) {
	s := *q
	s[i], s[j] = s[j], s[i]
	s[i].index, s[j].index = i+1, j+1
}

// Push appends.
func (q *queue) Push(x any) {
	t := x.(*target)
	*q = append(*q, t)
	t.index = len(*q)
}

// Pop takes the last.
func (q *queue) Pop() any {
	s := *q
	t := s[len(s)-1]
	s[len(s)-1] = nil
	*q = s[:len(s)-1]
	t.index = 0
	return t
}

func (q *queue) add(t *target) {
	if t.index == 0 {
		heap.Push(q, t)
	}
}

func (q *queue) remove(t *target) {
	if t.index > 0 {
		heap.Remove(q, t.index-1)
	}
}

// move has a target asked at another time; one that is being asked is asked again at that time, or later.
func (q *queue) move(t *target, due time.Time) {
	t.due = due
	if t.index > 0 {
		heap.Fix(q, t.index-1)
	}
}
