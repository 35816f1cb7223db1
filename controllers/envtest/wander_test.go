package envtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// wander has what a pod says of itself vary by a share, up and down.
func wander(share float64) func(*fakePod, map[string]any) {
	around := func(figure float64) float64 { return figure * (1 + share*(2*rand.Float64()-1)) }
	return func(_ *fakePod, says map[string]any) {
		says["entries_per_second"] = around(400)
		says["clients"] = []any{map[string]any{"count": int(around(1000))}}
		says["logs"] = []any{map[string]any{
			"name": "Argon", "state": "following", "status": "healthy", "breaker": "closed", "lag_seconds": around(20), "lag_entries": int(around(5000)),
		}}
	}
}

// Figures that wander a little are nothing to write about; a change is written to the stream that it is of.
func TestWanderingFiguresAreNotWritten(t *testing.T) {
	t.Parallel()
	s := need(t)
	ns := s.namespace(t)
	s.kubelet.behave(ns, manners{status: wander(0.08)})
	o := s.operator(t, ns)
	keys := s.crowd(t, ns, 20)
	s.waitAllReady(t, keys)
	s.waitQuestions(t, ns, len(keys), 2) // all that was still to be said is said
	before := len(o.written())
	s.waitQuestions(t, ns, len(keys), 5)
	if writes := o.written()[before:]; len(writes) > 0 {
		t.Errorf("%d writes, though figures wander by 8 %%: %v", len(writes), writes)
	}
	before = len(o.written())
	s.change(t, keys[0], "limits: {connections: 5}")
	s.waitReady(t, keys[0])
	for _, w := range o.written()[before:] {
		if !strings.Contains(w, keys[0].Name) {
			t.Errorf("a change of one stream led to %s", w)
		}
	}
	if n := len(o.written()) - before; n > 5 {
		t.Errorf("one live change took %d writes: %v", n, o.written()[before:])
	}
	s.kubelet.behave(ns, manners{status: wander(0.5)})
	before = len(o.written())
	s.waitQuestions(t, ns, len(keys), 5)
	if n := len(o.written()) - before; n > len(keys) {
		t.Errorf("%d writes of %d streams within a minute", n, len(keys))
	}
}

// crowd makes many streams of different logs.
func (s *apiServer) crowd(t *testing.T, ns string, n int) []client.ObjectKey {
	t.Helper()
	var keys []client.ObjectKey
	for i := range n {
		name := fmt.Sprintf("stream-%03d", i)
		keys = append(keys, s.streamOf(t, ns, name, `{logs: {select: {operators: [`+name+`]}}}`))
	}
	return keys
}

func (s *apiServer) waitAllReady(t *testing.T, keys []client.ObjectKey) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Minute)
	for {
		ready, list := 0, new(v1alpha1.CertStreamList)
		if err := s.client.List(t.Context(), list, client.InNamespace(keys[0].Namespace)); err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			cs := &list.Items[i]
			if cs.Status.ObservedGeneration == cs.Generation && meta.IsStatusConditionTrue(cs.Status.Conditions, v1alpha1.ConditionReady) {
				ready++
			}
		}
		if ready == len(keys) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d are ready", ready, len(keys))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// waitQuestions waits until each of so many pods of a namespace was asked for its status so many times more.
func (s *apiServer) waitQuestions(t *testing.T, ns string, pods, times int) {
	t.Helper()
	before := s.kubelet.questions(ns)
	eventually(t, "the pods are asked", func(context.Context) error {
		enough := 0
		for uid, asked := range s.kubelet.questions(ns) {
			if asked >= before[uid]+times {
				enough++
			}
		}
		if enough < pods {
			return fmt.Errorf("%d of %d pods were asked often enough", enough, pods)
		}
		return nil
	})
}

// questions is how often each pod of a namespace was asked for its status.
func (k *kubelet) questions(ns string) map[types.UID]int {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := map[types.UID]int{}
	for uid, p := range k.pods {
		if p.namespace == ns {
			all[uid] = p.asked
		}
	}
	return all
}
