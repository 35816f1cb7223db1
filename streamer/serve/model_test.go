package serve

import (
	"fmt"
	"strings"
	"testing"
)

// The fan-out to one client as a state machine, explored whole within small bounds; docs/fanout.md has it in words. A step is what
// the code does in one piece: under conn.mu, or by one atomic load or store. A frame is two units long, so that it can be cut.

// place is where the client's own goroutine is.
type place uint8

const (
	away     place = iota // there is none
	writes                // advance
	seeks                 // catchUp: looks into the feed
	replays               // catchUp: reads from the engine
	skips                 // catchUp: tells of a gap
	restHead              // rest, after atHead
	restMore              // rest, after behind or turnOver
	restOver              // rest, after over
)

// world is the state of everything. It is comparable.
type world struct {
	mistake mistake
	// The feed shows frames beyond kept up to shown; the engine has entries beyond oldest. waking: shown, but nobody is woken yet.
	shown, kept, oldest int8
	waking              bool
	// The worker: a wake-up waits for it, a turn, it is about to visit, it has seen the view that ends here.
	signal, turn, visits, notes bool
	seen                        int8
	// The client, as conn has it; run is what its goroutine has made again: entries beyond from up to to.
	state        state
	at           place
	joined       bool
	next, offset int8
	out          string
	from, to     int8
	bye, flush   bool
	room         int8 // units that the socket takes
	// The peer has read everything up to heard, and half of a frame.
	heard int8
	half  byte
	fault string
	// What the environment has done already.
	left, poked bool
}

// mistake is one that the exploration must find.
type mistake uint8

const (
	none mistake = iota
	parksUnseen
	forgetsRest
	countsLate
	joinsBehind
	wakesFirst
	seesLate
	breaksIn
	gapTooShort
)

// Bounds of the exploration.
const (
	modelEntries = 3
	modelFeed    = 1 // frames kept
	modelWindow  = 2 // entries kept
	modelRoom    = 2
)

// Frames that are no entries begin with these units; a gap's units are gapUnit plus the offsets where it begins and ends.
const (
	gapUnit     = 100
	controlUnit = 200
	byeUnit     = 202
)

func units(first byte) string { return string([]byte{first, first + 1}) }

// hear is the peer, and the oracle: whole frames, entries one after the other, or a gap of exactly those that are missing.
func (w *world) hear(unit byte) {
	first := w.half
	if first == 0 {
		w.half = unit
		return
	}
	w.half = 0
	switch {
	case first < gapUnit && unit == first+1 && first == byte(2*w.heard+2):
		w.heard++
	case first >= gapUnit && first < controlUnit && int8(first-gapUnit) == w.heard && int8(unit-gapUnit) > w.heard:
		w.heard = int8(unit - gapUnit)
	case first == controlUnit && unit == controlUnit+1:
	case first == byeUnit && unit == byeUnit+1:
	default:
		w.fault = fmt.Sprintf("after entry %d came units %d and %d", w.heard, first, unit)
	}
}

// write is the socket: it takes what it has room for.
func (w *world) write(b string) (rest string, p progress) {
	n := min(len(b), int(w.room))
	for _, unit := range []byte(b[:n]) {
		w.hear(unit)
	}
	w.room -= int8(n)
	if n < len(b) {
		return b[n:], full
	}
	return "", turnOver
}

// step is conn.step.
func (w *world) step() (p progress) {
	switch {
	case w.out != "":
		w.out, p = w.write(w.out)
		return p
	case w.bye && !w.flush:
		return over
	case w.from < w.to:
		return w.stepFrame(w.from+1, &w.from)
	case !w.joined, w.next <= w.kept:
		w.joined = false
		return behind
	case w.next <= w.shown:
		before := w.next - 1
		p := w.stepFrame(w.next, &before)
		w.next = before + 1
		return p
	case w.bye:
		w.out, w.flush = units(byeUnit), false
		return turnOver
	}
	return atHead
}

