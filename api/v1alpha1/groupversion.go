// Package v1alpha1 is the API of certstream.io/v1alpha1: the CertStream, a stream of Certificate Transparency logs.
//
// A field's comment is its documentation in `kubectl explain`. It ends with the field's class: a change of a "live" field
// reaches the running pod within about a second and drops no client; a change of a "restart" field replaces the pod.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=certstream.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group, Version and Kind name the resource.
const (
	Group   = "certstream.io"
	Version = "v1alpha1"
	Kind    = "CertStream"
)

// SchemeGroupVersion is the version of the API in this package.
var SchemeGroupVersion = schema.GroupVersion{Group: Group, Version: Version}

// AddToScheme registers the types of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(SchemeGroupVersion, &CertStream{}, &CertStreamList{})
	metav1.AddToGroupVersion(s, SchemeGroupVersion)
	return nil
}
