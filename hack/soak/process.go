package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// program is a streamer binary with its configuration and state in a folder.
type program struct {
	binary, dir string
	where
	runs int
	cmd  *exec.Cmd
	// ended is closed when the process is gone; err is what it ended with.
	ended chan struct{}
	err   error
}

// build makes the streamer's binary.
func build(ctx context.Context, to string, race bool) error {
	arguments := []string{"build", "-o", to}
	if race {
		arguments = append(arguments, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(arguments, "github.com/certstream-operator/certstream-operator/cmd/streamer")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the streamer: %w: %s", err, out)
	}
	return nil
}

// newProgram writes the configuration: a common part, and what is given. The ports stay the same over all runs.
func newProgram(binary, dir string, list []byte, more string) (*program, error) {
	p := &program{binary: binary, dir: dir}
	http, err := freePort()
	if err != nil {
		return nil, err
	}
	tcp, err := freePort()
	if err != nil {
		return nil, err
	}
	p.where = where{http: "127.0.0.1:" + http, tcp: "127.0.0.1:" + tcp}
	config := fmt.Sprintf(`host: 127.0.0.1
port: %s
ct_logs_url: %s
network: {allow_private_addresses: true, allow_http: true, ca_bundle: %s}
protocols: {tcp: true, tcp_port: %s}
heartbeat_interval: 1s
%s`, http, p.path("log-list.json"), p.path("ca.pem"), tcp, more)
	return p, errors.Join(os.WriteFile(p.path("log-list.json"), list, 0o600), os.WriteFile(p.path("config.yaml"), []byte(config), 0o600))
}

func (p *program) path(name string) string { return filepath.Join(p.dir, name) }

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// start begins a run. What it logs is appended to streamer.log.
func (p *program) start() error {
	out, err := os.OpenFile(p.path("streamer.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the streamer's log: %w", err)
	}
	defer func() { _ = out.Close() }()
	p.runs++
	_, _ = fmt.Fprintf(out, "--- run %d\n", p.runs)
	p.cmd = exec.Command(p.binary, "--config", p.path("config.yaml"))
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, out, out
	p.cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("starting the streamer: %w", err)
	}
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		p.err = cmd.Wait()
		close(ended)
	}(p.cmd, p.ended)
	return nil
}

// errEarly says that the streamer ended by itself.
var errEarly = errors.New("the streamer ended by itself")

// alive is an error when the process has ended.
func (p *program) alive() error {
	select {
	case <-p.ended:
		return fmt.Errorf("%w: %w", errEarly, p.err)
	default:
		return nil
	}
}

// kill is kill -9. It returns when the process is gone.
func (p *program) kill() error {
	if err := p.alive(); err != nil {
		return err
	}
	_ = p.cmd.Process.Kill()
	<-p.ended
	return nil
}

// terminate is SIGTERM; a clean end is expected within the patience.
func (p *program) terminate(patience time.Duration) error {
	if err := p.alive(); err != nil {
		return err
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // its goroutines go to the log
		<-p.ended
		return fmt.Errorf("SIGTERM has not ended the streamer within %v", patience)
	}
	if p.err != nil {
		return fmt.Errorf("the streamer ended after SIGTERM with %w", p.err)
	}
	return nil
}

// status is what is read of /status.
type status struct {
	Epoch     string      `json:"epoch"`
	Head      uint64      `json:"head"`
	Logs      []logStatus `json:"logs"`
	Retention struct {
		Segments, Corrupt, Missed int
	} `json:"-"`
}

type logStatus struct {
	Name             string `json:"name"`
	State            string `json:"state"`
	Position         uint64 `json:"position"`
	VerifiedPosition uint64 `json:"verified_position"`
	Doubt            string `json:"doubt"`
	Unverified       string `json:"unverified"`
	LastError        string `json:"last_error"`
	Entries          uint64 `json:"entries"`
	Skipped          uint64 `json:"skipped_entries"`
	Repeats          uint64 `json:"repeated_entries"`
	Rewinds          uint64 `json:"rewinds"`
	Misbehaviours    uint64 `json:"misbehaviours"`
	Errors           uint64 `json:"errors"`
}

// get asks the streamer's public port.
func (p *program) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.http+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return body, err
}

func (p *program) status(ctx context.Context) (s status, err error) {
	body, err := p.get(ctx, "/status")
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	return s, err
}

// ready waits until the streamer serves.
func (p *program) ready(ctx context.Context) error {
	for end := time.Now().Add(time.Minute); ; pause(ctx, 10*time.Millisecond) {
		if err := errors.Join(p.alive(), ctx.Err()); err != nil {
			return err
		}
		_, err := p.get(ctx, "/readyz")
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not ready after a minute: %w", err)
		}
	}
}

// logTail is the end of what the streamer has logged.
func (p *program) logTail(n int) string {
	b, err := os.ReadFile(p.path("streamer.log"))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(string(bytes.TrimSpace(b)), "\n")
	return strings.Join(all[max(0, len(all)-n):], "\n")
}
