package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// world is two logs that grow, a streamer that follows them, and a client that reads it.
type world struct {
	options
	dir, address     string
	logs             []*testlog.Log
	server           *testlog.Server
	streamer, client *process
	tally            *tally

	growing    sync.WaitGroup
	stopGrowth func()
}

const configuration = `host: 127.0.0.1
port: %s
log_level: warn
log_list: {source: none}
network: {allow_private_addresses: true, allow_http: true}
ct_log: {poll_interval_ms: 200, partial_tile_interval: 5s, requests_per_second: 1000}
state: {dir: %s, interval: 1s}
retention: {max_bytes: 64MiB}
window: {size: 1MiB}
heartbeat_interval: 1s
custom_logs:
`

func newWorld(o options, dir string) (*world, error) {
	w := &world{options: o, dir: dir, tally: &tally{logs: map[string]*seen{}}, logs: []*testlog.Log{
		testlog.New(testlog.Options{Name: "RFC 6962 log", Align: true}), testlog.New(testlog.Options{Name: "Tiled log", Static: true}),
	}}
	source := testlog.NewCA("CA").Source(2 * testlog.NumShapes)
	for _, l := range w.logs {
		for range 100 {
			l.Append(source())
		}
		l.Publish()
	}
	server, err := testlog.Serve("127.0.0.1:0", nil, w.logs...)
	if err != nil {
		return nil, err
	}
	w.server = server
	if err := w.configure(); err != nil {
		server.Close()
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	for _, l := range w.logs {
		w.growing.Go(func() { l.Grow(ctx, w.rate, source) })
	}
	w.stopGrowth = func() {
		stop()
		w.growing.Wait()
	}
	return w, nil
}

// configure writes the streamer's configuration. Its port stays the same over all runs.
func (w *world) configure() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.address = listener.Addr().String()
	_ = listener.Close() // it was only to find a port
	_, port, _ := net.SplitHostPort(w.address)
	var config strings.Builder
	fmt.Fprintf(&config, configuration, port, filepath.Join(w.dir, "state"))
	for _, l := range w.logs {
		kind := map[bool]string{false: "rfc6962", true: "tiled"}[l.Static()]
		fmt.Fprintf(&config, "- {name: %s, url: %q, submission_url: %q, key: %q, protocol: %s}\n", l.Name(), l.URL(), l.URL(),
			base64.StdEncoding.EncodeToString(l.Key()), kind)
	}
	file := filepath.Join(w.dir, "config.yaml")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(w.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w.streamer = &process{name: "the streamer", arguments: []string{w.options.streamer, "--config", file}, out: log, log: log}
	return nil
}

func (w *world) close() {
	w.stopGrowth()
	w.client.end()
	w.streamer.kill()
	_ = w.streamer.log.Close() // shown only when something failed
	w.server.Close()
}

// fill puts the address and a file into arguments.
func (w *world) fill(arguments []string) []string {
	var all []string
	for _, a := range arguments {
		all = append(all, strings.NewReplacer("ADDRESS", w.address, "FILE", filepath.Join(w.dir, "cursor")).Replace(a))
	}
	return all
}

// ready waits until the streamer serves.
func (w *world) ready(ctx context.Context) error {
	return w.until(ctx, func() bool {
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(w.request(ctx))
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

func (w *world) request(ctx context.Context) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.address+"/readyz", nil)
	if err != nil {
		panic(err) // the address is ours
	}
	return r
}

// more waits until the client has printed so many more entries.
func (w *world) more(ctx context.Context, n int) error {
	want := w.tally.count() + n
	return w.until(ctx, func() bool { return w.tally.count() >= want })
}

// complete waits until the client has printed the last entry of each log.
func (w *world) complete(ctx context.Context) error {
	return w.until(ctx, func() bool {
		for _, l := range w.logs {
			if !w.tally.reached(strings.TrimSuffix(l.URL(), "/"), l.Size()) {
				return false
			}
		}
		return true
	})
}

// until waits for a condition, as long as both processes run.
func (w *world) until(ctx context.Context, condition func() bool) error {
	for !condition() {
		pause(ctx, 20*time.Millisecond)
		if err := errors.Join(ctx.Err(), w.streamer.alive(), w.client.alive()); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// process is a program that is started anew after it was killed.
type process struct {
	name      string
	arguments []string
	out       io.Writer
	log       io.Closer
	cmd       *exec.Cmd
	ended     chan struct{}
}

// start runs it, in a process group of its own: a client may be a script that starts others.
func (p *process) start() error {
	p.cmd = exec.Command(p.arguments[0], p.arguments[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, os.Stderr
	if p.log != nil {
		p.cmd.Stderr = p.out
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", p.name, err)
	}
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // how it ended does not matter: it was killed, or it should not have ended
		close(ended)
	}(p.cmd, p.ended)
	return nil
}

// kill is kill -9, for all that it has started too. It returns when the process is gone.
func (p *process) kill() {
	if p == nil || p.ended == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
	p.cmd, p.ended = nil, nil
	if t, ok := p.out.(*tally); ok {
		t.cut()
	}
}

// end asks it to end, so that it can tidy up, before it is killed.
func (p *process) end() {
	if p == nil || p.ended == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
	}
	p.kill()
}

// alive is an error when it has ended by itself.
func (p *process) alive() error {
	if p.ended == nil {
		return nil
	}
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended by itself", p.name)
	default:
		return nil
	}
}

// tailOf is the end of a file.
func tailOf(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}
