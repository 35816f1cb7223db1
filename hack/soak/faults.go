package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/certstream-operator/certstream-operator/internal/testlog"
)

// faultConfig is the streamer's configuration in the fault soak: the defaults, but for waits after failures that would be most of a
// soak of some minutes.
const faultConfig = `state: {dir: state}
retention: {max_bytes: 64MiB}
window: {size: 4MiB}
log_list: {refresh_interval: 1m}
ct_log: {start: 'index:0', poll_interval_ms: 1000, partial_tile_interval: 10s, requests_per_second: 50, retry_initial_delay_ms: 200, retry_max_delay_ms: 5000, request_timeout_secs: 5, operators: {trustasia: {tiles: true, requests_per_second: 50}}}
`

// healing is how long the streamer may take to find out and put right what a log served wrongly: it rewinds after five minutes.
const healing = 6 * time.Minute

// faultRun is the fault soak.
type faultRun struct {
	run
	begin   time.Time
	samples []sample
	lists   map[string]int
}

func faultLogs() []testlog.Options {
	return []testlog.Options{
		{Name: "Classic 0", Operator: "A", MaxGetEntries: 64},
		{Name: "Classic 1", Operator: "B", Align: true},
		{Name: "Hybrid 2", Operator: "TrustAsia", Static: true, Hybrid: true},
		{Name: "Liar 3", Operator: "C"},
		{Name: "Tiled 4", Operator: "A", Static: true, DropPartials: true, MMD: 600},
		{Name: "Tiled 5", Operator: "B", Static: true, PlainTiles: true, MMD: 600},
		{Name: "Tiled 6", Operator: "D", Static: true, MMD: 600},
		{Name: "Liar 7", Operator: "C", Static: true, MMD: 600},
	}
}

// secureLogs speak TLS and HTTP/2.
var secureLogs = map[string]bool{"Classic 1": true, "Tiled 5": true}

func collectorsOfFaults() []plan {
	return []plan{
		{wish{"ws", "full", false}, habit{}},
		{wish{"sse", "lite", false}, habit{hopEvery: 20000, napFor: 5 * time.Second}},
		{wish{"tcp", "domains", false}, habit{}},
		{wish{"ws", "lite", true}, habit{hopEvery: 2000, napFor: 5 * time.Second, library: true}},
	}
}

// faultSoak runs the fault soak.
func faultSoak(ctx context.Context, o options, out io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	f := &faultRun{run: run{o: o, out: out, w: newWorld(o.seed, faultLogs()), l: newLedger(), stop: stop}, lists: map[string]int{}}
	for _, l := range f.w.logs {
		l.secure = secureLogs[l.Name()]
	}
	defer f.w.close()
	fmt.Fprintf(out, "fault soak: seed %d, %v, %d logs growing by %g entries/s each\n", o.seed, o.duration, len(f.w.logs), o.rate)
	if err := f.setUp(ctx, faultConfig); err != nil {
		return err
	}
	f.begin = time.Now()
	if err := f.all(ctx); err != nil && (ctx.Err() == nil || len(f.broken) == 0) {
		f.fail("%v", err)
	}
	return f.end("fault soak")
}

// all is the soak from the start to the judgement.
func (f *faultRun) all(ctx context.Context) error {
	if err := f.p.start(); err != nil {
		return err
	}
	defer func() { _ = f.p.kill() }()
	if err := f.p.ready(ctx); err != nil {
		return err
	}
	collecting, stopCollecting := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer stopCollecting()
	if err := f.gather(collecting, &readers, collectorsOfFaults(), true); err != nil {
		return err
	}
	if err := f.soak(ctx); err != nil {
		return err
	}
	fmt.Fprintln(f.out, "no more faults; what was served wrongly is read again after five minutes")
	if err := f.caughtUp(ctx, 2*healing); err != nil {
		return err
	}
	took := time.Since(f.begin)
	s, err := f.p.status(ctx)
	if err != nil {
		return err
	}
	stopCollecting()
	readers.Wait()
	for _, c := range f.collectors {
		c.judge()
	}
	f.judgeLogs(s, took)
	f.judgeEvidence()
	f.summary(took)
	return f.p.terminate(time.Minute)
}

