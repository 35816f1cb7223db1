//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/certstream-operator/certstream-operator/api/v1alpha1"
)

const (
	logsURL  = "http://testlog.ct-logs.svc.cluster.local"
	logsRate = 100 // entries per second and log

	logsManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: ct-logs}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: testlog, namespace: ct-logs}
spec:
  selector: {matchLabels: {app: testlog}}
  template:
    metadata: {labels: {app: testlog}}
    spec:
      containers:
      - name: testlog
        image: docker.io/certstream-operator/testlog:%s
        imagePullPolicy: IfNotPresent
        args: [":8080", "%s", "%d"]
        readinessProbe: {httpGet: {path: /sizes, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: testlog, namespace: ct-logs}
spec:
  selector: {app: testlog}
  ports: [{port: 80, targetPort: 8080}]
`
)

// startLogs runs CT logs in the cluster and returns them as streams name them.
func startLogs(ctx context.Context, tag string) ([]v1alpha1.CustomLog, error) {
	manifest := fmt.Sprintf(logsManifest, tag, logsURL, logsRate)
	if _, err := command(ctx, manifest, "kubectl", "apply", "-f", "-"); err != nil {
		return nil, err
	}
	if _, err := command(ctx, "", "kubectl", "rollout", "status", "-n", "ct-logs", "deployment/testlog", "--timeout=2m"); err != nil {
		return nil, err
	}
	var list []byte
	var err error
	for range 100 { // the Service's rules on the node follow a moment later
		if list, err = get(ctx, logsURL+"/list.json"); err == nil {
			return customLogs(list)
		}
		<-time.After(100 * time.Millisecond)
	}
	return nil, err
}

func customLogs(list []byte) ([]v1alpha1.CustomLog, error) {
	type entry struct {
		Description   string `json:"description"`
		Key           []byte `json:"key"`
		URL           string `json:"url"`
		MonitoringURL string `json:"monitoring_url"`
	}
	var parsed struct {
		Operators []struct {
			Name      string  `json:"name"`
			Logs      []entry `json:"logs"`
			TiledLogs []entry `json:"tiled_logs"`
		} `json:"operators"`
	}
	if err := json.Unmarshal(list, &parsed); err != nil {
		return nil, fmt.Errorf("log list of the test logs: %w", err)
	}
	var logs []v1alpha1.CustomLog
	for _, operator := range parsed.Operators {
		for _, e := range append(operator.Logs, operator.TiledLogs...) {
			custom := v1alpha1.CustomLog{
				Name: e.Description, URL: strings.TrimSuffix(e.URL, "/"), Operator: operator.Name,
				Key: base64.StdEncoding.EncodeToString(e.Key), Protocol: v1alpha1.LogProtocolRFC6962,
			}
			if e.URL == "" {
				custom.URL, custom.Protocol = strings.TrimSuffix(e.MonitoringURL, "/"), v1alpha1.LogProtocolStatic
			}
			logs = append(logs, custom)
		}
	}
	return logs, nil
}

// sizes are the sizes of the test logs by name.
func sizes(ctx context.Context) (map[string]uint64, error) {
	body, err := get(ctx, logsURL+"/sizes")
	if err != nil {
		return nil, err
	}
	sizes := map[string]uint64{}
	return sizes, json.Unmarshal(body, &sizes)
}

// get fetches a URL within two seconds.
func get(ctx context.Context, url string) ([]byte, error) { return fetch(ctx, http.MethodGet, url) }

// fetch asks for a URL, and answers within two seconds.
func fetch(ctx context.Context, method, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true // each request is to find the endpoint that there is now
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s", method, url, resp.Status)
	}
	return body, err
}
