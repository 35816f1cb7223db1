package envtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// faults are the ways in which a call fails. Names of streams are made of the keys.
func faults() map[string]fault {
	thing := schema.GroupResource{Resource: "things"}
	lost := func(*http.Request) (*http.Response, error) {
		return nil, fmt.Errorf("read: %w", syscall.ECONNRESET)
	}
	return map[string]fault{
		"error":     {before: says(apierrors.NewInternalError(errors.New("injected")))},
		"conflict":  {before: says(apierrors.NewConflict(thing, "injected", errors.New("injected")))},
		"timeout":   {before: says(apierrors.NewTimeoutError("injected", 0))},
		"throttled": {before: says(apierrors.NewTooManyRequests("injected", 1))},
		"cut":       {before: lost},
		"lost":      {after: lost}, // it was carried out, and the answer did not arrive
	}
}

// says is an answer of the API server.
func says(err *apierrors.StatusError) func(*http.Request) (*http.Response, error) {
	status := err.Status()
	status.Kind, status.APIVersion = "Status", "v1"
	body, _ := json.Marshal(status)
	return func(r *http.Request) (*http.Response, error) {
		header := http.Header{"Content-Type": {"application/json"}}
		if status.Code == http.StatusTooManyRequests {
			header.Set("Retry-After", "1")
		}
		return &http.Response{
			StatusCode: int(status.Code), Status: http.StatusText(int(status.Code)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r,
		}, nil
	}
}

// nth fails, of the calls about each stream, the one that the stream's name says: `cut-7` is the seventh, cut.
type nth struct {
	mu    sync.Mutex
	calls map[string]int
	hit   map[string]bool
}

var aboutStream = regexp.MustCompile(`/(?:certstreams/|certstream-)([a-z]+)-(\d+)`)

func (n *nth) fault(r *http.Request) fault {
	m := aboutStream.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return fault{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	name := m[1] + "-" + m[2]
	n.calls[name]++
	if fmt.Sprint(n.calls[name]) != m[2] {
		return fault{}
	}
	n.hit[name] = true
	return faults()[m[1]]
}

// reset begins to count anew, and says which streams had their fault.
func (n *nth) reset() map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	hit := n.hit
	n.calls, n.hit = map[string]int{}, map[string]bool{}
	return hit
}

// Whichever call fails, and however it does, the end is the same as when none had.
func TestEveryCallFailingOnce(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	n := &nth{}
	n.reset()
	o := s.operator(t, ns)
	o.inject(n.fault)
	keys := []client.ObjectKey{s.faulty(t, ns, "none-0")}
	const calls = 14
	for kind, every := range map[string]int{"error": 1, "lost": 1, "cut": 3, "conflict": 3, "throttled": 3, "timeout": 3} {
		for i := 1; i <= calls; i += every {
			keys = append(keys, s.faulty(t, ns, fmt.Sprintf("%s-%d", kind, i)))
		}
	}
	s.wantAllLike(t, keys)
	created := n.reset()
	for _, key := range keys {
		s.change(t, key, "limits: {connections: 7, window: 64Mi}\nstate: {volume: {reclaimPolicy: Delete}}\nnetworkPolicy: null")
	}
	s.wantAllLike(t, keys)
	changed := n.reset()
	for _, key := range keys[1:] {
		if !created[key.Name] {
			t.Errorf("nothing failed while %s was created", key.Name)
		}
	}
	for kind := range faults() {
		if name := kind + "-1"; !changed[name] {
			t.Errorf("nothing failed while %s was changed", name)
		}
	}
}

func (t *tap) inject(f func(*http.Request) fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fault = f
}

// faulty is a stream that shares no logs with another, so that none says a word about another.
func (s *apiServer) faulty(t *testing.T, ns, name string) client.ObjectKey {
	t.Helper()
	return s.streamOf(t, ns, name, `{logs: {select: {operators: ["`+name+`"]}}, networkPolicy: {}, ingress: {hosts: [a.example]}}`)
}

// wantAllLike waits until all streams are ready, and holds their state against that of the first.
func (s *apiServer) wantAllLike(t *testing.T, keys []client.ObjectKey) {
	t.Helper()
	for _, key := range keys {
		s.waitReady(t, key)
	}
	want := s.settled(t, keys[0])
	for _, key := range keys[1:] {
		eventually(t, key.String(), func(context.Context) error {
			if diff := cmp.Diff(want, s.settled(t, key)); diff != "" {
				return fmt.Errorf("differs from the undisturbed one (-want +got):\n%s", diff)
			}
			return nil
		})
	}
}

// settled is what there is of a stream, without its name.
func (s *apiServer) settled(t *testing.T, key client.ObjectKey) []string {
	t.Helper()
	cs := new(v1alpha1.CertStream)
	if err := s.client.Get(t.Context(), key, cs); err != nil {
		t.Fatal(err)
	}
	all := []string{cs.Status.URL, cs.Status.Image, fmt.Sprint(cs.Status.Config.WantedHash == cs.Status.Config.RunningHash), fmt.Sprint(cs.Status.Volume)}
	for _, c := range cs.Status.Conditions {
		all = append(all, fmt.Sprint(c.Type, c.Status, c.Reason, c.Message, c.ObservedGeneration == cs.Generation))
	}
	d, svc, cm, claim := new(appsv1.Deployment), new(corev1.Service), new(corev1.ConfigMap), new(corev1.PersistentVolumeClaim)
	for _, o := range []client.Object{d, svc, cm, claim} {
		if err := s.client.Get(t.Context(), child(key), o); err != nil {
			all = append(all, err.Error())
		}
	}
	delete(d.Spec.Template.Annotations, "certstream.io/restart-hash")
	for _, part := range []any{d.Spec, d.Labels, svc.Spec.Ports, cm.Data, claim.Spec.Resources, len(claim.OwnerReferences), len(svc.OwnerReferences)} {
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], key.Name, "NAME")
	}
	return all
}

