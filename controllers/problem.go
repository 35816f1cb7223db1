package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/status"
)

// There are three kinds of errors. A stalled one waits for somebody to act, a waiting one for something that comes by itself;
// both end in the status and are looked at again after a while. All others are transient: they are retried with growing waits.
type phaseError struct {
	status.Problem
	after time.Duration
}

// Error is the message alone: it is written for people.
func (e *phaseError) Error() string { return e.Message }

// How soon a problem is looked at again, should no event tell that its cause is gone.
const (
	retryStalled = 30 * time.Second
	retryWaiting = 5 * time.Second
)

// stalled says that somebody must act.
func stalled(reason, format string, args ...any) error {
	p := status.Problem{Stalled: true, Reason: reason, Message: fmt.Sprintf(format, args...)}
	return &phaseError{Problem: p, after: retryStalled}
}

// waiting says that what is missing comes by itself.
func waiting(reason, format string, args ...any) error {
	return &phaseError{Problem: status.Problem{Reason: reason, Message: fmt.Sprintf(format, args...)}, after: retryWaiting}
}

// problemsIn are the stalled and waiting errors in a tree of joined errors, the stalled first, and the soonest look at any.
func problemsIn(err error) (problems []status.Problem, after time.Duration) {
	for _, e := range leaves(err) {
		var p *phaseError
		if !errors.As(e, &p) {
			continue
		}
		problems = append(problems, p.Problem)
		if after == 0 || p.after < after {
			after = p.after
		}
	}
	slices.SortStableFunc(problems, func(a, b status.Problem) int {
		switch {
		case a.Stalled == b.Stalled:
			return 0
		case a.Stalled:
			return -1
		}
		return 1
	})
	return problems, after
}

// transientIn are the errors that are neither stalled nor waiting.
func transientIn(err error) error {
	var transient []error
	for _, e := range leaves(err) {
		var p *phaseError
		if !errors.As(e, &p) {
			transient = append(transient, e)
		}
	}
	return errors.Join(transient...)
}

// leaves are the errors that were joined.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, leaves(e)...)
		}
		return all
	}
	return []error{err}
}

// isTimeout says whether an error is that something took too long.
func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err)
}

// plain are the errors in words that stay the same from one try to the next: what was being done, and the kind of failure. The
// texts of the transport name addresses and ports.
func plain(err error) string {
	var all []string
	for _, e := range leaves(err) {
		doing, _, _ := strings.Cut(e.Error(), ": ")
		all = append(all, doing+": "+failure(e))
	}
	return joined(all)
}

// failure is the kind of a failure.
func failure(err error) string {
	var netErr net.Error
	reason := apierrors.ReasonForError(err)
	switch {
	case isTimeout(err):
		return "the API server, or an admission webhook, takes too long"
	case apierrors.IsForbidden(err):
		return "the operator lacks the right: grant it the role of its manifests"
	case apierrors.IsConflict(err):
		return "somebody else changed it at the same time"
	case apierrors.IsTooManyRequests(err):
		return "the API server asks for fewer requests"
	case reason != metav1.StatusReasonUnknown:
		return "the API server answers " + string(reason)
	case errors.As(err, &netErr):
		return "the API server cannot be reached"
	}
	return "the request failed; the operator's log says how"
}

// refusal sorts what the API server said to an object: what only a person can mend is stalled.
func refusal(kind schema.GroupVersionKind, name string, err error) error {
	what := kind.Kind + " " + name
	switch {
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota"):
		return stalled(v1alpha1.ReasonQuotaExceeded,
			"%s does not fit into the namespace's quota: raise it, or lower spec.podTemplate.resources or spec.state.volume.size: %s",
			what, short(err))
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return waiting(v1alpha1.ReasonProgressing, "the namespace is being deleted: %s is not made any more", what)
	case apierrors.IsForbidden(err) && kind.Kind == "PersistentVolumeClaim" && strings.Contains(err.Error(), "resize"):
		return stalled(v1alpha1.ReasonVolumeResizeRefused,
			"%s cannot be changed; if its storage class does not allow it to grow, undo the change of spec.state.volume.size: %s",
			what, short(err))
	case apierrors.IsInvalid(err) && kind.Kind == "PersistentVolumeClaim":
		return stalled(v1alpha1.ReasonRefused,
			"%s keeps its class and access mode: undo the change in spec.state.volume; or, where nothing is on it yet, delete the "+
				"claim and it is made anew: %s",
			what, short(err))
	case apierrors.IsForbidden(err) && !strings.Contains(err.Error(), " cannot "):
		return stalled(v1alpha1.ReasonRefused,
			"an admission rule refuses %s: correct the field of the spec that it comes from, or the rule: %s",
			what, short(err))
	case apierrors.IsForbidden(err):
		return stalled(v1alpha1.ReasonForbidden,
			"the operator may not write %s: grant it the role of its manifests: %s",
			what, short(err))
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return stalled(v1alpha1.ReasonRefused,
			"the API server refuses %s: correct the field of the spec that it comes from: %s",
			what, short(err))
	}
	return fmt.Errorf("applying %s: %w", what, err)
}

// short is an error's text without what would flood a status.
func short(err error) string { return cut(err.Error(), 512) }
