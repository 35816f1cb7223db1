package follow

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/certstream-operator/certstream-operator/streamer/ctlog"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/evidence"
)

func openStore(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenStore(dir, StoreOptions{Logger: quiet(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kill lets go of a store as a killed process does.
func kill(s *Store) {
	_ = s.lock.Close()
	s.lock = nil
}

// evidence are the contents of the files kept as evidence.
// kept reads all evidence back.
func kept(t *testing.T, s *Store) (all []*evidence.Evidence) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(s.dir, evidenceDir, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		f, err := os.Open(p)
		if err != nil {
			t.Fatal(err)
		}
		e, err := evidence.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
		all = append(all, e)
	}
	return all
}

var idA, idB = engine.Fingerprint{1}, engine.Fingerprint{2}

func stateAt(position uint64) LogState {
	f := ctlog.Frontier{}
	for i := range position {
		f.Append(ctlog.LeafHash(content(i, 0)))
	}
	return LogState{
		URL: "https://log.example", Name: "Log", Position: position, Verified: saveTree(f), Tip: saveTree(f),
		Head:  SavedHead{Size: position, Root: make([]byte, 32), Seen: time.Now().UTC().Truncate(time.Second)},
		Heard: time.Now().UTC().Truncate(time.Second),
	}
}

type numbers struct {
	Epoch            string
	Checkpoint, Next uint64
	Clean, Fresh     bool
}

func numbering(s *Store) (n numbers) {
	n.Epoch, n.Checkpoint, n.Next, n.Clean, n.Fresh = s.Numbering()
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestNumberingOverRestarts: an offset is never used twice in an epoch; after a clean stop it goes on exactly.
func TestNumberingOverRestarts(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	epoch := numbering(s).Epoch
	check := func(what string, s *Store, want numbers) {
		t.Helper()
		if diff := cmp.Diff(want, numbering(s)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("first start", s, numbers{Epoch: epoch, Next: 1, Fresh: true})
	must(t, s.Reserve(1000))
	must(t, s.Save(map[engine.Fingerprint]LogState{idA: stateAt(7)}, 7, false))
	kill(s)

	s = openStore(t, dir)
	check("after a kill", s, numbers{Epoch: epoch, Checkpoint: 7, Next: 1001})
	must(t, s.Reserve(2000))
	kill(s)

	s = openStore(t, dir)
	check("after a kill before the first checkpoint", s, numbers{Epoch: epoch, Checkpoint: 7, Next: 2001})
	must(t, s.Reserve(3000))
	must(t, s.Save(nil, 2010, true))
	must(t, s.Close())

	s = openStore(t, dir)
	check("after a clean stop", s, numbers{Epoch: epoch, Checkpoint: 2010, Next: 2011, Clean: true})
	kill(s)

	s = openStore(t, dir)
	check("killed before anything was numbered", s, numbers{Epoch: epoch, Checkpoint: 2010, Next: 2011, Clean: true})
	must(t, s.Reserve(4000))
	kill(s)

	s = openStore(t, dir)
	check("killed after it", s, numbers{Epoch: epoch, Checkpoint: 2010, Next: 4001})
	if got, _ := s.Log(idA); got.Position != 7 {
		t.Errorf("position %d", got.Position)
	}
	must(t, s.Close())
}

// TestTornGenerations: whichever generation is lost, the other one is used, and no offset is used twice.
func TestTornGenerations(t *testing.T) {
	tear := map[string]func(b []byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)/2] },
		"empty":   func([]byte) []byte { return nil },
		"flipped": func(b []byte) []byte { b[len(b)-5] ^= 1; return b },
		"foreign": func([]byte) []byte { return []byte("hello\n{}") },
	}
	for name, change := range tear {
		for newest := range 2 {
			t.Run(fmt.Sprintf("%s_%d", name, newest), func(t *testing.T) {
				dir := t.TempDir()
				s := openStore(t, dir)
				must(t, s.Reserve(100))
				must(t, s.Save(map[engine.Fingerprint]LogState{idA: stateAt(5)}, 5, false))
				must(t, s.Save(map[engine.Fingerprint]LogState{idA: stateAt(9), idB: stateAt(2)}, 9, false))
				torn := filepath.Join(dir, slots[(s.slot+1+newest)%2]) // s.slot is the older one
				kill(s)
				b, err := os.ReadFile(torn)
				must(t, err)
				must(t, os.WriteFile(torn, change(b), 0o600))

				s = openStore(t, dir)
				got, _ := s.Log(idA)
				want := map[bool]uint64{true: 5, false: 9}[newest == 0]
				if n := numbering(s); n.Next != 101 || n.Checkpoint != want || got.Position != want {
					t.Errorf("numbering %+v, position %d, want %d", n, got.Position, want)
				}
				must(t, s.Reserve(200))
				must(t, s.Close())
			})
		}
	}
}

func TestAllGenerationsTorn(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	must(t, s.Reserve(100))
	epoch := numbering(s).Epoch
	must(t, s.Close())
	for _, name := range slots {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("torn"), 0o600))
	}
	_, err := OpenStore(dir, StoreOptions{})
	if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "state_recovery: fresh") {
		t.Errorf("error %v", err)
	}
	s, err = OpenStore(dir, StoreOptions{Recovery: RecoverFresh})
	must(t, err)
	if n := numbering(s); !n.Fresh || n.Epoch == epoch || n.Next != 1 {
		t.Errorf("numbering %+v", n)
	}
	if _, err := os.Stat(filepath.Join(dir, slots[0]+".torn")); err != nil {
		t.Errorf("the torn state was not kept: %v", err)
	}
	must(t, s.Close())
}

