// Package status turns what the operator observes into a CertStream's status. It is pure: no client, no clock; one condition
// per file.
package status

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
)

// Observed is all that a status depends on. Objects that are not there are nil.
type Observed struct {
	Stream *v1alpha1.CertStream
	// ConfigHash is the SHA-256 of the configuration written; empty while there is none.
	ConfigHash string

	Deployment *appsv1.Deployment
	// DeploymentGeneration is the least generation of the Deployment that has all of the spec; one that was read from a cache
	// may be older. 0 takes the one read.
	DeploymentGeneration int64
	Pods                 []corev1.Pod
	Service              *corev1.Service
	Ingress              *networkingv1.Ingress
	Claim                *corev1.PersistentVolumeClaim
	// Report is what the newest running pod says of itself; nil before it was asked.
	Report *observe.Report

	// Problems are what kept the phases of this reconcile from their end, the gravest first.
	Problems []Problem
	// Advice is what the user should know though all works.
	Advice []Advice
	// Monitor says what became of the monitor.
	Monitor MonitorState
	// Now stamps conditions that change, and tells what has lasted for too long.
	Now time.Time
}

// Problem is what keeps the operator from its end.
type Problem struct {
	// Stalled says that somebody must act; otherwise it waits for something that comes by itself.
	Stalled bool
	// Reason is one of v1alpha1's reasons; Message a sentence that says what is amiss and what to do.
	Reason, Message string
}

// Advice is something to know though all works.
type Advice struct{ Reason, Message string }

// MonitorState is what became of the monitor.
type MonitorState string

// The states of the monitor.
const (
	MonitorNotWanted  MonitorState = ""
	MonitorCreated    MonitorState = "Created"
	MonitorCRDMissing MonitorState = "CRDMissing"
)
