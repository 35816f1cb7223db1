package controllers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// applier applies objects server-side. It remembers what it applied to which resource version, and asks nothing of the API
// server while neither has changed.
type applier struct {
	client client.Client
	live   client.Reader

	mu   sync.Mutex
	done map[types.NamespacedName]map[string]applied
}

// applied is an intent, and the resource version and generation that it led to.
type applied struct {
	intent          [sha256.Size]byte
	resourceVersion string
	generation      int64
	at              time.Time
}

func newApplier(c client.Client, live client.Reader) *applier {
	return &applier{client: c, live: live, done: make(map[types.NamespacedName]map[string]applied)}
}

// writeTimeout is how long one write may take. An API server, or an admission webhook, that takes longer is asked again later.
const writeTimeout = 8 * time.Second

// outcome is what applying an object came to.
type outcome string

const (
	unchanged outcome = ""
	created   outcome = "created"
	updated   outcome = "updated"
)

// apply makes an object what it should be, and takes fields that others changed back. It refuses an object that is not the
// CertStream's.
func (a *applier) apply(ctx context.Context, cs *v1alpha1.CertStream, o build.Object) (outcome, error) {
	intent, err := asUnstructured(o)
	if err != nil {
		return unchanged, err
	}
	live, err := a.find(ctx, cs, o)
	if err != nil {
		return unchanged, err
	}
	keepSize(intent, live)
	body, err := json.Marshal(intent)
	if err != nil {
		return unchanged, fmt.Errorf("encoding %s %s: %w", o.Kind.Kind, o.Name, err)
	}
	sum := sha256.Sum256(body)
	key := client.ObjectKeyFromObject(cs)
	if live != nil && a.isDone(key, o, sum, live.GetResourceVersion()) {
		return unchanged, nil
	}
	forced := client.ApplyConfigurationFromUnstructured(intent)
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err = a.client.Apply(ctx, forced, client.FieldOwner(FieldOwner), client.ForceOwnership)
	if err != nil {
		return unchanged, refusal(o.Kind, o.Name, err)
	}
	a.remember(key, o, applied{sum, intent.GetResourceVersion(), intent.GetGeneration(), time.Now()})
	switch {
	case live == nil:
		return created, nil
	case live.GetResourceVersion() == intent.GetResourceVersion():
		return unchanged, nil
	}
	return updated, nil
}

// find is the object as it is; nil when there is none. The cache holds only what carries the operator's label: what it misses
// is looked for at the API server before it is taken for absent.
func (a *applier) find(ctx context.Context, cs *v1alpha1.CertStream, o build.Object) (client.Object, error) {
	key := types.NamespacedName{Namespace: cs.Namespace, Name: o.Name}
	live := cachedObject(o.Kind)
	err := a.client.Get(ctx, key, live)
	if apierrors.IsNotFound(err) {
		live = metadataOf(o.Kind)
		err = a.live.Get(ctx, key, live)
	}
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", o.Kind.Kind, o.Name, err)
	}
	return live, claimOwnership(cs, o, live)
}

// claimOwnership says whether an object that is there may be taken for the CertStream's.
func claimOwnership(cs *v1alpha1.CertStream, o build.Object, live client.Object) error {
	owner, what := metav1.GetControllerOf(live), o.Kind.Kind+" "+o.Name
	switch {
	case owner != nil && owner.UID == cs.UID:
		return nil
	case owner != nil && owner.Kind == v1alpha1.Kind && owner.Name == cs.Name:
		return waiting(v1alpha1.ReasonProgressing, "%s is of a deleted CertStream of the same name: waiting for it to go", what)
	case owner == nil && isOurs(cs, live):
		return nil // a retained claim, or an object whose owner reference somebody took off
	}
	return stalled(v1alpha1.ReasonObjectConflict,
		"%s exists and belongs to somebody else: rename or delete it, or name the CertStream otherwise", what)
}

// isOurs says whether an object carries the labels of the CertStream's objects.
func isOurs(cs *v1alpha1.CertStream, live client.Object) bool {
	labels := live.GetLabels()
	for name, value := range build.Labels(cs) {
		if labels[name] != value {
			return false
		}
	}
	return true
}

// keepSize leaves a claim that is larger than wanted as large as it is: a retained claim may have grown, and none can shrink.
func keepSize(intent *unstructured.Unstructured, live client.Object) {
	claim, ok := live.(*corev1.PersistentVolumeClaim)
	if !ok {
		return
	}
	wanted, _, _ := unstructured.NestedString(intent.Object, "spec", "resources", "requests", "storage")
	has := claim.Spec.Resources.Requests[corev1.ResourceStorage]
	if w, err := resource.ParseQuantity(wanted); err == nil && has.Cmp(w) > 0 {
		_ = unstructured.SetNestedField(intent.Object, has.String(), "spec", "resources", "requests", "storage") // the path is there
	}
}

// asUnstructured is an apply configuration in the form whose resource version can be read after it was applied.
func asUnstructured(o build.Object) (*unstructured.Unstructured, error) {
	body, err := json.Marshal(o.Apply)
	if err != nil {
		return nil, fmt.Errorf("encoding %s %s: %w", o.Kind.Kind, o.Name, err)
	}
	u := new(unstructured.Unstructured)
	if err := u.UnmarshalJSON(body); err != nil {
		return nil, fmt.Errorf("encoding %s %s: %w", o.Kind.Kind, o.Name, err)
	}
	return u, nil
}

// prune deletes an object that the CertStream should not have, if it has it.
func (a *applier) prune(ctx context.Context, cs *v1alpha1.CertStream, o build.Object) (bool, error) {
	live := cachedObject(o.Kind)
	err := a.client.Get(ctx, types.NamespacedName{Namespace: cs.Namespace, Name: o.Name}, live)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading %s %s: %w", o.Kind.Kind, o.Name, err)
	}
	if !metav1.IsControlledBy(live, cs) {
		return false, nil
	}
	err = a.client.Delete(ctx, live, client.Preconditions{UID: new(live.GetUID())})
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("deleting %s %s: %w", o.Kind.Kind, o.Name, err)
	}
	a.remember(client.ObjectKeyFromObject(cs), o, applied{})
	return true, nil
}

// isDone says whether an intent was applied and led to a resource version, or just now to one that the cache has not seen yet.
func (a *applier) isDone(key types.NamespacedName, o build.Object, intent [sha256.Size]byte, version string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.done[key][o.Kind.Kind+"/"+o.Name]
	return was.intent == intent &&
		(was.resourceVersion == version || isOlder(version, was.resourceVersion) && time.Since(was.at) < cacheLagMost)
}

// generation is that of an object as it was applied last; 0 when it was not.
func (a *applier) generation(key types.NamespacedName, o build.Object) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.done[key][o.Kind.Kind+"/"+o.Name].generation
}

func (a *applier) remember(key types.NamespacedName, o build.Object, is applied) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.done[key] == nil {
		a.done[key] = make(map[string]applied)
	}
	a.done[key][o.Kind.Kind+"/"+o.Name] = is
}

func (a *applier) forget(key types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.done, key)
}