// soak lets the logs grow and misbehave for the duration.
func (f *faultRun) soak(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, f.o.duration)
	defer stop()
	var wait sync.WaitGroup
	wait.Go(func() { f.w.grow(ctx, f.o.rate) })
	wait.Go(func() { f.samples = f.p.sampler(ctx, 2*time.Second) })
	wait.Go(func() { f.lists = f.troubleLists(ctx, newRand(f.o.seed, 3)) })
	wait.Go(func() { f.lie(ctx) })
	wait.Go(func() {
		f.trouble(ctx, trouble{longest: 12 * time.Second, rest: 5 * time.Second, usable: f.usable}, f.o.seed)
	})
	for pause(ctx, f.o.duration/20) {
		if err := f.p.alive(); err != nil {
			stop()
			wait.Wait()
			return err
		}
		fmt.Fprintf(f.out, "%v, %d entries, %d offsets\n", time.Since(f.begin).Round(time.Second), f.w.entries(), f.l.size())
	}
	wait.Wait()
	return nil
}

// usable leaves out the rows that take minutes to heal: of liars, which must have been proved before they lie, and towards the end.
func (f *faultRun) usable(l *growing, r row) bool {
	return !r.doubtful || !l.liar() && time.Since(f.begin) < max(f.o.duration-healing, f.o.duration/3)
}

// liar says that a log is to lie. All others are honest, whatever happens to them, and must not be accused.
func (l *growing) liar() bool { return l.Name()[:4] == "Liar" }

// lie has the liars lie at half-time: one signs two roots for one size (row 11), one forks (row 15).
func (f *faultRun) lie(ctx context.Context) {
	if !pause(ctx, f.o.duration/2) {
		return
	}
	for _, l := range f.w.logs {
		if !l.liar() {
			continue
		}
		l.turn.Lock() // no faults meanwhile
		f.lieOnce(ctx, l)
		l.turn.Unlock()
	}
}

// lieOnce lies to a streamer that has read and proved all there is, until it has looked at some heads.
func (f *faultRun) lieOnce(ctx context.Context, l *growing) {
	l.Freeze()
	err := f.until(ctx, healing, func() string {
		s, err := f.p.status(ctx)
		if err != nil {
			return err.Error()
		}
		for _, said := range s.Logs {
			if said.Name == l.Name() && said.VerifiedPosition == l.Head().Size {
				return ""
			}
		}
		return "the streamer has not proved " + l.Name()
	})
	if err != nil {
		l.Thaw()
		f.say("no lie: %v", err) // judgeLogs tells
		return
	}
	f.say("%s lies", l.Name())
	if l.Static() {
		l.Thaw()
		fork := l.Fork(l.Head().Size)
		for range 50 {
			fork.Append(l.nameless[0])
		}
		fork.Publish()
		l.SplitView(fork)
	} else {
		head := l.Head()
		head.Root[0] ^= 1
		l.PublishHead(head.Size, uint64(time.Now().UnixMilli()), head.Root)
	}
	seen := l.asked().heads
	err = f.until(ctx, healing, func() string {
		if l.asked().heads < seen+6 {
			return "few heads were looked at"
		}
		return ""
	})
	f.say("%s is honest again (%v)", l.Name(), err)
	l.Faults.Clear()
	l.Thaw()
}

// troubleLists spoils the log list (row 40) or takes a log from it (row 38) for longer than its interval, now and then.
func (f *faultRun) troubleLists(ctx context.Context, rng *rand.Rand) map[string]int {
	counts := map[string]int{}
	for pause(ctx, time.Duration(20+rng.IntN(40))*time.Second) {
		list := f.w.list()
		what := "half a list (row 40)"
		spoilt := list[:len(list)/2]
		if rng.IntN(2) == 0 {
			what = "a log removed and put back (row 38)"
			honest := slices.DeleteFunc(slices.Clone(f.w.logs), (*growing).liar)
			gone := honest[rng.IntN(len(honest))]
			left := world{logs: slices.DeleteFunc(slices.Clone(f.w.logs), func(l *growing) bool { return l == gone })}
			spoilt = left.list()
		}
		counts[what]++
		f.say("%s", what)
		f.writeList(spoilt)
		pause(ctx, 80*time.Second)
		f.writeList(list)
	}
	return counts
}

func (f *faultRun) writeList(list []byte) {
	at := f.p.path("log-list.json")
	if err := os.WriteFile(at+".new", list, 0o600); err != nil {
		f.fail("writing the log list: %v", err)
	} else if err := os.Rename(at+".new", at); err != nil {
		f.fail("writing the log list: %v", err)
	}
}

