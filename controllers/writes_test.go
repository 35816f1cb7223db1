package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func TestWrites(t *testing.T) {
	var w writes
	main := types.NamespacedName{Namespace: "certs", Name: "main"}
	pod := func(version string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: version}}
	}
	if w.isStale(main, writtenPod, pod("9")) {
		t.Error("nothing was written, and yet it is stale")
	}
	w.record(main, writtenPod, pod("10"))
	if !w.isStale(main, writtenPod, pod("9")) {
		t.Error("version 9 after 10 was written is not stale")
	}
	if w.isStale(main, writtenStatus, pod("9")) {
		t.Error("another object's version counts")
	}
	if w.isStale(main, writtenPod, pod("10")) {
		t.Error("the version that was written is stale")
	}
	w.record(main, writtenPod, pod("12"))
	w.forget(main)
	if w.isStale(main, writtenPod, pod("9")) || len(w.versions) != 0 {
		t.Error("what is gone is remembered")
	}
}

func TestFailures(t *testing.T) {
	var f failures
	main := types.NamespacedName{Namespace: "certs", Name: "main"}
	for i, step := range []struct{ failed, again bool }{{true, false}, {true, true}, {true, true}, {false, false}, {true, false}} {
		if got := f.again(main, step.failed); got != step.again {
			t.Errorf("step %d: again is %v", i, got)
		}
	}
	f.again(main, false)
	if len(f.failed) != 0 {
		t.Error("what works is remembered")
	}
}
