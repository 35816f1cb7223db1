package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// writes remembers, for each CertStream, the newest resource version of what the operator last wrote, so that it does not act
// twice on what the cache has not seen yet. (The client's own read-your-writes mode does not work with several namespaces.)
type writes struct {
	mu       sync.Mutex
	versions map[written]string
}

// written is something of a CertStream that the operator writes.
type written struct {
	stream types.NamespacedName
	what   string
}

const (
	writtenStatus = "status"
	writtenPod    = "pod"
)

// record notes an object as the API server returned it.
func (w *writes) record(stream types.NamespacedName, what string, o client.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.versions == nil {
		w.versions = make(map[written]string)
	}
	w.versions[written{stream, what}] = o.GetResourceVersion()
}

// isStale says whether an object from the cache is older than what was written.
func (w *writes) isStale(stream types.NamespacedName, what string, o client.Object) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return isOlder(o.GetResourceVersion(), w.versions[written{stream, what}])
}

// forget drops a CertStream that is gone.
func (w *writes) forget(stream types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.versions, written{stream, writtenStatus})
	delete(w.versions, written{stream, writtenPod})
}

// isOlder says whether one resource version is older than another. One that is empty is not known, and nothing is older.
func isOlder(version, than string) bool {
	c, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && c < 0
}
