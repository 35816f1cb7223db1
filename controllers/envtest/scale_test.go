package envtest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestScale measures the operator's binary with many streams, and prints the figures. `make scale` runs it: SCALE_STREAMS says
// how many, SCALE_MANAGER which binary.
func TestScale(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("SCALE_STREAMS"))
	if n == 0 {
		t.Skip("SCALE_STREAMS is not set: `make scale` sets it")
	}
	s := need(t)
	ns := s.namespace(t)
	s.kubelet.behave(ns, manners{status: wander(0.08), address: s.kubelet.ownAddress(t)})
	keys := s.crowd(t, ns, n)
	m := startBinary(t, s, ns)
	began := time.Now()
	s.waitAllReady(t, keys)
	took := time.Since(began)
	reconciles := m.sum(t, "controller_runtime_reconcile_total", "")
	fmt.Printf("start: %d streams ready after %.0f s; %.0f reconciles (%.0f/s), %.0f writes, resident %s\n",
		n, took.Seconds(), reconciles, reconciles/took.Seconds(), m.writes(t), m.resident(t))
	time.Sleep(time.Minute) // what is left to be said of the start is said
	fmt.Printf("figures wander by 8 %%: %.0f writes a minute\n", m.writesIn(t, time.Minute))
	s.kubelet.behave(ns, manners{status: wander(0.5), address: s.kubelet.ownAddress(t)})
	time.Sleep(time.Minute)
	fmt.Printf("figures wander by 50 %%: %.0f writes a minute, resident %s\n", m.writesIn(t, time.Minute), m.resident(t))
	s.kubelet.behave(ns, manners{status: wander(0.08), address: s.kubelet.ownAddress(t)})
	time.Sleep(2 * time.Minute)
	before := m.writes(t)
	s.change(t, keys[0], "limits: {connections: 5}")
	s.waitReady(t, keys[0])
	time.Sleep(5 * time.Second)
	fmt.Printf("one spec changed: %.0f writes\n", m.writes(t)-before)
	fmt.Printf("after all: resident %s, heap in use %.1f MiB, %.1f CPU s\n",
		m.resident(t), m.sum(t, "go_memstats_heap_inuse_bytes", "")/(1<<20), m.sum(t, "process_cpu_seconds_total", ""))
}

// ownAddress gives each pod a loopback address and serves its status there, at the port where the operator looks.
func (k *kubelet) ownAddress(t *testing.T) func(*corev1.Pod) string {
	return func(pod *corev1.Pod) string {
		if pod.Status.PodIP != "" {
			return pod.Status.PodIP
		}
		n := len(k.pods)
		address := fmt.Sprintf("127.77.%d.%d", n/250, n%250+1)
		listener, err := net.Listen("tcp", address+":9090")
		if err != nil {
			t.Error(err)
			return "127.0.0.1"
		}
		uid := pod.UID
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = "/" + string(uid)
			k.serve(w, r)
		})}
		go func() { _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close() })
		return address
	}
}

// binary is the operator as a process.
type binary struct {
	pid     int
	metrics string
}

func startBinary(t *testing.T, s *apiServer, ns string) *binary {
	t.Helper()
	file := kubeconfig(t, s.user)
	const metrics = "127.77.255.1:8443"
	cmd := exec.Command(os.Getenv("SCALE_MANAGER"), "--namespaces", ns, "--leader-elect=false", "--metrics-secure=false",
		"--metrics-bind-address", metrics, "--health-probe-bind-address=0", "--log-level=warn", "--log-format=text")
	cmd.Env = append(os.Environ(), "KUBECONFIG="+file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	b := &binary{pid: cmd.Process.Pid, metrics: "http://" + metrics + "/metrics"}
	eventually(t, "the operator's metrics", func(context.Context) error {
		_, err := b.scrape()
		return err
	})
	return b
}

func (b *binary) scrape() (string, error) {
	response, err := http.Get(b.metrics)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// sum adds up a metric's series, without those that a label tells apart.
func (b *binary) sum(t *testing.T, name, without string) float64 {
	t.Helper()
	text, err := b.scrape()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for line := range strings.Lines(text) {
		rest, is := strings.CutPrefix(line, name)
		if !is || rest[0] != '{' && rest[0] != ' ' || without != "" && strings.Contains(rest, without) {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' ')+1:]), 64)
		if err != nil {
			t.Fatal(err)
		}
		total += value
	}
	return total
}

// writes are the requests of the operator that were not GET.
func (b *binary) writes(t *testing.T) float64 {
	t.Helper()
	return b.sum(t, "rest_client_requests_total", `method="GET"`)
}

func (b *binary) writesIn(t *testing.T, d time.Duration) float64 {
	t.Helper()
	before := b.writes(t)
	time.Sleep(d)
	return b.writes(t) - before
}

// resident is the process's memory: all of it, and without the pages of the program's own file, which the kernel may drop.
func (b *binary) resident(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.pid))
	if err != nil {
		t.Fatal(err)
	}
	mib := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		if name, kb, found := strings.Cut(line, ":"); found && strings.HasPrefix(name, "Rss") || name == "VmRSS" {
			n, _ := strconv.ParseFloat(strings.Fields(kb)[0], 64)
			mib[name] = n / 1024
		}
	}
	return fmt.Sprintf("%.1f MiB (%.1f without the program's file)", mib["VmRSS"], mib["RssAnon"])
}