// stepFrame is stepRun for one frame.
func (w *world) stepFrame(entry int8, done *int8) progress {
	whole := units(byte(2 * entry))
	rest, p := w.write(whole)
	if rest == whole {
		return p
	}
	*done = entry
	if w.mistake != countsLate || rest == "" {
		w.offset = max(w.offset, entry)
	}
	if w.mistake != forgetsRest {
		w.out = rest
	}
	return p
}

// push is conn.push; a turn may be over after any number of writes.
func (w *world) push(writes int) progress {
	for range writes {
		if p := w.step(); p != turnOver {
			return p
		}
	}
	return turnOver
}

// manyWrites are more than there can be.
const manyWrites = 20

// settle is conn.settle.
func (w *world) settle(p progress) {
	switch p {
	case turnOver:
		w.turn, w.signal = true, true
	case full, behind:
		w.state, w.at = running, writes
	case over:
		w.state, w.out = ended, ""
	}
}

// nexts are the worlds that one step of the program leads to.
func (w world) nexts() (all []world) {
	step := func(change func(*world)) {
		next := w
		change(&next)
		all = append(all, next)
	}
	if w.waking {
		step(func(w *world) {
			if w.waking, w.signal = false, w.signal || w.mistake != wakesFirst; w.mistake == wakesFirst {
				w.show()
			}
		})
	}
	switch {
	case w.notes:
		step(func(w *world) { w.notes, w.seen = false, w.shown })
	case w.visits:
		for _, n := range []int{1, manyWrites} {
			step(func(w *world) { w.visit(n) })
		}
	case w.signal:
		step(func(w *world) {
			w.signal, w.visits, w.turn = false, w.turn || w.seen != w.shown, false
			if w.mistake != seesLate {
				w.seen = w.shown
			}
		})
	}
	w.runs(step)
	return all
}

// visit is conn.visit, and nudge.
func (w *world) visit(n int) {
	if w.visits = false; w.state == parked {
		w.settle(w.push(n))
	}
	w.notes = w.mistake == seesLate
}

// runs are the steps of conn.run.
func (w world) runs(step func(func(*world))) {
	switch w.at {
	case writes:
		if w.state == ended {
			step(func(w *world) { w.at = restMore })
			return
		}
		for _, n := range []int{1, manyWrites} {
			step(func(w *world) { w.advance(n) })
		}
	case seeks:
		step(func(w *world) {
			since := w.kept
			if w.mistake == joinsBehind {
				since--
			}
			if w.at = replays; w.offset >= since {
				w.joined, w.next, w.at = true, max(w.offset, w.kept)+1, restMore
			}
		})
	case replays:
		if w.offset < w.oldest {
			step(func(w *world) { w.at = skips })
			return
		}
		for to := w.offset + 1; to <= w.shown; to++ {
			step(func(w *world) { w.from, w.to, w.at = w.offset, to, restMore })
		}
	case skips:
		step(func(w *world) {
			to := w.shown
			w.out += string([]byte{gapUnit + byte(w.offset), gapUnit + byte(to)})
			if w.mistake == gapTooShort {
				to = w.oldest
			}
			w.offset, w.at = to, restMore
		})
	case restHead, restMore, restOver:
		step((*world).rest)
	}
}

// advance is conn.advance: it waits in the socket when that is full, and drops what it has made again.
func (w *world) advance(n int) {
	switch w.push(n) {
	case full:
		w.from, w.to = 0, 0
	case behind:
		w.at = seeks
	case atHead:
		w.at = restHead
	case over:
		w.at = restOver
	default:
		w.at = restMore
	}
}

// rest is conn.rest.
func (w *world) rest() {
	at := w.at
	switch w.at = away; {
	case w.state == ended:
	case at == restOver:
		w.state, w.out = ended, ""
	case at == restMore:
		w.at = writes
	case w.mistake != parksUnseen && (w.out != "" || w.bye || !w.joined || w.next != w.shown+1):
		w.at = writes
	default:
		w.state = parked
	}
}

