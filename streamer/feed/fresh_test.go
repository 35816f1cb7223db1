package feed

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestFreshAgainstModel reads a feed with copies as several readers, each in pieces that end anywhere, and compares with what a plain
// list of messages would give them.
func TestFreshAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := New(Lines, 0, 1<<20)
		type message struct {
			prior uint64
			text  string
		}
		var all []message
		for i := range rapid.IntRange(1, 300).Draw(t, "messages") {
			m := message{text: fmt.Sprintf("%d %s", i, strings.Repeat("m", rapid.IntRange(0, 900).Draw(t, "size")))}
			offset := uint64(i + 1)
			if rapid.IntRange(0, 3).Draw(t, "copy") == 0 && i > 0 {
				m.prior = rapid.Uint64Range(1, uint64(i)).Draw(t, "prior")
				f.AppendCopy(m.prior, offset, nil, []byte(m.text))
			} else {
				f.Append(Message, offset, nil, []byte(m.text))
			}
			all = append(all, m)
			if rapid.IntRange(0, 20).Draw(t, "publish") == 0 {
				f.Publish()
			}
		}
		f.Publish()
		var scratch Run
		for range 3 {
			after := rapid.Uint64Range(0, uint64(len(all))).Draw(t, "after")
			next, _ := f.View().Seek(after)
			var want, got strings.Builder
			wanted, messages, offset := 0, 0, after
			for _, m := range all[after:] {
				if m.prior <= after {
					want.WriteString(m.text + "\n")
					wanted++
				}
			}
			for next < f.View().End() {
				run, _ := f.View().From(next)
				run = run.Fresh(after, &scratch)
				text := run.Bytes()
				n := rapid.IntRange(min(1, len(text)), len(text)).Draw(t, "written")
				got.Write(text[:n])
				begun, rest := run.Cut(n)
				if begun == 0 {
					t.Fatalf("%d of %d bytes, %d frames, and nothing has begun", n, len(text), run.Len())
				}
				got.Write(rest)
				messages += begun - run.LeftOut(begun)
				if run.Offset(begun-1) <= offset {
					t.Fatalf("offset %d after %d", run.Offset(begun-1), offset)
				}
				offset, next = run.Offset(begun-1), next+uint64(begun)
			}
			if got.String() != want.String() || messages != wanted || offset != uint64(len(all)) {
				t.Fatalf("after %d: %d messages to %d, want %d to %d", after, messages, offset, wanted, len(all))
			}
		}
	})
}
