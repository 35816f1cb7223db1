package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asWriter has the test binary write segments into a folder until it is killed, and say on its output what is on disk.
const asWriter = "ENGINE_TEST_WRITE_INTO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asWriter); dir != "" {
		if err := writeForever(dir, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// segmentsIn opens segments on the real disk.
func segmentsIn(dir string, n Numbering) (*Window, *Segments, error) {
	w := NewWindow(WindowOptions{MaxBytes: MinWindow, Numbering: n})
	s, err := NewSegments(SegmentOptions{Dir: dir, Limits: SegmentLimits{MaxBytes: plenty}, Window: w,
		Issuers: NewIssuers(1<<20, upper), Log: slog.New(slog.DiscardHandler), segment: 300 << 10})
	return w, s, err
}

// writeForever appends entries whose index is their place in the stream. The lines are the checkpoint: an index and an offset.
func writeForever(dir string, out io.Writer) error {
	var begin struct {
		Numbering
		Index uint64
	}
	if err := json.Unmarshal([]byte(os.Getenv("ENGINE_TEST_BEGIN")), &begin); err != nil {
		return err
	}
	index := begin.Index
	w, s, err := segmentsIn(dir, begin.Numbering)
	if err != nil {
		return err
	}
	go s.Run(context.Background())
	for {
		for range 50 {
			index++
			last, _, err := w.Append(context.Background(), []Entry{source(index, 900)})
			if err != nil {
				return err
			}
			w.Consumed(last)
		}
		if err := s.Sync(context.Background(), w.Head()); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, w.Head(), index); err != nil {
			return err
		}
	}
}

// TestSegmentsKill9 kills a process that writes, again and again, at whatever moment it is. All that it said to be on disk is
// there, once, in order, with nothing in between.
func TestSegmentsKill9(t *testing.T) {
	dir, cycles := t.TempDir(), 10
	if testing.Short() {
		cycles = 2
	}
	n, index := Numbering{Epoch: "e1", Next: 1}, uint64(0)
	for cycle := range cycles {
		c := exec.Command(os.Args[0])
		begin, err := json.Marshal(map[string]any{"Epoch": n.Epoch, "Checkpoint": n.Checkpoint, "Next": n.Next, "Holes": n.Holes, "Index": index})
		if err != nil {
			t.Fatal(err)
		}
		c.Env = append(os.Environ(), asWriter+"="+dir, "ENGINE_TEST_BEGIN="+string(begin))
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var errs strings.Builder
		c.Stderr = &errs
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 3 + cycle%5 {
			if !lines.Scan() {
				break
			}
		}
		time.Sleep(time.Duration(cycle) * 300 * time.Microsecond) // somewhere in the next round
		_ = c.Process.Kill()
		text := lines.Text()
		for lines.Scan() {
			if strings.Count(lines.Text(), " ") == 1 {
				text = lines.Text()
			}
		}
		_ = c.Wait() // killed
		if _, err := fmt.Sscan(text, &n.Checkpoint, &index); err != nil {
			t.Fatalf("cycle %d: %q: %v; %s", cycle, text, err, errs.String())
		}
		n.Next = n.Checkpoint + 100_000 // as a reservation has it
		verifyKilled(t, dir, n, index)
		n.Holes = AddHole(n.Holes, Hole{n.Checkpoint, n.Next - 1})
	}
}

func verifyKilled(t *testing.T, dir string, numbering Numbering, index uint64) {
	t.Helper()
	w, s, err := segmentsIn(dir, numbering)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, w, source(index+1, 100)) // something new, so that the window has an end
	w.Consumed(w.Head())
	r := NewRetained(s)
	buf := make([]Entry, 100)
	after, want := uint64(0), uint64(1)
	for {
		n, err := r.Read(after, buf)
		if err != nil {
			t.Fatalf("after offset %d (checkpoint %d): %v", after, numbering.Checkpoint, err)
		}
		if n == 0 {
			break
		}
		for _, e := range buf[:n] {
			if e.Index != want {
				t.Fatalf("after offset %d came index %d, want %d", after, e.Index, want)
			}
			after, want = e.Offset, want+1
		}
	}
	if want != index+2 {
		t.Errorf("the last index is %d, want %d", want-1, index+1)
	}
	s.Close()
}