// judgeLogs holds what the streamer says of logs, and what it has asked them for, against what it may.
func (f *faultRun) judgeLogs(s status, took time.Duration) {
	fmt.Fprintln(f.out)
	table := tabwriter.NewWriter(f.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "log\tentries\twent wrong\theads\tmay\tfor entries\tmay\tothers\tmay\tKiB/entry\trewinds\tsent again\tmisbehaviours\t")
	for _, said := range s.Logs {
		l := f.log(said.Name)
		a := l.asked()
		b := l.budget(f.o.duration, took)
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%d\t%d\t%d\t\n", l.Name(), l.Size(), l.hits, a.heads, b.heads, a.entries, b.entries,
			a.others, b.others, float64(a.bytes)/1024/float64(l.Size()), said.Rewinds, said.Repeats, said.Misbehaviours)
		if a.heads > b.heads || a.entries > b.entries || a.others > b.others {
			f.fail("%s: asked more often than the budget allows: %+v of %+v", l.Name(), a, b)
		}
		if !l.liar() && (said.Misbehaviours > 0 || said.Unverified != "") {
			f.fail("%s is honest, but: %+v", l.Name(), said)
		}
		if l.liar() && said.Misbehaviours == 0 {
			f.fail("%s has lied and was not caught: %+v", l.Name(), said)
		}
		if said.Skipped > 0 {
			f.fail("%s: %d entries were skipped", l.Name(), said.Skipped)
		}
	}
	_ = table.Flush() // for people
}

// requests are counts of a log, or what they may be.
type requests struct {
	heads, entries, others int
	bytes                  int64
}

// asked is what the log counted.
func (l *growing) asked() (r requests) {
	for _, kind := range append([]string{testlog.GetConsistency, testlog.GetProofByHash, testlog.GetEntryAndProof, testlog.GetRoots,
		testlog.HashTile, testlog.PartialHashTile, testlog.Issuer, testlog.Unknown}, append(entries, heads...)...) {
		k := l.Stats.Kind(kind)
		r.bytes += k.Bytes
		switch kind {
		case testlog.GetSTH, testlog.Checkpoint:
			r.heads += k.Requests
		case testlog.GetEntries, testlog.DataTile, testlog.PartialDataTile:
			r.entries += k.Requests
		default:
			r.others += k.Requests
		}
	}
	return r
}

// budget is what may be asked of a log: a head each second while it grows, later each five; on classic logs what is new each time,
// and a page at a time when behind; on tiled logs each full tile and a partial one every ten seconds; for each request that went wrong
// another two; and, in doubt, some proofs.
func (l *growing) budget(grew, took time.Duration) requests {
	size := int(l.Size())
	b := requests{heads: int(grew.Seconds()*1.1+(took-grew).Seconds()/5) + 10 + l.hits, others: 150 + size/256 + l.hits}
	b.entries = b.heads + size/64 + 2*l.hits
	if l.Static() {
		b.entries = size/256 + int(took.Seconds()/10) + 2*l.hits + 10
	}
	return b
}

// judgeEvidence: what is kept must be about liars.
func (f *faultRun) judgeEvidence() {
	files, _ := filepath.Glob(f.p.path("state/evidence/*/*.json")) // the pattern is good
	for _, file := range files {
		var e struct {
			Log struct {
				Name string `json:"name"`
			} `json:"log"`
		}
		b, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(b, &e)
		}
		if l := f.log(e.Log.Name); err != nil || l == nil || !l.liar() {
			f.fail("evidence against an honest log in %s: %.300s (%v)", file, b, err)
		}
	}
	fmt.Fprintf(f.out, "\n%d files of evidence, all of them against logs that lied\n", len(files))
}

func (f *faultRun) summary(took time.Duration) {
	fmt.Fprintf(f.out, "seed %d, %v, %d entries in %d logs, %d faults of %d kinds, %d requests went wrong, %v\n\n",
		f.o.seed, took.Round(time.Second), f.w.entries(), len(f.w.logs), total(f.rows), len(f.rows), f.hits, f.lists)
	table := tabwriter.NewWriter(f.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "collector\tmessages\tconnections\tsent again\tgaps\t")
	for _, c := range f.collectors {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t\n", c.name, c.stats.messages, c.stats.connections, c.stats.repeats, c.stats.gaps)
	}
	fmt.Fprintln(table, "\t\t\t\t\t\nsecond half\tmean\tmost\trise\tallowed\t")
	if len(f.samples) < 10 {
		f.fail("only %d samples of the process", len(f.samples))
	} else {
		for _, t := range trends(f.samples) {
			fmt.Fprintf(table, "%s\t%.1f\t%.1f\t%+.1f\t%.1f\t\n", t.name, t.mean/t.unit, t.most/t.unit, t.rise/t.unit, t.allowed/t.unit)
			if !t.flat() {
				f.fail("%s rose by %.1f over the second half, more than %.1f", t.name, t.rise/t.unit, t.allowed/t.unit)
			}
		}
	}
	_ = table.Flush() // for people
}