// An API server that is away, or that throttles every write, is waited for.
func TestAnOutageIsOutlived(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	o := s.operator(t, ns)
	key := s.streamOf(t, ns, "main", `{}`)
	s.waitReady(t, key)
	for kind, f := range map[string]fault{"away": faults()["cut"], "throttled": faults()["throttled"]} {
		ends := time.Now().Add(2 * time.Second)
		o.inject(func(r *http.Request) fault {
			if time.Now().After(ends) || kind == "throttled" && r.Method == http.MethodGet {
				return fault{}
			}
			return f
		})
		s.change(t, key, fmt.Sprintf("limits: {connections: %d}", len(kind)))
		cs := s.waitReady(t, key)
		if time.Now().Before(ends) {
			t.Errorf("%s: ready during the outage", kind)
		}
		if cs.Status.Config.RunningHash != cs.Status.Config.WantedHash {
			t.Errorf("%s: config %+v", kind, cs.Status.Config)
		}
	}
}

// What fails again and again is told in the status, and heals there when it does.
func TestAFailureThatGoesOnIsTold(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	o := s.operator(t, ns)
	o.inject(func(r *http.Request) fault {
		if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/services/certstream-main") {
			return faults()["error"]
		}
		return fault{}
	})
	key := s.streamOf(t, ns, "main", `{}`)
	waitGet(t, s, key, new(v1alpha1.CertStream), func(cs *v1alpha1.CertStream) error {
		c := meta.FindStatusCondition(cs.Status.Conditions, v1alpha1.ConditionReconciling)
		if c == nil || !strings.Contains(c.Message, "Service certstream-main") || !strings.Contains(c.Message, "the API server answers InternalError") {
			return fmt.Errorf("conditions:\n%s", conditionsText(cs))
		}
		return nil
	})
	if err := s.client.Get(t.Context(), child(key), new(appsv1.Deployment)); err != nil {
		t.Errorf("one object that fails kept another from being made: %v", err)
	}
	o.inject(nil)
	cs := s.waitReady(t, key)
	if meta.FindStatusCondition(cs.Status.Conditions, v1alpha1.ConditionReconciling) != nil {
		t.Errorf("conditions:\n%s", conditionsText(cs))
	}
}
