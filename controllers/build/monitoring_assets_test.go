package build

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/certstream-operator/certstream-operator/streamer/telemetry"
)

const runbooks = "https://example.org/runbooks"

// exposed are the names of all metrics of the streamer.
func exposed(t *testing.T) map[string]bool {
	t.Helper()
	r := telemetry.NewRegistry(telemetry.Build{})
	telemetry.NewAccess(r, nil)
	telemetry.NewConfig(r)
	telemetry.NewFanout(r)
	telemetry.NewFollow(r)
	telemetry.NewLogList(r)
	telemetry.Engine{}.Register(r)
	telemetry.Filter{}.Register(r)
	telemetry.Dedup{}.Register(r)
	telemetry.Retention{}.Register(r)
	descs := make(chan *prometheus.Desc)
	go func() {
		defer close(descs)
		r.Describe(descs)
	}()
	name := regexp.MustCompile(`fqName: "([^"]+)"`)
	names := map[string]bool{"up": true}
	for d := range descs {
		names[name.FindStringSubmatch(d.String())[1]] = true
	}
	return names
}

// metricNames finds what looks like a streamer's metric in an expression: a name before a selector.
func metricNames(expression string) (names []string) {
	for _, m := range regexp.MustCompile(`([a-z_]+)\{`).FindAllStringSubmatch(expression, -1) {
		name := m[1]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, suffix)
		}
		if !strings.HasPrefix(name, "kubelet_volume_stats_") {
			names = append(names, name)
		}
	}
	return names
}

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	return rulesOf(t, "certstream-main")
}

func rulesOf(t *testing.T, claim string) (all []rule) {
	t.Helper()
	parsed, err := ParseRules()
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(parsed.Groups("certs", "main", claim, runbooks))
	if err != nil {
		t.Fatal(err)
	}
	var read []struct {
		Name  string
		Rules []rule
	}
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	for _, g := range read {
		all = append(all, g.Rules...)
	}
	return all
}

func TestRulesWithoutAClaim(t *testing.T) {
	names := func(claim string) (all []string) {
		for _, r := range rulesOf(t, claim) {
			all = append(all, r.Record+r.Alert)
		}
		return all
	}
	want := slices.DeleteFunc(names("c"), func(name string) bool { return name == "CertStreamVolumeFilling" })
	if got := names(""); !slices.Equal(got, want) {
		t.Errorf("rules %v, want %v", got, want)
	}
}

func TestRulesNameMetricsThatExist(t *testing.T) {
	names := exposed(t)
	for _, r := range rules(t) {
		used := metricNames(r.Expr)
		if len(used) == 0 && !strings.Contains(r.Expr, "kubelet_volume_stats_") {
			t.Errorf("%s%s: no metric in %s", r.Record, r.Alert, r.Expr)
		}
		for _, name := range used {
			if !names[name] {
				t.Errorf("%s%s: the streamer has no metric %s", r.Record, r.Alert, name)
			}
		}
		if strings.Contains(fmt.Sprint(r), "$(") {
			t.Errorf("%s%s: something is left to replace: %v", r.Record, r.Alert, r)
		}
	}
}

// TestRulesStayInTheirStream holds that every selector is of this stream alone.
func TestRulesStayInTheirStream(t *testing.T) {
	selector := regexp.MustCompile(`\{[^}]*\}`)
	for _, r := range rules(t) {
		for _, s := range selector.FindAllString(r.Expr, -1) {
			ours := strings.HasPrefix(s, `{namespace="certs",certstream="main"`)
			if claim := s == `{namespace="certs",persistentvolumeclaim="certstream-main"}`; !ours && !claim {
				t.Errorf("%s%s: the selector %s is not of one stream", r.Record, r.Alert, s)
			}
		}
	}
}

