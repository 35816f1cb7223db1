package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

// full is a cluster with one CertStream that runs.
func full(t testing.TB) *world {
	objects := []client.Object{load[v1alpha1.CertStream](t, "certstream.yaml"), podOf("main", "certstream-main-7c9f-x2x", true, 72*time.Hour)}
	for _, e := range events() {
		objects = append(objects, e)
	}
	w := newWorld(t, objects...)
	w.reports(t, healthyReport())
	return w
}

func TestExitCodes(t *testing.T) {
	two := []client.Object{stream("one"), stream("two")}
	for _, c := range []struct {
		name    string
		objects []client.Object
		args    []string
		code    int
		errs    string
	}{
		{"no CertStream", nil, []string{"status"}, 1, "namespace ct has no CertStream (-n"},
		{"none of the name", nil, []string{"status", "x"}, 1, "namespace ct has no CertStream x (-n"},
		{"others", two, []string{"status", "x"}, 1, "namespace ct has no CertStream x, but: one, two"},
		{"which", two, []string{"logs"}, 2, "has several CertStreams, name one: one, two"},
		{"no pod to ask", two, []string{"logs", "one"}, 1, "CertStream one: it has no pod; kubectl certstream status one"},
		{"no configuration", two, []string{"config", "one"}, 1, "has written no configuration for CertStream one yet"},
		{"two names", two, []string{"suspend", "one", "two"}, 2, "accepts at most 1 arg(s), received 2 (see kubectl certstream suspend --help)"},
		{"unknown command", nil, []string{"statuss"}, 2, `unknown command "statuss"`},
		{"unknown flag", nil, []string{"status", "--what"}, 2, "unknown flag: --what (see kubectl certstream status --help)"},
		{"format of status", two, []string{"status", "one", "-o", "wide"}, 2, `-o "wide": want one of [json yaml]`},
		{"format of logs", two, []string{"logs", "one", "-o", "table"}, 2, `-o "table": want one of [wide json yaml]`},
		{"protocol", two, []string{"tail", "one", "--protocol", "udp"}, 2, `--protocol "udp": want one of [websocket sse tcp]`},
		{"protocol that is off", two, []string{"tail", "one", "--protocol", "tcp"}, 1, "CertStream one does not serve tcp"},
		{"stream kind", two, []string{"tail", "one", "--stream", "fat"}, 2, `stream kind "fat"`},
		{"colour", two, []string{"tail", "one", "--color", "pink"}, 2, "auto, always or never"},
		{"a CA that is none", two, []string{"tail", "one", "--ca", "command_test.go"}, 2, "holds no PEM certificate"},
		{"diff of all", two, []string{"config", "one", "--all", "--diff"}, 2, "none of the others can be"},
		{"help", nil, []string{"--help"}, 0, "^$"},
		{"version", nil, []string{"version"}, 0, "^$"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.objects...)
			if code := w.run(t, c.args...); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if got := w.errs.String(); c.errs == "^$" && got != "" || !strings.Contains(got, strings.TrimPrefix(c.errs, "^$")) {
				t.Errorf("said %q, want %q", got, c.errs)
			}
		})
	}
}

func TestStatusCommand(t *testing.T) {
	w := full(t)
	if code := w.run(t, "status"); code != 0 {
		t.Fatal(w.errs.String())
	}
	golden(t, "status-command", w.out.String())
	checkLines(t, w.out.String(), 80)
	if code := w.run(t, "status", "main", "--all"); code != 0 || strings.Contains(w.out.String(), "--all") {
		t.Errorf("something is folded: %s", &w.out)
	}
}

func TestStatusAsData(t *testing.T) {
	w := full(t)
	var fromJSON, fromYAML overview
	if code := w.run(t, "status", "-o", "json"); code != 0 {
		t.Fatal(w.errs.String())
	}
	if err := json.Unmarshal(w.out.Bytes(), &fromJSON); err != nil {
		t.Fatal(err)
	}
	if code := w.run(t, "status", "-o", "yaml"); code != 0 {
		t.Fatal(w.errs.String())
	}
	if err := yaml.Unmarshal(w.out.Bytes(), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
		t.Errorf("JSON and YAML differ:\n%s", diff)
	}
	if diff := cmp.Diff(healthyReport(), fromJSON.Streamer); diff != "" {
		t.Error(diff)
	}
	var reasons []string
	for _, e := range fromJSON.Events {
		reasons = append(reasons, e.Reason)
	}
	if diff := cmp.Diff([]string{"Started", "Reloaded", "SomeLogsFailing"}, reasons); diff != "" {
		t.Error(diff)
	}
}

