package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// figures are what Go's benchmarks report: value by unit, by the benchmark's name.
type figures map[string]map[string]float64

// benchmarks runs those of a package whose names match.
func benchmarks(ctx context.Context, pkg, match string, o *options) (figures, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", match, "-benchtime", (o.time / 10).String(), "-cpu", "1",
		"github.com/certstream-operator/certstream-operator/streamer/"+pkg)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench %s: %w\n%s", match, err, out)
	}
	f := parseFigures(string(out))
	if len(f) == 0 {
		return nil, errors.New("no benchmark matches " + match)
	}
	return f, nil
}

// parseFigures reads lines like: BenchmarkParse/set/record  1000  348 ns/op  0 allocs/op
func parseFigures(text string) figures {
	all := figures{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		values := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				values[fields[i+1]] = v
			}
		}
		all[strings.TrimPrefix(fields[0], "Benchmark")] = values
	}
	return all
}

// sets are the certificates that a benchmark ran on: the middle parts of its names.
func (f figures) sets(benchmark, last string) (sets []string) {
	for name := range f {
		if set, ok := strings.CutPrefix(name, benchmark+"/"); ok {
			if set, ok = strings.CutSuffix(set, "/"+last); ok {
				sets = append(sets, set)
			}
		}
	}
	slices.Sort(sets)
	return sets
}

// parseRow compares our parser with crypto/x509.
func parseRow(ctx context.Context, o *options) (string, error) {
	f, err := benchmarks(ctx, "certificate", "^BenchmarkParse$", o)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, set := range f.sets("Parse", "record") {
		ours, theirs := f["Parse/"+set+"/record"], f["Parse/"+set+"/x509"]
		parts = append(parts, fmt.Sprintf("%s: %.0f ns, %.0f allocations, %.0f × crypto/x509", set, ours["cpu-ns/op"],
			ours["allocs/op"], theirs["cpu-ns/op"]/ours["cpu-ns/op"]))
	}
	return strings.Join(parts, "; "), nil
}

// encodeRow is parsing and encoding lite and domains-only, hashes aside.
func encodeRow(ctx context.Context, o *options) (string, error) {
	f, err := benchmarks(ctx, "message", "^BenchmarkEncode$//lite.domains$/nohash", o)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, set := range f.sets("Encode", "lite+domains/nohash") {
		v := f["Encode/"+set+"/lite+domains/nohash"]
		parts = append(parts, fmt.Sprintf("%s: %.0f entries/s a core, %.0f allocations", set, 1e9/v["cpu-ns/op"], v["allocs/op"]))
	}
	return strings.Join(parts, "; "), nil
}

// hashRow is what fingerprints, DER and chain add to a full message, beside the two hashes and base64 alone.
func hashRow(ctx context.Context, o *options) (string, error) {
	f, err := benchmarks(ctx, "message", "^BenchmarkEncode$//^(full|lite|hashes.base64)$", o)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, set := range f.sets("Encode", "hashes+base64") {
		cpu := func(name string) float64 { return f["Encode/"+set+"/"+name]["cpu-ns/op"] }
		added := cpu("full/hash") - cpu("lite/nohash")
		parts = append(parts, fmt.Sprintf("%s: %.0f ns added, %.2f × the hashes and base64 alone", set, added, added/cpu("hashes+base64")))
	}
	return strings.Join(parts, "; "), nil
}

// broadcastRow is what publishing a message allocates.
func broadcastRow(ctx context.Context, o *options) (string, error) {
	f, err := benchmarks(ctx, "publish", "^BenchmarkPublish$", o)
	if err != nil {
		return "", err
	}
	v := f["Publish"]
	return fmt.Sprintf("%.0f allocations, %.0f B, %.2f µs per message, whoever listens", v["allocs/op"], v["B/op"], v["ns/op"]/1000), nil
}

// unavoidable is what an entry of a tiled log costs whoever reads it: unpacking and the leaf's hash, in ns.
func unavoidable(ctx context.Context, o *options) (gunzip, hash float64, err error) {
	f, err := benchmarks(ctx, "ctlog", "^(BenchmarkDataTile|BenchmarkFrontier)$/^(gunzip|hashes_alone)$", o)
	if err != nil {
		return 0, 0, err
	}
	return f["DataTile/gunzip"]["ns/entry"], f["Frontier/hashes_alone"]["ns/op"], nil
}

// elsewhere is a row that needs a cluster.
func elsewhere(where string) func(context.Context, *options) (string, error) {
	return func(context.Context, *options) (string, error) { return "measured by `" + where + "`", nil }
}
