//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	corev1 "k8s.io/api/core/v1"

	"github.com/certstream-operator/certstream-operator/streamer/client"
)

// TestProtocols reads a stream through its Service by all protocols, in a namespace that admits only restricted pods.
func TestProtocols(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	readers := s.crowd(t, 3)
	a := sum(t, readers)
	if a.missing != 0 || a.gaps != 0 || a.lost != 0 || a.repeated != 0 {
		t.Errorf("%d clients: %+v", len(readers), a)
	}
	figure(t, "%d clients by WebSocket, SSE and TCP through the Service: %d messages, %d missing, %d repeated",
		len(readers), a.messages, a.missing, a.repeated)

	endpoints := s.get(t).Status.Endpoints
	if endpoints == nil || endpoints.Cluster == nil {
		t.Fatal("no endpoints in the status")
	}
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), endpoints.Cluster.WebSocket, nil)
	if err != nil {
		t.Fatalf("the status' own WebSocket URL %s: %v", endpoints.Cluster.WebSocket, err)
	}
	defer conn.Close()
	if _, message, err := conn.ReadMessage(); err != nil || !strings.Contains(string(message), "message_type") {
		t.Errorf("first message: %q, %v", message, err)
	}
	read(t, client.Options{URL: "tcp://" + endpoints.Cluster.TCP}).first()
}

// TestOperandRights checks that a pod has no token, and what its ServiceAccount and the operator's may do.
func TestOperandRights(t *testing.T) {
	bed.operator(t)
	s := bed.readyStream(t, nil)
	pod, err := s.pod(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range pod.Spec.Volumes {
		if v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(p corev1.VolumeProjection) bool { return p.ServiceAccountToken != nil }) {
			t.Errorf("volume %s has a token of the ServiceAccount", v.Name)
		}
	}
	operand := "system:serviceaccount:" + s.namespace + ":" + pod.Spec.ServiceAccountName
	for _, question := range [][]string{{"list", "pods"}, {"get", "secrets"}, {"get", "certstreams.certstream.io"}} {
		answer, _ := command(t.Context(), "", "kubectl", "auth", "can-i", question[0], question[1], "-n", s.namespace, "--as", operand)
		if strings.TrimSpace(answer) != "no" {
			t.Errorf("may the operand %v? %s", question, answer)
		}
	}
	operator := "system:serviceaccount:" + operatorNamespace + ":" + bed.operatorPods(t)[0].Spec.ServiceAccountName
	rights := kubectl(t, "auth", "can-i", "--list", "-n", s.namespace, "--as", operator)
	if strings.Contains(rights, "[*]") {
		t.Errorf("a wildcard in the operator's rights:\n%s", rights)
	}
	t.Logf("kubectl auth can-i --list, operand:\n%s", kubectl(t, "auth", "can-i", "--list", "-n", s.namespace, "--as", operand))
	t.Logf("kubectl auth can-i --list, operator:\n%s", rights)
}
