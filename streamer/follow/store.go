package follow

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/durable"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
)

// Recovery says what happens when no generation of the state can be read.
type Recovery string

// The ways to deal with state that cannot be read: not to start, or to begin anew.
const (
	RecoverFail  Recovery = "fail"
	RecoverFresh Recovery = "fresh"
)

// StoreOptions configure a Store.
type StoreOptions struct {
	// Recovery is RecoverFail unless set.
	Recovery Recovery
	// ImportFrom is a peer's state file that is taken over when the directory is empty; it is never written. A file that does
	// not exist is no error: the peer may never have run.
	ImportFrom string
	Logger     *slog.Logger
	// FS is where the directory is; nil means the operating system's.
	FS durable.FS
}

// ErrState is wrapped by errors about state that cannot be used.
var ErrState = errors.New("the saved state cannot be used")

// ErrInUse says that another process uses the state directory.
var ErrInUse = errors.New("the state directory is in use by another streamer")

// The files of a state directory. Generations are written to the two slots in turn, so the previous one is always there.
const (
	lockFile    = "lock"
	evidenceDir = "evidence"
)

var slots = [2]string{"checkpoint-0.state", "checkpoint-1.state"}

// Store keeps what survives a restart in a directory: each log's position and tree, and the numbering of entries. It is safe
// for concurrent use.
type Store struct {
	dir    string
	fs     durable.FS
	logger *slog.Logger
	lock   io.Closer

	mu    sync.Mutex
	state savedState
	fresh bool
	clean bool // the last run ended clean
	slot  int  // to write next: the older generation's, once there are two
	// cramped: the volume had no room for a file beside the old one.
	cramped bool
}

// OpenStore opens a state directory, which it makes when there is none, and locks it. ErrInUse and ErrState say what is wrong.
func OpenStore(dir string, o StoreOptions) (*Store, error) {
	if o.FS == nil {
		o.FS = durable.Disk{}
	}
	if err := o.FS.MkdirAll(dir); err != nil {
		return nil, fmt.Errorf("making the state directory (state.dir): %w", err)
	}
	lock, err := o.FS.Lock(filepath.Join(dir, lockFile))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("%w: %s; give each its own state.dir", ErrInUse, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the state directory (state.dir): %w", err)
	}
	s := &Store{dir: dir, fs: o.FS, lock: lock, logger: o.Logger}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if err := s.load(o); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return s, nil
}

// load reads the newest generation that is whole.
func (s *Store) load(o StoreOptions) error {
	var torn []error
	found := false
	for i, name := range slots {
		state, err := readState(s.fs, filepath.Join(s.dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, errVersion):
			return fmt.Errorf("%w: %s: %w", ErrState, name, err)
		case err != nil:
			torn = append(torn, fmt.Errorf("%s: %w", name, err))
		case !found || state.Generation > s.state.Generation:
			s.state, s.slot, found = state, 1-i, true
		}
	}
	if found {
		for _, err := range torn {
			s.logger.Warn("a generation of the state is torn; using the other one", "error", err, "saved_at", s.state.SavedAt)
		}
		if s.clean = s.state.Clean; !s.clean {
			s.state.noteHole()
		}
		return nil
	}
	if len(torn) > 0 && o.Recovery != RecoverFresh {
		return fmt.Errorf("%w: %w; restore %s from a backup, or set state_recovery: fresh to begin at the logs' heads", ErrState,
			errors.Join(torn...), s.dir)
	}
	return s.begin(o, torn)
}

// begin makes a new numbering. What could not be read is kept beside it.
func (s *Store) begin(o StoreOptions, torn []error) error {
	s.fresh = true
	s.state = savedState{Epoch: NewEpoch(), Logs: map[string]LogState{}}
	if len(torn) > 0 {
		s.logger.Error("the saved state cannot be read; beginning anew as state_recovery says", "error", errors.Join(torn...))
		for _, name := range slots {
			path := filepath.Join(s.dir, name)
			if err := s.fs.Rename(path, path+".torn"); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("setting torn state aside: %w", err)
			}
		}
		return nil
	}
	if o.ImportFrom == "" {
		return nil
	}
	f, err := os.Open(o.ImportFrom)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening the state file to import: %w", err)
	}
	defer func() { _ = f.Close() }()
	imported, err := ImportState(f)
	if err != nil {
		return fmt.Errorf("importing %s: %w", o.ImportFrom, err)
	}
	s.logger.Info("imported a peer's state", "file", o.ImportFrom, "logs", len(imported.Positions), "kind", imported.Kind)
	return s.Import(imported)
}

// NewEpoch names a new numbering: base 36, the time and some chance.
func NewEpoch() string {
	var chance [2]byte
	_, _ = rand.Read(chance[:]) // never fails
	return strconv.FormatUint(uint64(time.Now().Unix())<<16|uint64(binary.BigEndian.Uint16(chance[:])), 36)
}

