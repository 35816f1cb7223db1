package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"

	"github.com/certstream-operator/certstream-operator/controllers/build"
)

// served is a discovery that serves some kinds, or fails.
type served struct {
	discovery.DiscoveryInterface
	kinds map[string][]string
	err   error
}

func (s *served) ServerResourcesForGroupVersion(gv string) (*metav1.APIResourceList, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.kinds[gv] == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, gv)
	}
	list := new(metav1.APIResourceList)
	for _, kind := range s.kinds[gv] {
		list.APIResources = append(list.APIResources, metav1.APIResource{Kind: kind})
	}
	return list, nil
}

func TestOptionalKindsComeAndGo(t *testing.T) {
	var said []string
	var refuse error
	api := &served{kinds: map[string][]string{}}
	kinds := &optionalKinds{
		discovery: api, has: make(map[schema.GroupVersionKind]bool),
		came: func(_ context.Context, k schema.GroupVersionKind) error {
			if refuse == nil {
				said = append(said, "+"+k.Kind)
			}
			return refuse
		},
		went:    func(_ context.Context, k schema.GroupVersionKind) { said = append(said, "-"+k.Kind) },
		changed: func(context.Context) { said = append(said, "woken") },
	}
	monitoring := build.MonitoringGroup + "/v1"
	monitor := schema.GroupVersionKind{Group: build.MonitoringGroup, Version: "v1", Kind: "ServiceMonitor"}
	for _, step := range []struct {
		name string
		now  func()
		want []string
		has  bool
	}{
		{"none", func() {}, nil, false},
		{"cannot be watched", func() { api.kinds[monitoring], refuse = []string{"ServiceMonitor"}, errors.New("no") }, nil, false},
		{"came", func() { refuse = nil }, []string{"+ServiceMonitor", "woken"}, true},
		{"no news", func() {}, nil, true},
		{"the API server is away", func() { api.err = errors.New("refused") }, nil, true},
		{"more came", func() { api.err, api.kinds[monitoring] = nil, []string{"ServiceMonitor", "PodMonitor"} }, []string{"+PodMonitor", "woken"}, true},
		{"went", func() { delete(api.kinds, monitoring) }, []string{"-ServiceMonitor", "-PodMonitor", "woken"}, false},
	} {
		said = nil
		step.now()
		kinds.look(t.Context())
		if d := cmp.Diff(step.want, said); d != "" {
			t.Errorf("%s: %s", step.name, d)
		}
		if kinds.present(monitor) != step.has {
			t.Errorf("%s: present is %v", step.name, !step.has)
		}
	}
	if !kinds.present(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}) {
		t.Error("a kind of Kubernetes itself is taken for absent")
	}
	if i := slices.IndexFunc(build.OptionalKinds(), func(k schema.GroupVersionKind) bool { return !isOptional(k) }); i >= 0 {
		t.Errorf("%s is not of an optional group", build.OptionalKinds()[i])
	}
}