func TestAlertsExplainThemselves(t *testing.T) {
	pages := runbookPages(t)
	overview, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) {
			t.Errorf("%s: severity %q", r.Alert, r.Labels["severity"])
		}
		for _, annotation := range []string{"summary", "description"} {
			if text := r.Annotations[annotation]; !strings.HasSuffix(text, ".") {
				t.Errorf("%s: the %s %q is no sentence", r.Alert, annotation, text)
			}
		}
		if want := runbooks + "/" + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
		if !pages[r.Alert] {
			t.Errorf("%s: no page in docs/runbooks", r.Alert)
		}
		if !strings.Contains(string(overview), fmt.Sprintf("| [%s](runbooks/%s.md) | %s |", r.Alert, r.Alert, r.Labels["severity"])) {
			t.Errorf("%s: not in the table of docs/monitoring.md, or with another severity", r.Alert)
		}
	}
}

// runbookPages are the alerts that have a page with all its parts.
func runbookPages(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("../../docs/runbooks/CertStream*.md")
	if err != nil || len(files) == 0 {
		t.Fatalf("no runbooks: %v", err)
	}
	pages := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".md")
		pages[name] = true
		for _, part := range []string{"# " + name + "\n", "\n## Meaning\n", "\n## Impact\n", "\n## Check\n", "\n## Act\n"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q", file, part)
			}
		}
	}
	return pages
}

type panel struct {
	ID          int
	Type, Title string
	Datasource  map[string]string
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct {
		RefID, Expr string
		Datasource  map[string]string
	}
}

type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(Dashboard()), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDashboardNamesMetricsThatExist(t *testing.T) {
	names, used := exposed(t), map[string]bool{}
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			for _, name := range metricNames(target.Expr) {
				used[name] = true
				if !names[name] {
					t.Errorf("panel %q: the streamer has no metric %s", p.Title, name)
				}
			}
			ours := strings.Contains(target.Expr, `{namespace="$namespace",certstream="$stream"`)
			if claim := strings.Contains(target.Expr, `persistentvolumeclaim="certstream-$stream"`); !ours && !claim {
				t.Errorf("panel %q: %s is not of one stream", p.Title, target.Expr)
			}
		}
	}
	for name := range names {
		if strings.HasPrefix(name, "certstream_") && !used[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestDashboardFitsGrafana(t *testing.T) {
	d := readDashboard(t)
	if d.UID == "" || d.Title == "" || d.SchemaVersion < 36 {
		t.Errorf("uid %q, title %q, schema version %d", d.UID, d.Title, d.SchemaVersion)
	}
	var variables []string
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	if want := []string{"datasource", "namespace", "stream", "log"}; !slices.Equal(variables, want) {
		t.Errorf("variables %v, want %v", variables, want)
	}
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 {
			t.Errorf("panel %q: the id %d is not its own", p.Title, p.ID)
		}
		ids[p.ID] = true
		checkPlace(t, p, cells)
		checkTargets(t, p)
	}
}

// checkPlace holds that panels are within the 24 columns and do not overlap.
func checkPlace(t *testing.T, p panel, cells map[[2]int]string) {
	t.Helper()
	g := p.GridPos
	if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
		t.Errorf("panel %q: place %+v", p.Title, g)
	}
	for x := g.X; x < g.X+g.W; x++ {
		for y := g.Y; y < g.Y+g.H; y++ {
			if other, taken := cells[[2]int{x, y}]; taken {
				t.Fatalf("panel %q overlaps %q", p.Title, other)
			}
			cells[[2]int{x, y}] = p.Title
		}
	}
}

func checkTargets(t *testing.T, p panel) {
	t.Helper()
	if p.Type == "row" {
		return
	}
	if p.Datasource["uid"] != "${datasource}" || len(p.Targets) == 0 || p.Title == "" {
		t.Errorf("panel %q: datasource %v, %d targets", p.Title, p.Datasource, len(p.Targets))
	}
	refs := map[string]bool{}
	for _, target := range p.Targets {
		if refs[target.RefID] || target.RefID == "" || target.Datasource["uid"] != "${datasource}" {
			t.Errorf("panel %q: target %q of %v", p.Title, target.RefID, target.Datasource)
		}
		refs[target.RefID] = true
	}
}