// A pod that cannot be asked, and events that cannot be read, take nothing else from the page.
func TestStatusOfTheUnreadable(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", errors.New("no"))
	w := newFailingWorld(t, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			if _, ok := list.(*corev1.EventList); ok {
				return forbidden
			}
			return c.List(ctx, list, o...)
		},
	}, load[v1alpha1.CertStream](t, "certstream.yaml"), podOf("main", "certstream-main-7c9f-x2x", false, time.Minute))
	w.reach = func(int32) (net.Conn, error) { return nil, deniedError{errors.New("pods is forbidden")} }
	if code := w.run(t, "status"); code != 0 {
		t.Fatal(w.errs.String())
	}
	golden(t, "status-forbidden", w.out.String())
}

func TestBadAnswersOfTheAdminPort(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"refusal":  {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "its admin port answers 403"},
		"not JSON": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }, "invalid character"},
		"cut off":  {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "asking pod certstream-main-7c9f-x2x: "},
	} {
		t.Run(name, func(t *testing.T) {
			w := full(t)
			w.ports[build.AdminPort] = c.handler
			if code := w.run(t, "logs"); code != 1 || !strings.Contains(w.errs.String(), c.want) {
				t.Errorf("exit code %d, %s", code, &w.errs)
			}
		})
	}
}

func TestLogsCommand(t *testing.T) {
	w := full(t)
	w.reports(t, troubledReport())
	if code := w.run(t, "logs"); code != 0 {
		t.Fatal(w.errs.String())
	}
	golden(t, "logs-pipe", w.out.String())
	if code := w.run(t, "logs", "-o", "wide"); code != 0 {
		t.Fatal(w.errs.String())
	}
	golden(t, "logs-wide", w.out.String())
	if code := w.run(t, "logs", "-o", "json"); code != 0 {
		t.Fatal(w.errs.String())
	}
	var logs []serve.LogStatus
	if err := json.Unmarshal(w.out.Bytes(), &logs); err != nil {
		t.Fatal(err)
	}
	if len(logs) != 13 || logs[0].LastErrorKind != "timeout" {
		t.Errorf("got %d logs, the first %+v", len(logs), logs[0])
	}
}

func TestSuspendAndResume(t *testing.T) {
	w := full(t)
	for _, c := range []struct {
		command, want string
		suspended     bool
	}{
		{"suspend", "certstream/main suspended: its pod goes on as it is\n", true},
		{"suspend", "certstream/main unchanged: it is suspended already\n", true},
		{"restart", "", true},
		{"resume", "certstream/main resumed\n", false},
		{"resume", "certstream/main unchanged: it is not suspended\n", false},
	} {
		code := w.run(t, c.command)
		if got := w.out.String(); got != c.want {
			t.Errorf("%s: %q, want %q", c.command, got, c.want)
		}
		if c.command == "restart" && (code != 1 || !strings.Contains(w.errs.String(), "kubectl certstream resume main comes first")) {
			t.Errorf("restart of a suspended CertStream: exit code %d, %s", code, &w.errs)
		}
		var cs v1alpha1.CertStream
		if err := w.Get(t.Context(), w.key("main"), &cs); err != nil || cs.Spec.Suspend != c.suspended {
			t.Errorf("%s: suspended %v, %v", c.command, cs.Spec.Suspend, err)
		}
	}
}

func TestRestart(t *testing.T) {
	w := full(t)
	if code := w.run(t, "restart"); code != 0 || w.out.String() != "certstream/main restart asked for\n" {
		t.Fatalf("exit code %d, %s%s", code, &w.out, &w.errs)
	}
	var cs v1alpha1.CertStream
	if err := w.Get(t.Context(), w.key("main"), &cs); err != nil {
		t.Fatal(err)
	}
	if got := cs.Annotations[v1alpha1.AnnotationRestart]; got != "2026-07-01T12:00:00Z" {
		t.Errorf("annotation %q", got)
	}
}

