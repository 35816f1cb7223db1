package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// waitForAPI waits until the API server serves CertStreams: their definition may be installed together with the operator, or
// after it.
func waitForAPI(ctx context.Context, kube *rest.Config, logger *slog.Logger) error {
	client, err := discovery.NewDiscoveryClientForConfig(kube)
	if err != nil {
		return fmt.Errorf("making a discovery client: %w", err)
	}
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		_, err := client.ServerResourcesForGroupVersion(v1alpha1.SchemeGroupVersion.String())
		if err == nil {
			return nil
		}
		reason := err.Error()
		if apierrors.IsNotFound(err) {
			reason = "the custom resource definition certstreams.certstream.io is not installed: apply config/crd, or install the chart with crds.enabled"
		}
		logger.Warn("waiting for the API of CertStreams", "reason", reason, "again_in", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("waiting for the API of CertStreams: %w", ctx.Err())
		}
	}
}
