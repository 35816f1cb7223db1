package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is another role of this command. It is told what to do by lines, and answers each with a line of JSON.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(ctx context.Context, role string, params any) (*process, error) {
	return startUnder(ctx, nil, role, params)
}

// startUnder starts a role by another command, such as nice.
func startUnder(ctx context.Context, wrapper []string, role string, params any) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this command: %w", err)
	}
	text, err := json.Marshal(params)
	if err != nil {
		return nil, fmt.Errorf("writing parameters: %w", err)
	}
	command := append(slices.Clone(wrapper), self, "-role", role, "-params", string(text))
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", role, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", role, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", role, err)
	}
	return &process{cmd: cmd, in: in, out: bufio.NewScanner(out)}, nil
}

// ask sends a command and reads the answer.
func (p *process) ask(command string, answer any) error {
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		return fmt.Errorf("asking for %s: %w", command, err)
	}
	if !p.out.Scan() {
		return fmt.Errorf("asking for %s: the process has ended", command)
	}
	if err := json.Unmarshal(p.out.Bytes(), answer); err != nil {
		return fmt.Errorf("asking for %s: %q: %w", command, p.out.Text(), err)
	}
	return nil
}

// stop ends the process and waits for it.
func (p *process) stop() {
	_ = p.in.Close()
	_ = p.cmd.Wait() // it has answered all that was asked
}

// answer serves commands until stdin ends.
func answer(commands map[string]func() (any, error)) error {
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		command, ok := commands[lines.Text()]
		if !ok {
			return fmt.Errorf("unknown command %q", lines.Text())
		}
		result, err := command()
		if err != nil {
			return err
		}
		if err := out.Encode(result); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
	return lines.Err()
}

// usage is what a process has used.
type usage struct {
	CPU time.Duration
	// RSS is resident memory, Heap and Stack what Go has in use, in bytes.
	RSS, Heap, Stack int
}

func used() usage {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // it cannot fail for oneself
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano()), RSS: rss(), Heap: int(m.HeapAlloc), Stack: int(m.StackInuse)}
}

// rss is the process's resident memory, 0 where it cannot be known.
func rss() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib << 10
		}
	}
	return 0
}