// --wait goes on over a moment without an API server, until the old pod is gone and a new one ready.
func TestRestartWaits(t *testing.T) {
	old, young := podOf("main", "old", true, time.Hour), podOf("main", "young", false, 0)
	step := 0
	w := newFailingWorld(t, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			pods, ok := list.(*corev1.PodList)
			if !ok {
				return c.List(ctx, list, o...)
			}
			step++
			ready := *podOf("main", "young", true, 0)
			answers := [][]corev1.Pod{{*old}, {*old, *young}, nil, {*young}, {ready}}
			if step == 3 {
				return apierrors.NewInternalError(errors.New("the server restarts"))
			}
			pods.Items = answers[min(step, len(answers))-1]
			return nil
		},
	}, stream("main"))
	if code := w.run(t, "restart", "--wait"); code != 0 {
		t.Fatal(w.errs.String())
	}
	want := "certstream/main restart asked for\ncertstream/main restarted: pod young is ready\n"
	if got := w.out.String(); got != want || step != 5 {
		t.Errorf("after %d looks: %q", step, got)
	}
}

func TestRestartGivesUp(t *testing.T) {
	w := full(t)
	code := w.run(t, "restart", "--wait", "--timeout", "1ms")
	want := "not restarted within 1ms: pod certstream-main-7c9f-x2x is still there; the restart goes on, and kubectl certstream status main tells of it"
	if code != 1 || !strings.Contains(w.errs.String(), want) {
		t.Errorf("exit code %d, %s", code, &w.errs)
	}
}

func TestCompletion(t *testing.T) {
	w := newWorld(t, stream("one"), stream("two"))
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"__complete", "status", ""}, "one\ntwo\n:4\n"},
		{[]string{"__complete", "tail", "one", ""}, ":4\n"},
	} {
		if code := w.run(t, c.args...); code != 0 || w.out.String() != c.want {
			t.Errorf("%v: exit code %d, %q", c.args, code, w.out.String())
		}
	}
}

func TestPodsByUse(t *testing.T) {
	gone := podOf("main", "d-stopping", true, 0)
	gone.DeletionTimestamp, gone.Finalizers = &metav1.Time{Time: moment}, []string{"test/keep"}
	pending := podOf("main", "e-pending", false, 0)
	pending.Status.Phase = corev1.PodPending
	w := newWorld(t, gone, pending, podOf("main", "c-unready", false, 0), podOf("main", "b-older", true, time.Hour),
		podOf("main", "a-newer", true, time.Minute), podOf("other", "z", true, 0))
	pods, err := w.pods(t.Context(), stream("main"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range pods {
		names = append(names, pods[i].Name)
	}
	if want := []string{"a-newer", "b-older", "c-unready", "d-stopping", "e-pending"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

// A pod that does not run is not even tried.
func TestPendingPodIsNotAsked(t *testing.T) {
	pod := podOf("main", "p", false, 0)
	pod.Status.Phase = corev1.PodPending
	w := newWorld(t, stream("main"), pod)
	if code := w.run(t, "logs"); code != 1 || w.errs.String() != "error: asking pod p: it is pending\n" || len(w.dialled) > 0 {
		t.Errorf("exit code %d, %s, connected to %v", code, &w.errs, w.dialled)
	}
}

func TestReadyPod(t *testing.T) {
	w := newWorld(t, podOf("slow", "p", false, 0))
	for name, want := range map[string]string{"none": "CertStream none: it has no pod", "slow": "CertStream slow: its pod p is not ready"} {
		if _, err := w.readyPod(t.Context(), stream(name)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestExplain(t *testing.T) {
	status := func(details *metav1.StatusDetails) error {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource", Details: details,
		}}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{status(&metav1.StatusDetails{}), "is the operator installed?"},
		{status(nil), "is the operator installed?"},
		{status(&metav1.StatusDetails{Name: "x"}), "the server could not find the requested resource"},
		{deniedError{errors.New("no")}, "no (needed: the right to create pods/portforward in the namespace)"},
	} {
		if got := explain(c.err); !strings.Contains(got, c.want) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
