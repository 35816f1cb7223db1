//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// TestUpgradeAndRollback upgrades operator and streamer by Helm while clients read, and rolls back.
func TestUpgradeAndRollback(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 2)
	for _, step := range []struct {
		name, tag string
		do        func()
	}{
		{"upgrade", bed.tag + "-next", func() { bed.installOperator(t, bed.tag+"-next") }},
		{"rollback", bed.tag, func() {
			run(t, bed.helm, "rollback", release, "--namespace", operatorNamespace, "--wait", "--timeout", "3m")
		}},
	} {
		before, err := s.pod(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stop := probe(t, s.host()+":8080")
		began := time.Now()
		step.do()
		returned := time.Since(began)
		pod := s.replaced(t, before)
		s.ready(t)
		if image := pod.Spec.Containers[0].Image; !strings.HasSuffix(image, ":"+step.tag) {
			t.Errorf("after the %s the pod runs %s", step.name, image)
		}
		if cs := s.get(t); cs.Status.Version != step.tag {
			t.Errorf("after the %s the status says version %q", step.name, cs.Status.Version)
		}
		a := sum(t, readers)
		without, _ := stop()
		figure(t, "%s: helm returned after %.1f s, stream renewed after %.1f s, %.1f s without an endpoint; messages missing after resume %d of %d",
			step.name, returned.Seconds(), time.Since(began).Seconds(), without.Seconds(), a.missing, a.messages)
		if a.missing != 0 {
			t.Errorf("the %s cost clients: %+v", step.name, a)
		}
	}
}

// TestUpgradeOfOperatorAlone upgrades the operator but not the streamer: no pod is replaced, no client notices.
func TestUpgradeOfOperatorAlone(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 2)
	before, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bed.installOperator(t, bed.tag+"-next", "--set", "streamerImage.tag="+bed.tag)
	s.spec.LogLevel = v1alpha1.LogLevelDebug // a change that shows that the new operator works
	s.apply(t)
	s.ready(t)
	untouched(t, "operator upgraded", readers)
	if after, err := s.pod(t.Context()); err != nil || after.UID != before.UID {
		t.Errorf("the upgrade of the operator replaced the pod: %v", err)
	}
}
