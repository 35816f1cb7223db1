package engine

import (
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/certstream-operator/certstream-operator/internal/faultfs"
)

// TestSegmentsModel does what can happen to segments, in any order: entries come, the writer lags, checkpoints, crashes and clean
// stops, a disk that is full or fails, bytes that change, bounds that are lowered. Whatever happens, what is read from any offset
// on is what was appended, in order, without repeats; what is not there is in a gap that says so. And where nothing has gone
// wrong there is no gap.
func TestSegmentsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		disk, chance := faultfs.New(seed), rand.New(rand.NewPCG(seed, 1))
		limits := SegmentLimits{MaxBytes: plenty}
		k := keep(t, disk, Numbering{Epoch: "e1"}, limits)
		checkpoint, trouble := uint64(0), false
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) { k.append(rapid.IntRange(1, 300).Draw(t, "n"), 1200, false) },
			"lag": func(t *rapid.T) {
				n := rapid.IntRange(1, 1500).Draw(t, "n")
				trouble = trouble || n > 300
				k.append(n, 1200, true)
				k.drain()
			},
			"checkpoint": func(*rapid.T) {
				checkpoint = k.Head()
				if k.segments.sync(checkpoint) != nil {
					trouble = true
				}
			},
			"crash": func(t *rapid.T) {
				disk.Err, disk.Room = nil, -1
				disk.PowerCut()
				k = k.restart(checkpoint, k.Head()+1+rapid.Uint64Range(0, 5000).Draw(t, "jump"), limits)
				k.drain()
			},
			"stop": func(*rapid.T) {
				checkpoint = k.Head()
				if k.segments.sync(checkpoint) != nil {
					trouble = true
				}
				disk.Err, disk.Room = nil, -1
				k = k.restart(checkpoint, checkpoint+1, limits)
				k.drain()
			},
			"fail": func(t *rapid.T) {
				trouble = true
				call := rapid.SampledFrom([]string{"create", "write", "sync", "syncdir", "truncate", "free", "rename"}).Draw(t, "call")
				disk.Err = func(c string) error {
					if c == call && chance.IntN(2) == 0 {
						return syscall.EIO
					}
					return nil
				}
			},
			"fill": func(t *rapid.T) {
				trouble = true
				disk.Room = rapid.Int64Range(0, 300_000).Draw(t, "room")
			},
			"recover": func(*rapid.T) {
				disk.Err, disk.Room = nil, -1
				k.segments.writer.retryAt = time.Time{}
				k.drain()
			},
			"damage": func(t *rapid.T) {
				names := slices.DeleteFunc(disk.Names(), func(name string) bool { return strings.HasSuffix(name, asideSuffix) })
				if len(names) == 0 {
					return
				}
				slices.Sort(names)
				name := rapid.SampledFrom(names).Draw(t, "file")
				if n := len(disk.Content(name)); n > 0 {
					trouble = true
					disk.Damage(name, rapid.IntRange(0, n-1).Draw(t, "at"))
				}
			},
			"bounds": func(t *rapid.T) {
				trouble = true
				limits.MaxBytes = rapid.Int64Range(2<<20, 8<<20).Draw(t, "bytes")
				k.segments.SetLimits(limits)
				k.segments.age(time.Now())
			},
			"": func(t *rapid.T) {
				after := rapid.Uint64Range(0, k.Head()).Draw(t, "after")
				if gaps := k.check(after); len(gaps) > 0 && !trouble {
					t.Fatalf("gaps %+v, though nothing has gone wrong", gaps)
				}
			},
		})
	})
}
