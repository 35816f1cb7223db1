package follow

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/faultfs"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// TestCheckpointsOnAFullVolume: others have filled the volume to the last byte. Checkpoints go on in the space that they have, and
// the power may fail in any call: what is read then is the last one that was acknowledged, or the one that was being written.
func TestCheckpointsOnAFullVolume(t *testing.T) {
	disk := faultfs.New(3)
	var log bytes.Buffer
	options := StoreOptions{FS: disk, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	save := func(s *Store, offset uint64) error {
		return s.Save(map[engine.Fingerprint]LogState{idA: stateAt(offset % 50)}, offset, false)
	}
	s, err := OpenStore("/state", options)
	must(t, err)
	must(t, s.Reserve(1<<40))
	must(t, save(s, 1))
	disk.Room = 0
	last := uint64(2)
	must(t, save(s, last))
	cuts := 0
	for n := 1; n < 200; n++ {
		disk.FailAfter(1 + n%12)
		tried := last
		for err == nil {
			tried++
			if err = save(s, tried); err == nil {
				last = tried
			}
		}
		cuts++
		disk.PowerCut()
		s, err = OpenStore("/state", options)
		must(t, err)
		if _, got, _, _, _ := s.Numbering(); got != last && got != tried {
			t.Fatalf("cut %d: read checkpoint %d; %d was acknowledged, %d tried", n, got, last, tried)
		} else {
			last = got
		}
	}
	disk.Room = -1
	must(t, save(s, last+1))
	if text := log.String(); !strings.Contains(text, "volume is full") {
		t.Errorf("the log does not say it: %s", text)
	}
	log.Reset()
	disk.Room = 0
	must(t, save(s, last+2))
	must(t, save(s, last+3))
	disk.Room = -1
	must(t, save(s, last+4))
	if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "has room again") {
		t.Errorf("full and not: %s", text)
	}
	t.Logf("%d power cuts on a full volume", cuts)
}

// TestFill: a state file that is made longer is one still, and a longer state does not go into a shorter file.
func TestFill(t *testing.T) {
	s := savedState{Epoch: "e", Logs: map[string]LogState{logKey(idA): stateAt(5)}}
	b, err := encodeState(&s)
	must(t, err)
	for _, size := range []int{0, len(b), len(b) + 1, 64 << 10} {
		long := fill(b, size)
		if got, err := parseState(long); err != nil || got.Epoch != "e" || len(long) != max(size, len(b)) {
			t.Errorf("filled to %d bytes: %d, %v", size, len(long), err)
		}
	}
	store := openStore(t, t.TempDir())
	defer func() { must(t, store.Close()) }()
	path := store.dir + "/short"
	must(t, os.WriteFile(path, []byte("short"), 0o600))
	if err := store.overwrite(path, b); err == nil {
		t.Error("a longer state was written over a shorter file")
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "short" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestCheckpointsAgain: the log says that checkpoints cannot be written, and that they can be again.
func TestCheckpointsAgain(t *testing.T) {
	disk := faultfs.New(4)
	store, err := OpenStore("/state", StoreOptions{FS: disk})
	must(t, err)
	var log bytes.Buffer
	s := New(Options{Engine: &fakeEngine{}, Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	s.checkpointDue(t.Context())
	for i, broken := range []bool{true, true, false, false} {
		disk.Fail(nil)
		if broken {
			disk.Fail(func(string) error { return syscall.EIO })
		}
		s.parked[idA] = stateAt(uint64(i + 1)) // there is something to write
		s.checkpointDue(t.Context())
	}
	if text := log.String(); strings.Count(text, "writing the checkpoint") != 2 || strings.Count(text, "checkpoints are written again") != 1 {
		t.Errorf("%s", text)
	}
}