// happens are the worlds that something from outside leads to: entries, trims, a socket that takes more, pings, closes, resets.
func (w world) happens() (all []world) {
	step := func(possible bool, change func(*world)) {
		if next := w; possible {
			change(&next)
			all = append(all, next)
		}
	}
	step(!w.waking && w.shown < modelEntries, (*world).publish)
	step(w.kept < w.shown, func(w *world) { w.kept++ })
	step(w.oldest < w.shown, func(w *world) { w.oldest++ })
	step(w.room < modelRoom, func(w *world) { w.room++ })
	step(!w.poked && !w.bye && w.state != ended, func(w *world) {
		w.poked = true
		if w.mistake == breaksIn {
			w.write(units(controlUnit))
			return
		}
		w.out += units(controlUnit)
		w.nudge()
	})
	for _, flush := range []bool{false, true} {
		step(!w.left && w.state != ended, func(w *world) {
			w.left, w.bye, w.flush = true, true, flush
			if !flush {
				w.out += units(byeUnit)
			}
			w.nudge()
		})
	}
	step(!w.left && w.state != ended, func(w *world) { w.left, w.state, w.out = true, ended, "" })
	return all
}

func (w *world) nudge() {
	if w.state == parked {
		w.settle(w.push(manyWrites))
	}
}

func (w *world) publish() {
	if w.waking = true; w.mistake == wakesFirst {
		w.signal = true
		return
	}
	w.show()
}

func (w *world) show() {
	w.shown++
	w.kept, w.oldest = max(w.kept, w.shown-modelFeed), max(w.oldest, w.shown-modelWindow)
}

// wrong says what is wrong with a world, given that the program has no step left to take.
func (w *world) wrong() string {
	switch {
	case w.state == ended:
		return ""
	case w.state == running && w.at == away:
		return "the client has been forgotten"
	case w.heard != w.shown || w.out != "" || w.half != 0:
		return fmt.Sprintf("nobody goes on at entry %d of %d", w.heard, w.shown)
	case w.bye:
		return "nobody says goodbye"
	}
	return ""
}

// explore visits all worlds, and returns how many there are and the first fault.
func explore(m mistake) (visited int, fault string) {
	type known struct {
		world  world
		parent int
	}
	var list []known
	seen := map[world]bool{}
	reach := func(w world, parent int) {
		if !seen[w] {
			seen[w] = true
			list = append(list, known{w, parent})
		}
	}
	for joined := range int8(2) { // whoever resumes begins behind
		reach(world{mistake: m, shown: 1, seen: 1, joined: joined == 1, next: 2, offset: joined, heard: joined, room: modelRoom,
			signal: true, turn: true}, -1)
	}
	for i := 0; i < len(list); i++ {
		w := list[i].world
		nexts := w.nexts()
		if w.fault == "" && len(nexts) == 0 && w.room == modelRoom {
			w.fault = w.wrong()
		}
		if w.fault != "" {
			var path strings.Builder
			for at := i; at >= 0; at = list[at].parent {
				fmt.Fprintf(&path, "\n%+v", list[at].world)
			}
			return len(list), w.fault + path.String()
		}
		for _, next := range append(nexts, w.happens()...) {
			reach(next, i)
		}
	}
	return len(list), ""
}

// TestModel: whatever the order of events, the peer reads whole frames without a hole or a repetition, and nothing is left over.
func TestModel(t *testing.T) {
	visited, fault := explore(none)
	if fault != "" {
		t.Error(fault)
	}
	t.Logf("%d states", visited)
}

// TestModelFindsMistakes: the model is worth something only if it fails where the code would be wrong.
func TestModelFindsMistakes(t *testing.T) {
	for m, name := range map[mistake]string{
		parksUnseen: "parks without looking at the feed again",
		forgetsRest: "forgets the rest of a frame that was cut",
		countsLate:  "does not count a frame that was cut as begun",
		joinsBehind: "joins a feed that lacks a frame",
		wakesFirst:  "wakes the worker before it shows the frames",
		seesLate:    "notes what a pass has seen after the pass",
		breaksIn:    "writes a control frame into another frame",
		gapTooShort: "tells of another gap than it skips",
	} {
		if _, fault := explore(m); fault == "" {
			t.Errorf("a server that %s passes", name)
		} else {
			t.Logf("%s: %s", name, strings.SplitN(fault, "\n", 2)[0])
		}
	}
}
