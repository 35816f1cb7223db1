package envtest

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/controllers/observe"
)

const testImage = "registry.example/streamer:test"

// operator is a manager that watches one namespace.
type operator struct {
	*tap
	stop func()
}

// operator starts the real operator for one namespace, and stops it with the test.
func (s *apiServer) operator(t *testing.T, namespace string, edits ...func(*ctrl.Options, *controllers.Reconciler)) *operator {
	t.Helper()
	o := &operator{tap: &tap{}}
	cfg := rest.CopyConfig(s.user.Config())
	cfg.QPS = -1
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return roundTripper{o.tap, next} })
	r := &controllers.Reconciler{
		Defaults:  build.Defaults{Image: testImage, OperatorNamespace: "operators"},
		StatusURL: s.kubelet.statusURL,
		Probing:   observe.Options{Interval: 500 * time.Millisecond},
	}
	options := ctrl.Options{
		Scheme: s.scheme, Cache: controllers.CacheOptions([]string{namespace}), Metrics: metricsserver.Options{BindAddress: "0"},
	}
	for _, edit := range edits {
		edit(&options, r)
	}
	mgr, err := ctrl.NewManager(cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.setup(r, mgr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	o.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the operator ended with %v", err)
		}
	})
	t.Cleanup(o.stop)
	return o
}

// setup registers an operator with its manager: several run in this process, and one after the other takes the metrics over.
func (s *apiServer) setup(r *controllers.Reconciler, mgr ctrl.Manager) error {
	s.settingUp.Lock()
	defer s.settingUp.Unlock()
	return r.Setup(mgr, controller.Options{MaxConcurrentReconciles: 4, SkipNameValidation: new(true)})
}

// tap sees every request of an operator, counts those that write, and can fail them.
type tap struct {
	mu     sync.Mutex
	writes []string
	fault  func(*http.Request) fault
}

// fault says what becomes of a request: it is answered before it is sent, or after it was carried out.
type fault struct {
	before, after func(*http.Request) (*http.Response, error)
}

type roundTripper struct {
	*tap
	next http.RoundTripper
}

func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	f := rt.note(r)
	if f.before != nil {
		return f.before(r)
	}
	response, err := rt.next.RoundTrip(r)
	if f.after != nil && err == nil {
		_ = response.Body.Close()
		return f.after(r)
	}
	return response, err
}

func (t *tap) note(r *http.Request) fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Method != http.MethodGet {
		t.writes = append(t.writes, r.Method+" "+r.URL.Path)
	}
	if t.fault == nil {
		return fault{}
	}
	return t.fault(r)
}

// written are the writes so far, except events.
func (t *tap) written() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for _, w := range t.writes {
		if !strings.Contains(w, "/events") {
			all = append(all, w)
		}
	}
	return all
}

// streamOf creates a CertStream of a spec in YAML.
func (s *apiServer) streamOf(t *testing.T, namespace, name, spec string) client.ObjectKey {
	t.Helper()
	u := stream(namespace, name, parse(t, spec))
	if err := s.client.Create(t.Context(), u, client.FieldValidation("Strict")); err != nil {
		t.Fatal(err)
	}
	return client.ObjectKeyFromObject(u)
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// change merges a patch in YAML into a CertStream's spec.
func (s *apiServer) change(t *testing.T, key client.ObjectKey, spec string) {
	t.Helper()
	s.patch(t, key, new(v1alpha1.CertStream), "spec:\n  "+strings.ReplaceAll(spec, "\n", "\n  "))
}

// patch merges YAML into an object.
func (s *apiServer) patch(t *testing.T, key client.ObjectKey, o client.Object, text string) {
	t.Helper()
	body, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o.SetNamespace(key.Namespace)
	o.SetName(key.Name)
	if err := s.client.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, body)); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits until a condition of a CertStream of its present generation has a status and reason, and gives the CertStream.
func (s *apiServer) waitFor(t *testing.T, key client.ObjectKey, kind string, status metav1.ConditionStatus, reason string) *v1alpha1.CertStream {
	t.Helper()
	cs := new(v1alpha1.CertStream)
	eventually(t, fmt.Sprintf("%s %s=%s (%s)", key, kind, status, reason), func(ctx context.Context) error {
		if err := s.client.Get(ctx, key, cs); err != nil {
			return err
		}
		c := meta.FindStatusCondition(cs.Status.Conditions, kind)
		if c == nil || c.Status != status || c.Reason != reason || c.ObservedGeneration != cs.Generation {
			return fmt.Errorf("generation %d, conditions:\n%s", cs.Generation, conditionsText(cs))
		}
		return nil
	})
	return cs
}

func (s *apiServer) waitReady(t *testing.T, key client.ObjectKey) *v1alpha1.CertStream {
	t.Helper()
	return s.waitFor(t, key, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

// waitStalled waits until the CertStream is Stalled for a reason, and gives the message.
func (s *apiServer) waitStalled(t *testing.T, key client.ObjectKey, reason string) string {
	t.Helper()
	cs := s.waitFor(t, key, v1alpha1.ConditionStalled, metav1.ConditionTrue, reason)
	return meta.FindStatusCondition(cs.Status.Conditions, v1alpha1.ConditionStalled).Message
}

func conditionsText(cs *v1alpha1.CertStream) string {
	var b strings.Builder
	for _, c := range cs.Status.Conditions {
		_, _ = fmt.Fprintf(&b, "  %s=%s (%s, generation %d): %s\n", c.Type, c.Status, c.Reason, c.ObservedGeneration, c.Message)
	}
	return b.String()
}

// waitGet waits until an object is there and as wanted.
func waitGet[T client.Object](t *testing.T, s *apiServer, key client.ObjectKey, into T, wanted func(T) error) T {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s", into, key), func(ctx context.Context) error {
		if err := s.client.Get(ctx, key, into); err != nil {
			return err
		}
		return wanted(into)
	})
	return into
}

func exists[T client.Object](T) error { return nil }

// waitGone waits until an object is not there.
func (s *apiServer) waitGone(t *testing.T, key client.ObjectKey, o client.Object) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s gone", o, key), func(ctx context.Context) error {
		err := s.client.Get(ctx, key, o)
		if client.IgnoreNotFound(err) != nil || err == nil {
			return fmt.Errorf("still there: %v", err)
		}
		return nil
	})
}

// child is the name of most objects of a CertStream.
func child(key client.ObjectKey) client.ObjectKey {
	return client.ObjectKey{Namespace: key.Namespace, Name: "certstream-" + key.Name}
}

// pod is the one pod of a CertStream, once it is there.
func (s *apiServer) pod(t *testing.T, key client.ObjectKey) *corev1.Pod {
	t.Helper()
	pods := new(corev1.PodList)
	eventually(t, "one pod of "+key.String(), func(ctx context.Context) error {
		if err := s.client.List(ctx, pods, client.InNamespace(key.Namespace), client.MatchingLabels{instanceLabel: key.Name}); err != nil {
			return err
		}
		if len(pods.Items) != 1 {
			return fmt.Errorf("%d pods", len(pods.Items))
		}
		return nil
	})
	return &pods.Items[0]
}

// forEach visits the objects of a list.
func forEach(list client.ObjectList, visit func(client.Object)) error {
	return meta.EachListItem(list, func(o runtime.Object) error {
		visit(o.(client.Object))
		return nil
	})
}

// aboutMain are requests about the CertStream `main` or its objects.
var aboutMain = regexp.MustCompile(`/(certstream-)?main(-|/|$)`)
