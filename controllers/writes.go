package controllers

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// writes remembers, for each CertStream, the newest resource version of what the operator last wrote, so that it does not act
// twice on what the cache has not seen yet. (The client's own read-your-writes mode does not work with several namespaces.)
type writes struct {
	mu       sync.Mutex
	versions map[written]version
}

// version is a resource version and when it was written.
type version struct {
	resource string
	at       time.Time
}

// written is something of a CertStream that the operator writes.
type written struct {
	stream types.NamespacedName
	what   string
	uid    types.UID
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
		w.versions = make(map[written]version)
	}
	w.versions[written{stream, what, o.GetUID()}] = version{o.GetResourceVersion(), time.Now()}
}

// isStale says whether an object from the cache is older than what was written just now. After a while it is taken for what it is:
// the API server may have been restored from a backup.
func (w *writes) isStale(stream types.NamespacedName, what string, o client.Object) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := written{stream, what, o.GetUID()}
	was, ok := w.versions[key]
	if ok && isOlder(o.GetResourceVersion(), was.resource) && time.Since(was.at) < cacheLagMost {
		return true
	}
	delete(w.versions, key)
	return false
}

// forget drops a CertStream that is gone.
func (w *writes) forget(stream types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.DeleteFunc(w.versions, func(k written, _ version) bool { return k.stream == stream })
}

// isOlder says whether one resource version is older than another. One that is empty is not known, and nothing is older.
func isOlder(version, than string) bool {
	c, err := resourceversion.CompareResourceVersion(version, than)
	return err == nil && c < 0
}

// failures remembers which CertStreams failed last time. One failure passes by itself more often than not, and would only make a
// status flicker; from the second on it is shown.
type failures struct {
	mu     sync.Mutex
	failed map[types.NamespacedName]bool
}

// again notes whether a CertStream failed now, and says whether it did last time too.
func (f *failures) again(stream types.NamespacedName, failed bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.failed[stream]
	if !failed {
		delete(f.failed, stream)
		return false
	}
	if f.failed == nil {
		f.failed = make(map[types.NamespacedName]bool)
	}
	f.failed[stream] = true
	return before
}
