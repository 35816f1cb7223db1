package controllers

import (
	"errors"
	"fmt"
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
		"no right":   {deployment, apierrors.NewForbidden(pods, "x", errors.New("cannot patch")), v1alpha1.ReasonForbidden},
		"resize":     {claim, apierrors.NewForbidden(pods, "x", errors.New("only dynamically provisioned")), v1alpha1.ReasonVolumeResizeRefused},
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

func TestShort(t *testing.T) {
	long := short(errors.New(strings.Repeat("ü", 2000)))
	if len(long) > 520 || !strings.HasSuffix(long, "…") || strings.ContainsRune(long, '�') {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}