// Numbering says where offsets go on. Entries above checkpointOffset are read from their logs again; nextOffset is above all
// that have ever been used in the epoch. After a clean stop it is the one after checkpointOffset. fresh: there was no state.
func (s *Store) Numbering() (epoch string, checkpointOffset, nextOffset uint64, clean, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := max(s.state.Reserved, s.state.Offset) + 1
	if s.clean {
		next = s.state.Offset + 1
	}
	return s.state.Epoch, s.state.Offset, next, s.clean, s.fresh
}

// maxHoles bounds how many unclean stops are known one by one. What clients that come back from before them are told to have
// missed is too much.
const maxHoles = 1024

// noteHole notes the offsets that the last run may have used above its checkpoint. It lasts with the next generation; until then
// each start finds the same.
func (s *savedState) noteHole() {
	s.Holes = engine.AddHole(s.Holes, engine.Hole{After: s.Offset, UpTo: s.Reserved})
	s.Holes = s.Holes[max(0, len(s.Holes)-maxHoles):]
}

// Holes are the offsets that hold nothing that counts, in order.
func (s *Store) Holes() []engine.Hole {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.state.Holes)
}

// SavedAt is when the newest generation was written; zero before the first.
func (s *Store) SavedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.SavedAt
}

// Reserve promises durably that offsets up to the one given may be in use. Both generations say so, since either may be what
// the next start reads.
func (s *Store) Reserve(upTo uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state
	next.Reserved, next.Clean = max(upTo, s.state.Reserved), false
	for range slots {
		if err := s.write(&next); err != nil {
			return fmt.Errorf("reserving offsets up to %d: %w", upTo, err)
		}
	}
	return nil
}

// Save writes a checkpoint. offset is the engine's head, read after the logs' states; logs that are not named keep theirs. A
// clean checkpoint is the last one: nothing is emitted after it.
func (s *Store) Save(logs map[engine.Fingerprint]LogState, offset uint64, clean bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state
	next.Logs = maps.Clone(s.state.Logs)
	if next.Logs == nil {
		next.Logs = map[string]LogState{}
	}
	for id, l := range logs {
		next.Logs[logKey(id)] = l
	}
	next.Offset, next.Clean = offset, clean
	if !clean && s.covers(logs, offset) {
		return nil
	}
	if err := s.write(&next); err != nil {
		return fmt.Errorf("saving the checkpoint: %w", err)
	}
	return nil
}

// quietSave is how often a checkpoint is written though nothing has changed but the time.
const quietSave = time.Minute

// covers says whether the state on disk has all that a checkpoint would say.
func (s *Store) covers(logs map[engine.Fingerprint]LogState, offset uint64) bool {
	for id, l := range logs {
		old, ok := s.state.Logs[logKey(id)]
		if !ok || old.Position != l.Position || old.Head.Size != l.Head.Size || (old.Tip == nil) != (l.Tip == nil) {
			return false
		}
		if old.Joined != l.Joined || !reflect.DeepEqual(old.Open, l.Open) || (old.Anchor == nil) != (l.Anchor == nil) || !reflect.DeepEqual(old.Misbehaviour, l.Misbehaviour) {
			return false
		}
		if l.Verified != nil && l.Verified.Size != old.Verified.Size {
			return false
		}
	}
	return offset == s.state.Offset && !s.state.Clean && time.Since(s.state.SavedAt) < quietSave
}

// Import takes over positions, by URL, for logs that have never been followed. Those of earlier imports stay where this one has
// none.
func (s *Store) Import(i Imported) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state
	next.Imported = make(map[string]uint64, len(s.state.Imported)+len(i.Positions))
	maps.Copy(next.Imported, s.state.Imported)
	maps.Copy(next.Imported, i.Positions)
	if err := s.write(&next); err != nil {
		return fmt.Errorf("saving imported positions: %w", err)
	}
	return nil
}

// Imported is the next index to read of a log, as imported from a peer.
func (s *Store) Imported(url string) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	index, ok := s.state.Imported[normalURL(url)]
	return index, ok
}

// Log is what was last saved of a log.
func (s *Store) Log(id engine.Fingerprint) (LogState, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.state.Logs[logKey(id)]
	return l, ok
}

// Close unlocks the directory. It saves nothing: the last checkpoint is the supervisor's.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return nil
	}
	err := s.lock.Close()
	s.lock = nil
	return err
}

// write writes a generation to the older slot and makes it the state. Called with mu held.
func (s *Store) write(next *savedState) error {
	if s.lock == nil {
		return errClosed
	}
	next.Generation = s.state.Generation + 1
	next.SavedAt = time.Now().UTC()
	b, err := encodeState(next)
	if err != nil {
		return err
	}
	if err := s.put(filepath.Join(s.dir, slots[s.slot]), b); err != nil {
		return err
	}
	s.state, s.slot = *next, 1-s.slot
	return nil
}

func logKey(id engine.Fingerprint) string { return hex.EncodeToString(id[:]) }
