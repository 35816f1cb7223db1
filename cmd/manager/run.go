package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// leaseName is the Lease by which replicas elect a leader.
const leaseName = "certstream-operator"

// run runs the operator until the context ends.
func run(ctx context.Context, o *options) error {
	logger, err := o.logger()
	if err != nil {
		return err
	}
	ctrl.SetLogger(logr.FromSlogHandler(logger.Handler()))
	kube, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("finding the API server: %w", err)
	}
	kube.QPS, kube.Burst = o.kubeQPS, o.kubeBurst
	kube.UserAgent = "certstream-operator/" + version
	if err := waitForAPI(ctx, kube, logger); err != nil {
		return err
	}
	mgr, err := newManager(o, kube)
	if err != nil {
		return err
	}
	r := &controllers.Reconciler{
		Defaults:   build.Defaults{Image: o.streamerImage, OperatorNamespace: o.operatorNamespace},
		Restricted: o.restrictedTenants,
	}
	if err := r.Setup(mgr, controller.Options{MaxConcurrentReconciles: o.concurrentReconciles}); err != nil {
		return err
	}
	if err := addChecks(mgr); err != nil {
		return err
	}
	logger.Info("starting", "version", version, "commit", commit, "namespaces", o.namespaces, "streamer_image", o.streamerImage,
		"restricted_tenants", o.restrictedTenants)
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("running the operator: %w", err)
	}
	return nil
}

func newManager(o *options, kube *rest.Config) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("registering the API's types: %w", err)
		}
	}
	mgr, err := ctrl.NewManager(kube, ctrl.Options{
		Scheme:                        scheme,
		Cache:                         controllers.CacheOptions(o.namespaces),
		Metrics:                       o.metrics(),
		HealthProbeBindAddress:        o.probeAddress,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       o.leaderElectNamespace,
		LeaderElectionReleaseOnCancel: true, // the process ends when the manager does
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the operator: %w", err)
	}
	return mgr, nil
}

// metrics is how metrics are served.
func (o *options) metrics() metricsserver.Options {
	m := metricsserver.Options{BindAddress: o.metricsAddress, SecureServing: o.metricsSecure}
	if o.metricsSecure {
		m.FilterProvider = filters.WithAuthenticationAndAuthorization
	}
	return m
}

// addChecks serves /healthz while the process lives, and /readyz once its caches are filled.
func addChecks(mgr ctrl.Manager) error {
	if err := mgr.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("adding the health check: %w", err)
	}
	synced := func(req *http.Request) error {
		if !mgr.GetCache().WaitForCacheSync(req.Context()) {
			return fmt.Errorf("the caches are not filled yet")
		}
		return nil
	}
	if err := mgr.AddReadyzCheck("caches", synced); err != nil {
		return fmt.Errorf("adding the readiness check: %w", err)
	}
	return nil
}
