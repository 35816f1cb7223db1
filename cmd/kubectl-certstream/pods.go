package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// errNoPod says that nothing runs.
var errNoPod = errors.New("it has no pod")

// pods are those of a CertStream, those that are of most use first: ready before running before others, the newest before older.
func (c *cluster) pods(ctx context.Context, cs *v1alpha1.CertStream) ([]corev1.Pod, error) {
	var list corev1.PodList
	if err := c.List(ctx, &list, client.InNamespace(c.namespace), client.MatchingLabels(build.Selector(cs))); err != nil {
		return nil, err
	}
	slices.SortStableFunc(list.Items, func(a, b corev1.Pod) int {
		if order := usefulness(&b) - usefulness(&a); order != 0 {
			return order
		}
		return b.CreationTimestamp.Compare(a.CreationTimestamp.Time)
	})
	return list.Items, nil
}

// usefulness ranks pods by what can be had from them.
func usefulness(pod *corev1.Pod) int {
	switch {
	case pod.Status.Phase != corev1.PodRunning:
		return 0
	case pod.DeletionTimestamp != nil:
		return 1
	case !podReady(pod):
		return 2
	}
	return 3
}

func podReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// pod is the most useful one of a CertStream, nil when there is none.
func (c *cluster) pod(ctx context.Context, cs *v1alpha1.CertStream) (*corev1.Pod, error) {
	pods, err := c.pods(ctx, cs)
	if err != nil || len(pods) == 0 {
		return nil, err
	}
	return &pods[0], nil
}

// readyPod is the one that serves streams.
func (c *cluster) readyPod(ctx context.Context, cs *v1alpha1.CertStream) (*corev1.Pod, error) {
	pod, err := c.pod(ctx, cs)
	switch {
	case err != nil:
		return nil, err
	case pod == nil:
		return nil, fmt.Errorf("CertStream %s: %w", cs.Name, errNoPod)
	case usefulness(pod) < 2 || !podReady(pod):
		return nil, fmt.Errorf("CertStream %s: its pod %s is not ready", cs.Name, pod.Name)
	}
	return pod, nil
}

// containerPort is the number of a named port of a pod.
func containerPort(pod *corev1.Pod, name string, otherwise int32) int32 {
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			if port.Name == name {
				return port.ContainerPort
			}
		}
	}
	return otherwise
}