func TestUnknownVersionIsNoReasonToBeginAnew(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, slots[0]), []byte("certstream-state 2 00\n{}"), 0o600))
	_, err := OpenStore(dir, StoreOptions{Recovery: RecoverFresh})
	if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), "version") {
		t.Errorf("error %v", err)
	}
}

func TestTwoStreamersNeverShareADirectory(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	if _, err := OpenStore(dir, StoreOptions{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v", err)
	}
	must(t, s.Close())
	must(t, s.Close())
	if err := s.Save(nil, 1, true); !errors.Is(err, errClosed) {
		t.Errorf("saving to a closed store: %v", err)
	}
	must(t, openStore(t, dir).Close())
}

func TestSaveKeepsWhatItIsNotTold(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	a, b := stateAt(300), stateAt(5)
	b.Verified, b.Tip = nil, nil
	must(t, s.Save(map[engine.Fingerprint]LogState{idA: a, idB: b}, 1, false))
	must(t, s.Save(map[engine.Fingerprint]LogState{idB: b}, 2, false))
	must(t, s.Close())
	s = openStore(t, dir)
	defer s.Close()
	gotA, _ := s.Log(idA)
	gotB, _ := s.Log(idB)
	if diff := cmp.Diff([]LogState{a, b}, []LogState{gotA, gotB}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	verified, _, err := gotA.trees()
	if want := (&fakeLog{}).frontier(300); err != nil || verified.Root() != want.Root() {
		t.Errorf("the frontier has changed, error %v", err)
	}
}

func TestQuietSavesWriteNothing(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	defer s.Close()
	logs := map[engine.Fingerprint]LogState{idA: stateAt(3)}
	must(t, s.Save(logs, 3, false))
	generation := s.state.Generation
	must(t, s.Save(logs, 3, false))
	if s.state.Generation != generation {
		t.Error("nothing has changed, but a generation was written")
	}
	must(t, s.Save(logs, 3, true))
	if s.state.Generation == generation {
		t.Error("the clean end was not written")
	}
}

func TestStateFileOfAPeer(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "state.json")
	body := []byte(`{"version":1,"logs":{"https://a.example/log/":{"current_index":41,"tree_size":50,"last_success":1}}}`)
	must(t, os.WriteFile(file, body, 0o400))
	stateDir, from := file+".d", file // as config.StateDir says
	open := func() *Store {
		s, err := OpenStore(stateDir, StoreOptions{ImportFrom: from, Logger: quiet(t)})
		must(t, err)
		return s
	}
	s := open()
	if index, ok := s.Imported("https://a.example/log"); !ok || index != 41 || !numbering(s).Fresh {
		t.Errorf("imported %d, %v", index, ok)
	}
	must(t, s.Reserve(10))
	must(t, s.Close())
	must(t, os.Remove(file))
	must(t, os.WriteFile(file, bytes.Replace(body, []byte("41"), []byte("44"), 1), 0o400))
	s = open()
	defer s.Close()
	if index, _ := s.Imported("http://A.example/log/"); index != 41 || stateDir != file+".d" {
		t.Errorf("imported %d: a file is imported once", index)
	}
}

func TestMissingPeerFileIsNoError(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenStore(filepath.Join(dir, "d"), StoreOptions{ImportFrom: filepath.Join(dir, "none.json")})
	must(t, err)
	must(t, s.Close())
	must(t, os.WriteFile(filepath.Join(dir, "bad.json"), []byte("[]"), 0o600))
	_, err = OpenStore(filepath.Join(dir, "e"), StoreOptions{ImportFrom: filepath.Join(dir, "bad.json")})
	if err == nil || !strings.Contains(err.Error(), "bad.json") {
		t.Errorf("error %v", err)
	}
}

func TestUnwritableDirectory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	if _, err := OpenStore(filepath.Join(file, "state"), StoreOptions{}); err == nil || !strings.Contains(err.Error(), "state.dir") {
		t.Errorf("error %v", err)
	}
	dir := t.TempDir()
	s := openStore(t, dir)
	must(t, os.Mkdir(filepath.Join(dir, slots[s.slot]+".tmp"), 0o700))
	before := numbering(s)
	if err := s.Reserve(10); err == nil {
		t.Error("reserved what could not be written")
	}
	if diff := cmp.Diff(before, numbering(s)); diff != "" {
		t.Errorf("a failed write changed the numbering:\n%s", diff)
	}
	must(t, s.Close())
}

func FuzzParseState(f *testing.F) {
	s := savedState{Epoch: "e", Logs: map[string]LogState{logKey(idA): stateAt(5)}}
	whole, err := encodeState(&s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("certstream-state 1 00\n{}"))
	f.Add([]byte("certstream-state 99 00\n"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		// The checksum keeps a fuzzer out, so what follows it is parsed too.
		if state, err := parseState(b); err == nil && state.Epoch == "" {
			t.Error("state without an epoch")
		}
		if state, err := parseBody(b); err == nil {
			for _, l := range state.Logs {
				if verified, tip, err := l.trees(); err == nil {
					verified.Root()
					tip.Append(ctlog.Hash{})
				}
			}
		}
	})
}

// TestNoStateIsWrittenThatCannotBeRead holds that a state that the next start would refuse is an error at once.
func TestNoStateIsWrittenThatCannotBeRead(t *testing.T) {
	s := &savedState{Epoch: "e", Logs: map[string]LogState{"a": {Head: SavedHead{Raw: make([]byte, maxStateFile/4*3)}}}}
	if b, err := encodeState(s); err == nil || b != nil {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}
