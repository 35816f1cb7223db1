package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

var update = flag.Bool("update", false, "write the golden files anew")

// moment is when the tests are.
var moment = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a plugin in a cluster of objects, whose pods are servers of the test.
type world struct {
	*cluster
	out, errs bytes.Buffer
	// ports are the servers that the pods' ports lead to; dialled are the pods that were connected to.
	ports   map[int32]http.Handler
	dialled []string
	// reach takes the place of ports.
	reach func(port int32) (net.Conn, error)
}

func newWorld(t testing.TB, objects ...client.Object) *world {
	return newFailingWorld(t, interceptor.Funcs{}, objects...)
}

func newFailingWorld(t testing.TB, failures interceptor.Funcs, objects ...client.Object) *world {
	t.Helper()
	scheme, mapper, err := kinds()
	if err != nil {
		t.Fatal(err)
	}
	about := func(field func(*corev1.Event) string) client.IndexerFunc {
		return func(o client.Object) []string { return []string{field(o.(*corev1.Event))} }
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.CertStream{}).WithInterceptorFuncs(failures).
		WithIndex(&corev1.Event{}, "involvedObject.kind", about(func(e *corev1.Event) string { return e.InvolvedObject.Kind })).
		WithIndex(&corev1.Event{}, "involvedObject.name", about(func(e *corev1.Event) string { return e.InvolvedObject.Name })).
		Build()
	w := &world{ports: map[int32]http.Handler{}}
	w.cluster = &cluster{Client: c, namespace: "ct", pollInterval: time.Millisecond, dial: func(ctx context.Context, pod *corev1.Pod, port int32) (net.Conn, error) {
		w.dialled = append(w.dialled, pod.Name)
		if w.reach != nil {
			return w.reach(port)
		}
		server := httptest.NewServer(w.ports[port])
		t.Cleanup(server.Close)
		return (&net.Dialer{}).DialContext(ctx, "tcp", server.Listener.Addr().String())
	}}
	return w
}

// reports makes the pods' admin port tell a status.
func (w *world) reports(t testing.TB, s *serve.Status) {
	t.Helper()
	body, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	w.ports[build.AdminPort] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" || r.Header.Get("Origin") != "" {
			http.Error(rw, "not the status", http.StatusNotFound)
			return
		}
		_, _ = rw.Write(body)
	})
}

// run runs a command to its exit code.
func (w *world) run(t testing.TB, args ...string) int {
	t.Helper()
	w.out.Reset()
	w.errs.Reset()
	p := newPlugin(genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &w.out, ErrOut: &w.errs})
	p.open = func() (*cluster, error) { return w.cluster, nil }
	p.now = func() time.Time { return moment }
	return p.run(t.Context(), args)
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// load reads an object of testdata.
func load[T any](t testing.TB, name string) *T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := yaml.UnmarshalStrict(data, &v); err != nil {
		t.Fatal(err)
	}
	return &v
}

// stream is a CertStream without more than its name.
func stream(name string) *v1alpha1.CertStream {
	return &v1alpha1.CertStream{ObjectMeta: metav1.ObjectMeta{Namespace: "ct", Name: name}}
}

// podOf is a pod of a CertStream, ready or only running.
func podOf(cs, name string, ready bool, age time.Duration) *corev1.Pod {
	condition := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse}
	if ready {
		condition.Status = corev1.ConditionTrue
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "ct", Name: name, UID: types.UID("uid-" + name), Labels: build.Selector(stream(cs)),
			CreationTimestamp: metav1.NewTime(moment.Add(-age)),
		},
		Spec: corev1.PodSpec{NodeName: "node-1", Containers: []corev1.Container{{
			Name:  "streamer",
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}, {Name: "admin", ContainerPort: build.AdminPort}},
		}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{condition},
			ContainerStatuses: []corev1.ContainerStatus{{RestartCount: 1}},
		},
	}
}

// refuse is a pod that nobody can connect to.
func refuse(int32) (net.Conn, error) { return nil, errors.New("connection refused") }
