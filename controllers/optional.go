package controllers

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// optionalInterval is how often it is looked whether optional kinds came or went.
const optionalInterval = 10 * time.Second

// optionalKinds knows which of the kinds that a cluster may lack it has. They come and go with their resource definitions, and
// the operator need not be restarted for it.
type optionalKinds struct {
	discovery discovery.DiscoveryInterface
	// every is how often it is looked.
	every time.Duration
	// came and went are called when a kind does, and not at the same time.
	came func(context.Context, schema.GroupVersionKind) error
	went func(context.Context, schema.GroupVersionKind)
	// changed is called after any did.
	changed func(context.Context)

	mu  sync.Mutex
	has map[schema.GroupVersionKind]bool
}

// present says whether a kind can be used. Kinds of Kubernetes itself always can.
func (k *optionalKinds) present(kind schema.GroupVersionKind) bool {
	if !isOptional(kind) {
		return true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.has[kind]
}

// Start looks again and again until the context ends.
func (k *optionalKinds) Start(ctx context.Context) error {
	tick := time.NewTicker(k.every)
	defer tick.Stop()
	for {
		k.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// NeedLeaderElection is false: a manager that takes over knows already.
func (k *optionalKinds) NeedLeaderElection() bool { return false }

// look asks the API server for each group once.
func (k *optionalKinds) look(ctx context.Context) {
	served := make(map[schema.GroupVersion]map[string]bool)
	any := false
	defer func() {
		if any {
			k.changed(ctx)
		}
	}()
	for _, kind := range build.OptionalKinds() {
		gv := kind.GroupVersion()
		if _, asked := served[gv]; !asked {
			names, err := k.kindsOf(gv)
			if err != nil {
				log.FromContext(ctx).V(1).Info("cannot see which optional kinds there are; what is known stays",
					"group", gv.String(), "error", err.Error())
			}
			served[gv] = names
		}
		if names := served[gv]; names != nil {
			any = k.set(ctx, kind, names[kind.Kind]) || any
		}
	}
}

func (k *optionalKinds) kindsOf(gv schema.GroupVersion) (map[string]bool, error) {
	names := make(map[string]bool)
	list, err := k.discovery.ServerResourcesForGroupVersion(gv.String())
	if apierrors.IsNotFound(err) {
		return names, nil
	}
	if err != nil {
		return nil, err
	}
	for _, r := range list.APIResources {
		names[r.Kind] = true
	}
	return names, nil
}

// set notes that a kind is there or not, and begins or ends watching it. It says whether that is news.
func (k *optionalKinds) set(ctx context.Context, kind schema.GroupVersionKind, has bool) bool {
	if k.present(kind) == has {
		return false
	}
	logger := log.FromContext(ctx).WithValues("kind", kind.String())
	if has {
		if err := k.came(ctx, kind); err != nil {
			logger.Error(err, "cannot watch an optional kind; trying again")
			return false
		}
	}
	k.mu.Lock()
	k.has[kind] = has
	k.mu.Unlock()
	if !has {
		k.went(ctx, kind)
	}
	logger.Info("an optional kind came or went", "present", has)
	return true
}
