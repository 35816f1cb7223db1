package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

// fieldManager is who we are to the API server where we write.
const fieldManager = "kubectl-certstream"

// cluster is one namespace of a cluster.
type cluster struct {
	client.Client
	namespace string
	// dial connects to a port of a pod.
	dial func(ctx context.Context, pod *corev1.Pod, port int32) (net.Conn, error)
	// pollInterval is how often a wait looks again.
	pollInterval time.Duration
}

// openCluster prepares what the flags name. Nothing is asked of the server yet.
func openCluster(flags *genericclioptions.ConfigFlags) (*cluster, error) {
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.UserAgent, config.QPS = userAgent(), -1 // a handful of requests needs no brake
	scheme, mapper, err := kinds()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	return &cluster{Client: c, namespace: namespace, dial: forwarder{config}.dial, pollInterval: time.Second}, nil
}

func userAgent() string {
	version, _ := buildInfo()
	return "kubectl-certstream/" + version
}

// kinds are those that the plugin reads. Knowing them saves the discovery of all others.
func kinds() (*runtime.Scheme, meta.RESTMapper, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, nil, err
	}
	mapper := meta.NewDefaultRESTMapper(nil)
	for _, kind := range []string{"Pod", "Secret", "ConfigMap", "Event"} {
		mapper.Add(corev1.SchemeGroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	mapper.Add(v1alpha1.SchemeGroupVersion.WithKind(v1alpha1.Kind), meta.RESTScopeNamespace)
	return scheme, mapper, nil
}

// key names an object of the namespace.
func (c *cluster) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: c.namespace, Name: name}
}

// names are those of the namespace's CertStreams.
func (c *cluster) names(ctx context.Context) ([]string, error) {
	var list v1alpha1.CertStreamList
	if err := c.List(ctx, &list, client.InNamespace(c.namespace)); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(list.Items))
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	slices.Sort(names)
	return names, nil
}

// find gets a CertStream: the one of that name, or for an empty name the only one there is.
func (c *cluster) find(ctx context.Context, name string) (*v1alpha1.CertStream, error) {
	if name == "" {
		only, err := c.only(ctx)
		if err != nil {
			return nil, err
		}
		name = only
	}
	var cs v1alpha1.CertStream
	err := c.Get(ctx, c.key(name), &cs)
	if apierrors.IsNotFound(err) {
		return nil, c.missing(ctx, name)
	}
	return &cs, err
}

// only is the name of the namespace's one CertStream.
func (c *cluster) only(ctx context.Context) (string, error) {
	names, err := c.names(ctx)
	switch {
	case err != nil:
		return "", err
	case len(names) == 1:
		return names[0], nil
	case len(names) == 0:
		return "", fmt.Errorf("namespace %s has no CertStream (-n chooses another namespace)", c.namespace)
	}
	return "", usageError{fmt.Errorf("namespace %s has several CertStreams, name one: %s", c.namespace, strings.Join(names, ", "))}
}

// missing says that there is no CertStream of the name, and which there are.
func (c *cluster) missing(ctx context.Context, name string) error {
	names, err := c.names(ctx)
	if noResource(err) {
		return err
	}
	if err != nil || len(names) == 0 {
		return fmt.Errorf("namespace %s has no CertStream %s (-n chooses another namespace)", c.namespace, name)
	}
	return fmt.Errorf("namespace %s has no CertStream %s, but: %s", c.namespace, name, strings.Join(names, ", "))
}

// noResource says that the server does not know the kind at all.
func noResource(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && apierrors.IsNotFound(err) && (status.Status().Details == nil || status.Status().Details.Name == "")
}

// denied says that the user has not the right to what was tried.
func denied(err error) bool {
	return errors.As(err, new(deniedError)) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
}

// explain makes an error say what to do where the server's own words do not.
func explain(err error) string {
	switch {
	case noResource(err):
		return "the cluster does not know CertStreams: is the operator installed? (" + err.Error() + ")"
	case errors.As(err, new(deniedError)):
		return err.Error() + " (needed: the right to create pods/portforward in the namespace)"
	}
	return err.Error()
}
