package streamer_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// replayer comes back for everything after a cursor, through a filter, and reads into the live stream.
type replayer struct {
	ws   *websocket.Conn
	path string
	log  string // the only log it gets; empty for all
	had  map[string]bool
	got  map[string]int
}

// read reads until it has everything up to an index of both logs; each entry comes once at most, per log in order.
func (c *replayer) read(upTo int) error {
	last, missing := map[string]uint64{}, c.missing(upTo)
	for end := time.Now().Add(patience); missing > 0; {
		var m received
		_ = c.ws.SetReadDeadline(end)
		if err := c.ws.ReadJSON(&m); err != nil || time.Now().After(end) {
			return fmt.Errorf("%s: %d are missing: %w", c.path, missing, err)
		}
		switch m.Type {
		case "gap":
			return fmt.Errorf("%s: a gap: %s", c.path, m.Data)
		case "certificate_update":
			var e certificate
			if err := json.Unmarshal(m.Data, &e); err != nil {
				return err
			}
			if before, ok := last[e.Source.Name]; ok && e.Index <= before {
				return fmt.Errorf("%s: index %d of %s comes after %d", c.path, e.Index, e.Source.Name, before)
			}
			if c.log != "" && c.log != e.Source.Name {
				return fmt.Errorf("%s lets %s through", c.path, e.Source.Name)
			}
			last[e.Source.Name], end = e.Index, time.Now().Add(patience) // slow is not wrong
			if c.got[e.key()]++; !c.had[e.key()] && int(e.Index) < upTo {
				missing--
			}
		}
	}
	return nil
}

// missing is how many entries of indexes below one the client has not had.
func (c *replayer) missing(upTo int) (n int) {
	for _, log := range []string{"Classic", "Tiled"} {
		for index := 0; index < upTo && (c.log == "" || c.log == log); index++ {
			if !c.had[fmt.Sprintf("%s/%d", log, index)] {
				n++
			}
		}
	}
	return n
}

// TestReplayJoinsLive lets the streamer be killed, at any moment, and go on, while logs grow; clients come back with any cursor
// they have had, on any stream and through filters, and read from disk over the window into the live stream: everything, once,
// in order, without a gap.
func TestReplayJoinsLive(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	replayJoinsLive(t, rand.New(rand.NewPCG(seed, 0)))
}

func replayJoinsLive(t *testing.T, chance *rand.Rand) {
	w := newWorld(t)
	state, grown := filepath.Join(w.dir, "state"), 0
	w.configure(t, stateIn(state)+retained)
	r := w.start(t)
	type point struct {
		cursor string
		had    map[string]bool
	}
	var points []point
	seen := map[string]int{}
	note := func(cursor string) {
		had := map[string]bool{}
		for key := range seen {
			had[key] = true
		}
		points = append(points, point{cursor, had})
	}
	for crash := range 3 {
		ws := r.dial(t, "/")
		if cursor := next(t, ws).Cursor; crash == 0 {
			note(cursor)
		} else {
			ws = r.dial(t, "/?since="+points[len(points)-1].cursor)
		}
		for range 2 + chance.IntN(5) {
			n := 256 * (1 + chance.IntN(2))
			w.grow(n)
			grown += n
			note(collect(t, ws, seen, 2*grown))
		}
		crashed := filepath.Join(w.dir, fmt.Sprint("crashed", crash))
		time.Sleep(time.Duration(chance.IntN(300)) * time.Millisecond) // anywhere between two checkpoints
		if err := os.CopyFS(crashed, os.DirFS(state)); err != nil {
			t.Fatal(err)
		}
		r.end()
		state = crashed
		w.configure(t, stateIn(state)+retained)
		r = w.start(t)
	}
	var all sync.WaitGroup
	more := 256 * (2 + chance.IntN(4))
	for range 8 {
		p := points[chance.IntN(len(points))]
		c := &replayer{had: p.had, got: map[string]int{}, path: []string{"/", "/full-stream"}[chance.IntN(2)] + "?since=" + p.cursor + "&dedup=0"}
		if chance.IntN(2) == 0 {
			c.log = []string{"Classic", "Tiled"}[chance.IntN(2)]
			c.path += "&source=" + strings.ToLower(c.log)
		}
		c.ws = r.dial(t, c.path)
		all.Go(func() {
			if err := c.read(grown + more); err != nil {
				t.Error(err)
			}
		})
	}
	for n := 0; n < more; n += 128 {
		w.grow(128)
		time.Sleep(time.Duration(chance.IntN(20)) * time.Millisecond)
	}
	all.Wait()
}
