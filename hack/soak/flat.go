package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// sample is what the streamer holds at a moment.
type sample struct {
	at                     time.Time
	goroutines, files, rss float64
}

// sampler measures the process until ctx ends: goroutines by its metrics, descriptors and resident memory by /proc.
func (p *program) sampler(ctx context.Context, every time.Duration) (all []sample) {
	for pause(ctx, every) {
		s := sample{at: time.Now()}
		folder := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
		files, errFiles := os.ReadDir(folder + "fd")
		text, errText := os.ReadFile(folder + "status")
		metrics, errMetrics := p.get(ctx, "/metrics")
		if errFiles != nil || errText != nil || errMetrics != nil {
			continue // it is busy, or at its end
		}
		s.files = float64(len(files))
		s.rss = field(text, "VmRSS:") * 1024
		s.goroutines = field(metrics, "go_goroutines")
		all = append(all, s)
	}
	return all
}

// field is the number behind a name at the beginning of a line.
func field(text []byte, name string) float64 {
	for line := range bytes.Lines(text) {
		if parts := strings.Fields(string(line)); len(parts) > 1 && parts[0] == name {
			n, _ := strconv.ParseFloat(parts[1], 64) // 0 is what a wrong line deserves
			return n
		}
	}
	return 0
}

// measure is one of a sample's figures and how far it may rise over the second half of the soak: by a tenth of its mean and some.
type measure struct {
	name string
	of   func(sample) float64
	some float64
	unit float64
}

var measures = []measure{
	{"goroutines", func(s sample) float64 { return s.goroutines }, 30, 1},
	{"descriptors", func(s sample) float64 { return s.files }, 15, 1},
	{"resident MiB", func(s sample) float64 { return s.rss }, 16 << 20, 1 << 20},
}

// trend is how a measure went.
type trend struct {
	measure
	mean, most, rise, allowed float64
}

// trends fits a line through the second half of the samples: its rise from beginning to end is what must be small.
func trends(all []sample) (list []trend) {
	half := all[len(all)/2:]
	for _, m := range measures {
		t := trend{measure: m}
		var sx, sy, sxx, sxy float64
		for _, s := range half {
			x, y := s.at.Sub(half[0].at).Seconds(), m.of(s)
			sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
			t.most = max(t.most, y)
		}
		n := float64(len(half))
		t.mean = sy / n
		if spread := n*sxx - sx*sx; spread > 0 {
			t.rise = (n*sxy - sx*sy) / spread * half[len(half)-1].at.Sub(half[0].at).Seconds()
		}
		t.allowed = t.mean/10 + m.some
		list = append(list, t)
	}
	return list
}

// flat says that the rise is within bounds.
func (t trend) flat() bool { return t.rise <= t.allowed }
