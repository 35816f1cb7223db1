package controllers

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
)

// slim is what the cache keeps of an object. The operator never writes a cached object back, so that what it does not read may
// be left out: who owns which field, what `kubectl apply` remembers, and most of a pod's spec.
func slim(in any) (any, error) {
	o, err := meta.Accessor(in)
	if err != nil {
		return in, nil // a marker of a deleted object
	}
	o.SetManagedFields(nil)
	delete(o.GetAnnotations(), corev1.LastAppliedConfigAnnotation)
	if pod, ok := in.(*corev1.Pod); ok {
		pod.Spec = corev1.PodSpec{InitContainers: outlines(pod.Spec.InitContainers), Containers: outlines(pod.Spec.Containers)}
	}
	return in, nil
}

// outlines are containers of which only what the status tells, and how it is told, is left.
func outlines(containers []corev1.Container) []corev1.Container {
	var all []corev1.Container
	for _, c := range containers {
		all = append(all, corev1.Container{Name: c.Name, Image: c.Image, TerminationMessagePolicy: c.TerminationMessagePolicy})
	}
	return all
}
