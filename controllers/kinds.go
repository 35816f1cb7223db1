package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
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

// The groups of kinds that a cluster may lack.
const (
	monitoringGroup  = "monitoring.coreos.com"
	gatewayGroup     = "gateway.networking.k8s.io"
	certManagerGroup = "cert-manager.io"
)

// optionalVersions are the kinds that a cluster may lack.
func optionalVersions() []schema.GroupVersionKind {
	return []schema.GroupVersionKind{
		{Group: monitoringGroup, Version: "v1", Kind: "ServiceMonitor"},
		{Group: monitoringGroup, Version: "v1", Kind: "PodMonitor"},
		{Group: monitoringGroup, Version: "v1", Kind: "PrometheusRule"},
		{Group: gatewayGroup, Version: "v1", Kind: "HTTPRoute"},
		{Group: certManagerGroup, Version: "v1", Kind: "Certificate"},
	}
}

// isOptional says whether a cluster may lack a kind.
func isOptional(kind schema.GroupVersionKind) bool {
	return kind.Group == monitoringGroup || kind.Group == gatewayGroup || kind.Group == certManagerGroup
}

// The labels by which the operator's objects are found.
const (
	labelManagedBy = "app.kubernetes.io/managed-by"
	labelInstance  = "app.kubernetes.io/instance"
)
