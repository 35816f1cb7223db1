package controllers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

func TestProblemsIn(t *testing.T) {
	lost := errors.New("connection lost")
	err := errors.Join(
		waiting("VolumePending", "soon"),
		errors.Join(nil, lost, fmt.Errorf("phase: %w", stalled("SecretNotFound", "create %s", "it"))),
	)
	problems, after := problemsIn(err)
	var reasons []string
	for _, p := range problems {
		reasons = append(reasons, fmt.Sprint(p.Reason, " ", p.Stalled, " ", p.Message))
	}
	want := []string{"SecretNotFound true create it", "VolumePending false soon"}
	if d := cmp.Diff(want, reasons); d != "" {
		t.Errorf("the stalled come first: %s", d)
	}
	if after != retryWaiting {
		t.Errorf("looked at again after %s, want the sooner of both", after)
	}
	if got := transientIn(err); !errors.Is(got, lost) || strings.Contains(got.Error(), "create") {
		t.Errorf("transient is %v, want only what may pass", got)
	}
	if problems, after := problemsIn(nil); problems != nil || after != 0 || transientIn(nil) != nil {
		t.Error("no error has no problem")
	}
}

func TestRefusal(t *testing.T) {
	pods := schema.GroupResource{Resource: "things"}
	deployment := appsv1.SchemeGroupVersion.WithKind("Deployment")
	claim := corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim")
	for name, test := range map[string]struct {
		kind   schema.GroupVersionKind
		err    error
		reason string // empty: transient
	}{
		"quota":      {deployment, apierrors.NewForbidden(pods, "x", errors.New("exceeded quota: small")), v1alpha1.ReasonQuotaExceeded},
		"no right":   {deployment, apierrors.NewForbidden(pods, "x", errors.New(`User "x" cannot patch resource`)), v1alpha1.ReasonForbidden},
		"resize":     {claim, apierrors.NewForbidden(pods, "x", errors.New("the storageclass must support resize")), v1alpha1.ReasonVolumeResizeRefused},
		"admission":  {deployment, apierrors.NewForbidden(pods, "x", errors.New("no latest tags here")), v1alpha1.ReasonRefused},
		"class":      {claim, apierrors.NewInvalid(claim.GroupKind(), "x", nil), v1alpha1.ReasonRefused},
		"limit":      {claim, apierrors.NewForbidden(pods, "x", errors.New("maximum storage usage is 1Gi")), v1alpha1.ReasonRefused},
		"invalid":    {deployment, apierrors.NewInvalid(deployment.GroupKind(), "x", nil), v1alpha1.ReasonRefused},
		"conflict":   {deployment, apierrors.NewConflict(pods, "x", errors.New("changed")), ""},
		"time-out":   {deployment, apierrors.NewTimeoutError("slow", 1), ""},
		"throttling": {deployment, apierrors.NewTooManyRequests("slow down", 1), ""},
	} {
		problems, after := problemsIn(refusal(test.kind, "certstream-main", test.err))
		if test.reason == "" {
			if len(problems) > 0 {
				t.Errorf("%s: %v, want a retry", name, problems)
			}
			continue
		}
		if len(problems) != 1 || problems[0].Reason != test.reason || !problems[0].Stalled || after < time.Second {
			t.Errorf("%s: %v again after %s, want %s", name, problems, after, test.reason)
			continue
		}
		if !strings.Contains(problems[0].Message, "certstream-main") {
			t.Errorf("%s: the message does not name the object: %s", name, problems[0].Message)
		}
	}
}

func TestPlain(t *testing.T) {
	things := schema.GroupResource{Resource: "things"}
	refused := &net.OpError{Op: "dial", Err: errors.New("10.0.0.1:45123->10.96.0.1:443: connection refused")}
	for want, err := range map[string]error{
		"applying Deployment a: somebody else changed it at the same time": fmt.Errorf("applying Deployment a: %w", apierrors.NewConflict(things, "x", errors.New("1"))),
		"applying Service a: the API server answers InternalError":         fmt.Errorf("applying Service a: %w", apierrors.NewInternalError(errors.New("rpc"))),
		"reading Service a: the API server cannot be reached":              fmt.Errorf("reading Service a: %w", refused),
		"reading Service a: the API server, or an admission webhook, takes too long; looking for advice: the request failed; the operator's log says how": errors.Join(
			fmt.Errorf("reading Service a: %w", context.DeadlineExceeded), errors.New("looking for advice: 42")),
	} {
		if got := plain(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestShort(t *testing.T) {
	long := short(errors.New(strings.Repeat("ü", 2000)))
	if len(long) > 520 || !strings.HasSuffix(long, "…") || strings.ContainsRune(long, '�') {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}
