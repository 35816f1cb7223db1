package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/controllers/build"
	"github.com/certstream-operator/certstream-operator/streamer/serve"
)

const (
	reportTimeout = 30 * time.Second
	maxReport     = 32 << 20
)

// report asks a pod what it does, on its admin port.
func (c *cluster) report(ctx context.Context, pod *corev1.Pod) (*serve.Status, error) {
	if pod.Status.Phase != corev1.PodRunning {
		return nil, fmt.Errorf("it is %s", strings.ToLower(string(pod.Status.Phase)))
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return c.dial(ctx, pod, containerPort(pod, "admin", build.AdminPort))
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+pod.Name+"/status", nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, errors.Unwrap(err) // the outer error holds a URL that is none
	}
	defer func() { _ = response.Body.Close() }() // nothing to lose: it is only read
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("its admin port answers %s", response.Status)
	}
	var status serve.Status
	if err := json.NewDecoder(io.LimitReader(response.Body, maxReport)).Decode(&status); err != nil {
		return nil, fmt.Errorf("what its admin port says is no status: %w", err)
	}
	return &status, nil
}
