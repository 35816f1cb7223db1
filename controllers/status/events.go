package status

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// Event is what to tell of a change.
type Event struct{ Type, Reason, Message, Action string }

// Events tells of conditions whose status or reason changed. What several of them say in the same words is told once; that
// things are not known yet, and that all is well from the beginning, is not worth telling.
func Events(before, after v1alpha1.CertStreamStatus) []Event {
	var all []Event
	told := make(map[Event]bool)
	for i := range after.Conditions {
		c := &after.Conditions[i]
		isCaught := c.Reason == v1alpha1.ReasonLogMisbehaved && anotherCaught(before, after)
		if !isCaught && !worthTelling(meta.FindStatusCondition(before.Conditions, c.Type), c) {
			continue
		}
		e := Event{Type: EventType(c.Reason), Reason: c.Reason, Message: c.Message}
		switch c.Type {
		case v1alpha1.ConditionStalled:
			e.Type = corev1.EventTypeWarning
		case v1alpha1.ConditionMonitored: // all works without
			e.Type = corev1.EventTypeNormal
		}
		if !told[e] {
			told[e] = true
			e.Action = action(c.Type)
			all = append(all, e)
		}
	}
	if meta.IsStatusConditionTrue(before.Conditions, v1alpha1.ConditionSuspended) &&
		!meta.IsStatusConditionTrue(after.Conditions, v1alpha1.ConditionSuspended) {
		all = append(all, Event{
			Type: EventType(v1alpha1.ReasonResumed), Reason: v1alpha1.ReasonResumed, Action: action(v1alpha1.ConditionSuspended),
			Message: "The spec is applied again",
		})
	}
	return all
}

// anotherCaught says whether a log has lied that was not known to have.
func anotherCaught(before, after v1alpha1.CertStreamStatus) bool {
	if before.Figures == nil || after.Figures == nil {
		return false
	}
	known := before.Figures.Logs.Misbehaviour
	return slices.ContainsFunc(after.Figures.Logs.Misbehaviour, func(m v1alpha1.LogMisbehaviour) bool {
		return !slices.ContainsFunc(known, func(k v1alpha1.LogMisbehaviour) bool { return k.Name == m.Name && k.Kind == m.Kind })
	})
}

// isPromise says whether a condition is about what is found in the stream, and not about the stream's coming up.
func isPromise(kind string) bool {
	return kind == v1alpha1.ConditionLogsConsistent || kind == v1alpha1.ConditionRetaining
}

func worthTelling(before, c *metav1.Condition) bool {
	isSeen := seen(before)
	switch {
	case isPromise(c.Type) && c.Status == metav1.ConditionTrue && isSeen && before.Status == metav1.ConditionUnknown:
		return false // as expected
	case isSeen && before.Status == c.Status && before.Reason == c.Reason:
		return false
	case c.Type == v1alpha1.ConditionReconciling: // Ready says the same
		return false
	case c.Type == v1alpha1.ConditionReady && c.Reason == v1alpha1.ReasonSuspended: // Suspended says the same
		return false
	case c.Type == v1alpha1.ConditionReady && isSeen && before.Status == c.Status && before.Reason == v1alpha1.ReasonSuspended:
		return false // and Resumed this
	case c.Type == v1alpha1.ConditionSuspended, c.Type == v1alpha1.ConditionStalled:
		return true
	case c.Status == metav1.ConditionUnknown:
		return c.Reason == v1alpha1.ReasonStatusUnreadable
	case !isSeen:
		return EventType(c.Reason) == corev1.EventTypeWarning
	}
	return true
}

// action is what the operator was about when a condition changed.
func action(kind string) string {
	switch kind {
	case v1alpha1.ConditionConfigurationReloaded:
		return "Reload"
	case v1alpha1.ConditionIngesting:
		return "Ingest"
	case v1alpha1.ConditionLogsConsistent:
		return "Verify"
	case v1alpha1.ConditionRetaining:
		return "Retain"
	case v1alpha1.ConditionNoWarnings:
		return "Advise"
	case v1alpha1.ConditionMonitored:
		return "Monitor"
	case v1alpha1.ConditionSuspended:
		return "Suspend"
	}
	return "Reconcile"
}

// EventType is the type of an event with one of v1alpha1's reasons: Normal for good news and for what comes by itself, Warning
// for what somebody should look at.
func EventType(reason string) string {
	switch reason {
	case v1alpha1.ReasonReady, v1alpha1.ReasonPodReady, v1alpha1.ReasonReloaded, v1alpha1.ReasonLogsFollowed,
		v1alpha1.ReasonNoWarnings, v1alpha1.ReasonMonitorCreated, v1alpha1.ReasonSuspended, v1alpha1.ReasonResumed,
		v1alpha1.ReasonApplied, v1alpha1.ReasonPruned, v1alpha1.ReasonProgressing, v1alpha1.ReasonReloadRequested,
		v1alpha1.ReasonPending, v1alpha1.ReasonPodPending, v1alpha1.ReasonPodNotReady, v1alpha1.ReasonPodStopping, v1alpha1.ReasonNoPod,
		v1alpha1.ReasonReloadPending, v1alpha1.ReasonRestartPending, v1alpha1.ReasonStarting,
		v1alpha1.ReasonVolumeResizing, v1alpha1.ReasonVolumePending, v1alpha1.ReasonCertificatePending,
		v1alpha1.ReasonLogsLagging, v1alpha1.ReasonLogsConsistent, v1alpha1.ReasonVerificationOff, v1alpha1.ReasonUnverified,
		v1alpha1.ReasonRetaining:
		return corev1.EventTypeNormal
	}
	return corev1.EventTypeWarning
}
