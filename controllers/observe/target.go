package observe

import (
	"container/heap"
	"errors"
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

// backOffFrom is how soon a pod that failed is asked again; twice as late after each further failure.
const backOffFrom = 250 * time.Millisecond

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
	// last is the last failure, nil after an answer; backOff the time to the next question after it.
	last    error
	backOff time.Duration
	// reserved says that it is asked in the failed ones' part of the workers.
	reserved bool
	// due is when it is asked next; index its place in the queue, counted from 1: 0 while it is asked.
	due   time.Time
	index int
}

// take keeps an answer, or a failure once there were enough of them, and says whether it is news.
func (t *target) take(report *Report, err error, now time.Time) bool {
	before := t.report
	t.last = err
	switch {
	case err == nil:
		t.failures, t.backOff = 0, 0
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
	every, awaited := t.awaits(now)
	switch {
	case t.last != nil:
		t.backOff = min(max(2*t.backOff, backOffFrom), interval)
		if awaited && errors.Is(t.last, Refused) { // it starts, and to ask it takes no time
			return min(t.backOff, keenEvery)
		}
		return t.backOff
	case awaited:
		return min(every, interval)
	case t.report != nil && t.report.Settling():
		return min(max(settleFor-t.report.Uptime, eagerEvery), interval)
	}
	return interval
}

// awaits says whether the pod should come to run a configuration, and how often it is asked for that.
func (t *target) awaits(now time.Time) (time.Duration, bool) {
	if t.WantHash == "" || t.report != nil && t.report.Err == nil && t.report.ConfigHash == t.WantHash {
		return 0, false
	}
	switch since := now.Sub(t.wanted); {
	case since < eagerFor:
		return eagerEvery, true
	case since < keenFor:
		return keenEvery, true
	}
	return 0, false
}

// publishIn is the time until figures alone may change the status again; 0 is now. A clock that was set back waits for nothing.
func (t *target) publishIn(now time.Time) time.Duration {
	age := now.Sub(t.Published.ObservedTime.Time)
	if age < 0 || age >= publishEvery {
		return 0
	}
	return publishEvery - age
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
