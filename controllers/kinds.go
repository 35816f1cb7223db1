package controllers

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// Of most objects the cache holds the metadata alone: their resource version says whether anybody touched them. Of those below
// the status is read too.
func cachedObject(kind schema.GroupVersionKind) client.Object {
	switch kind {
	case appsv1.SchemeGroupVersion.WithKind("Deployment"):
		return new(appsv1.Deployment)
	case corev1.SchemeGroupVersion.WithKind("Service"):
		return new(corev1.Service)
	case corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"):
		return new(corev1.PersistentVolumeClaim)
	case networkingv1.SchemeGroupVersion.WithKind("Ingress"):
		return new(networkingv1.Ingress)
	}
	return metadataOf(kind)
}

// metadataOf is an object of a kind of which only the metadata is read.
func metadataOf(kind schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	m := new(metav1.PartialObjectMetadata)
	m.SetGroupVersionKind(kind)
	return m
}

// isOptional says whether a cluster may lack a kind.
func isOptional(kind schema.GroupVersionKind) bool {
	return slices.ContainsFunc(build.OptionalKinds(), func(o schema.GroupVersionKind) bool { return o.Group == kind.Group })
}
