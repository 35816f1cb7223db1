package streamer

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/certstream-operator/certstream-operator/streamer/certificate"
	"github.com/certstream-operator/certstream-operator/streamer/engine"
	"github.com/certstream-operator/certstream-operator/streamer/filter"
	"github.com/certstream-operator/certstream-operator/streamer/follow"
	"github.com/certstream-operator/certstream-operator/streamer/message"
)

// Segments lists what a state directory keeps of entries, after checking each frame. A streamer may be writing there.
func Segments(stateDir string) ([]engine.SegmentFile, error) {
	holes, err := follow.SavedHoles(stateDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the checkpoint that goes with the segments: %w", err)
	}
	return engine.Inspect(filepath.Join(stateDir, engine.SegmentsDir), holes)
}

// Export says what WriteSegments writes.
type Export struct {
	// From and To bound when entries were seen; zero times are no bounds.
	From, To time.Time
	Kind     message.Kind
	// Filter is nil for all.
	Filter *filter.Filter
}

// WriteSegments writes the messages of kept entries as clients get them, one a line, the oldest first. It goes on behind what
// cannot be read, and says so in the end.
func WriteSegments(w io.Writer, files []engine.SegmentFile, x Export) (written int, err error) {
	const chains = 64 << 20
	e := exporter{x: x, out: w, issuers: engine.NewIssuers(chains, message.AppendChainElement)}
	var problems []error
	for i := range files {
		f := &files[i]
		if f.Problem != nil && !f.Torn() || f.Aside {
			problems = append(problems, fmt.Errorf("%s: %w", f.Path, orAside(f.Problem)))
		}
		if e.encoder == nil || e.epoch != f.Epoch {
			e.encoder, e.epoch = message.NewEncoder(f.Epoch), f.Epoch
		}
		err := f.Each(x.From, x.To, e.issuers, e.write)
		if errors.Is(err, errWrite) {
			return e.written, err
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	return e.written, errors.Join(problems...)
}

var (
	errWrite = errors.New("writing messages")
	errAside = errors.New("it was set aside")
)

func orAside(err error) error {
	if err == nil {
		return errAside
	}
	return err
}

// exporter turns entries into lines.
type exporter struct {
	x       Export
	out     io.Writer
	issuers *engine.Issuers
	epoch   string
	encoder *message.Encoder
	record  certificate.Record
	issuer  []byte
	line    []byte
	written int
}

func (e *exporter) write(entry *engine.Entry) error {
	e.record.Parse(entry.DER)
	if e.x.Filter != nil {
		e.issuer = e.record.AppendIssuerAggregated(e.issuer[:0])
		subject := filter.Subject{Domains: e.record.Domains(), Issuer: e.issuer, Source: entry.Source}
		if !e.x.Filter.Match(&subject) {
			return nil
		}
	}
	e.encoder.Begin(entry, &e.record, e.issuers)
	line, ok := e.encoder.Append(e.line[:0], e.x.Kind)
	if e.line = append(line, '\n'); !ok {
		return nil
	}
	e.written++
	if _, err := e.out.Write(e.line); err != nil {
		return fmt.Errorf("%w: %w", errWrite, err)
	}
	return nil
}

// VerifySegments reads every entry of segments, and logs what is wrong. It returns how many entries there are and how many
// segments have a problem.
func VerifySegments(files []engine.SegmentFile, logger *slog.Logger) (entries uint64, bad int) {
	issuers := engine.NewIssuers(1<<20, message.AppendChainElement)
	for i := range files {
		f := &files[i]
		err := f.Each(time.Time{}, time.Time{}, issuers, func(*engine.Entry) error {
			entries++
			return nil
		})
		if err = errors.Join(f.Problem, err); err == nil && !f.Aside {
			continue
		}
		if f.Torn() {
			logger.Warn("the segment ends in a part of a frame: it is being written, or the streamer was killed", "segment", f.Path)
			continue
		}
		bad++
		logger.Error("the segment is damaged", "segment", f.Path, "error", orAside(err), "after", f.After, "up_to", f.UpTo)
	}
	return entries, bad
}
