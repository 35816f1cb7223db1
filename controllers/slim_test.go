package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/google/go-cmp/cmp"
)

func TestSlim(t *testing.T) {
	in := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "a", Annotations: map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "b": "c"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}},
		},
		Spec: corev1.PodSpec{
			NodeName: "n", Containers: []corev1.Container{{Name: "streamer", Image: "i", TerminationMessagePolicy: "File", Args: []string{"serve"}}},
		},
		Status: corev1.PodStatus{PodIP: "10.0.0.1"},
	}
	got, err := slim(in)
	if err != nil {
		t.Fatal(err)
	}
	want := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Annotations: map[string]string{"b": "c"}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "streamer", Image: "i", TerminationMessagePolicy: "File"}}},
		Status:     corev1.PodStatus{PodIP: "10.0.0.1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got, err := slim("deleted"); got != "deleted" || err != nil {
		t.Errorf("what is no object became %v (%v)", got, err)
	}
}
