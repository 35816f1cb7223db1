//go:build e2e

package e2e

import (
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

var errNotYet = errors.New("not yet")

// TestRestartWithVolume changes a field of class restart: the pod is replaced, takes up its state, and clients resume.
func TestRestartWithVolume(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 3)
	before, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	was := mustStatus(t, before.Status.PodIP)
	stop := probe(t, s.host()+":8080")
	window := resource.MustParse("16Mi")
	s.spec.Limits.Window = &window
	s.apply(t)
	pod := s.replaced(t, before)
	a := sum(t, readers)
	without, _ := stop()
	figure(t, "restart with its volume: %.1f s without an endpoint; clients: %d messages, %d missing after resume, %d repeated, %d gaps told",
		without.Seconds(), a.messages, a.missing, a.repeated, a.gaps)
	if a.missing != 0 {
		t.Errorf("clients miss messages after resume: %+v", a)
	}
	now := mustStatus(t, pod.Status.PodIP)
	if now.State.Recovery != "clean" {
		t.Errorf("the new pod began with %q state, want clean", now.State.Recovery)
	}
	positions := map[string]uint64{}
	for _, l := range now.Logs {
		positions[l.Name] = l.Position
	}
	for _, l := range was.Logs {
		if positions[l.Name] < l.Position {
			t.Errorf("%s was at %d, is at %d", l.Name, l.Position, positions[l.Name])
		}
	}
	s.ready(t)
}

// TestRestartWithoutVolume rolls a pod that has clients and no volume: old and new overlap, no connection is refused.
func TestRestartWithoutVolume(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, func(spec *v1alpha1.CertStreamSpec) { spec.State.Type = v1alpha1.StateNone })
	s.crowd(t, 1) // a pod without clients stops at once
	before, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop := probe(t, s.host()+":8080")
	window := resource.MustParse("16Mi")
	s.spec.Limits.Window = &window
	s.apply(t)
	s.replaced(t, before)
	s.ready(t)
	pause(t, 10*time.Second) // the old pod closes its clients
	without, refused := stop()
	figure(t, "rollout without a volume: longest time between two connections %.2f s, connections refused %d", without.Seconds(), refused)
	if refused > 0 {
		t.Errorf("%d connections were refused although the pods overlap", refused)
	}
}
