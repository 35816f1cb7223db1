package filter

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/certstream-operator/certstream-operator/internal/shareddata"
)

// records returns the names of real certificates, or made-up ones of the same shape where there is no real data.
func records(tb testing.TB) []*Subject {
	dir := shareddata.Dir(tb)
	var list []*Subject
	for _, tile := range []string{"000", "001", "002", "003"} {
		list = append(list, readNames(filepath.Join(dir, "tiles", "navigli2025h2", "tile", "names", tile+".gz"))...)
	}
	if len(list) == 0 {
		list = madeUp(1000)
	}
	return list
}

const issuer = "/C=US/CN=R10/O=Let's Encrypt"

func readNames(path string) []*Subject {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		return nil
	}
	var list []*Subject
	lines := bufio.NewScanner(unzipped)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ DNS []string }
		if json.Unmarshal(lines.Bytes(), &line) == nil {
			list = append(list, subject(issuer, line.DNS...))
		}
	}
	return list
}

func madeUp(n int) []*Subject {
	r := rand.New(rand.NewPCG(1, 2))
	var list []*Subject
	for range n {
		name := fmt.Sprintf("%x.%x.example-%d.com", r.Uint32(), r.Uint32()%1000, r.IntN(5000))
		list = append(list, subject(issuer, name, "www."+name))
	}
	return list
}

// benchmarkSet reports, beside the time for one record, what share of a core that is at 2,000 records a second.
func benchmarkSet(b *testing.B, set *Set) {
	list := records(b)
	var classes []*Class
	matches := 0
	for i := 0; b.Loop(); i++ {
		classes = set.Match(list[i%len(list)], classes[:0])
		matches += len(classes)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)*2000/1e9*100, "%core@2000/s")
	b.ReportMetric(float64(matches)/float64(b.N), "matches/op")
}

func fill(b *testing.B, queries []Query) *Set {
	set := NewSet(Options{RegexpBudget: 1e9})
	for _, q := range queries {
		f, err := Compile(q, Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := set.Add(f); err != nil {
			b.Fatal(err)
		}
	}
	return set
}

func BenchmarkSuffixes10000(b *testing.B) {
	var queries []Query
	for i, s := range records(b) { // half of the suffixes are of real names, and match
		name := s.Domains[0]
		if i < 5000 {
			queries = append(queries, Query{Suffix: Values{string(name[1:])}})
		}
	}
	for i := len(queries); i < 10000; i++ {
		queries = append(queries, Query{Suffix: Values{fmt.Sprintf("brand-%d.example.com", i)}})
	}
	benchmarkSet(b, fill(b, queries))
}

// words are such as brand monitors look for.
var words = []string{
	"paypal", "apple", "google", "amazon", "login", "secure", "account", "bank", "verify", "update", "support", "wallet", "crypto",
	"office", "micro", "drive", "mail", "cloud", "shop", "pay",
}

func BenchmarkPlain1000(b *testing.B) {
	var queries []Query
	for i := range 1000 {
		queries = append(queries, Query{Domain: Values{fmt.Sprintf("%s%d", words[i%len(words)], i)}})
	}
	benchmarkSet(b, fill(b, queries))
}

// BenchmarkRegexps100 has expressions with a required text, as most have.
func BenchmarkRegexps100(b *testing.B) {
	var queries []Query
	for i := range 100 {
		word := words[i%len(words)]
		pattern := [...]string{
			`%s[a-z0-9-]+\.com$`, `(^|[.-])%s[.-]`, `%s-?\d{2,}`, `[^a-z]%s[a-z]{3,8}\.`, `^[a-z]+-%s\.(net|org|info|xyz)`,
		}[i/len(words)]
		queries = append(queries, Query{Domain: Values{fmt.Sprintf(pattern, word)}})
	}
	benchmarkSet(b, fill(b, queries))
}

// BenchmarkRegexps100Hard has expressions without one: each is tried on each name.
func BenchmarkRegexps100Hard(b *testing.B) {
	var queries []Query
	for i := range 100 {
		queries = append(queries, Query{Domain: Values{fmt.Sprintf(`^[a-%c]+[0-9]{%d,}`, 'f'+rune(i%20), 2+i/20)}})
	}
	benchmarkSet(b, fill(b, queries))
}

func BenchmarkAddRemove(b *testing.B) {
	f, err := Compile(Query{Domain: Values{"login", `pay[a-z]*\.com`}, Suffix: Values{"example.com"}}, Limits{})
	if err != nil {
		b.Fatal(err)
	}
	set := NewSet(Options{RegexpBudget: 1e9})
	for b.Loop() {
		c, err := set.Add(f)
		if err != nil {
			b.Fatal(err)
		}
		set.Remove(c)
	}
}

// BenchmarkDecide is the memory of deduplication, filled: each certificate comes twice, the second time some thousand later.
func BenchmarkDecide(b *testing.B) {
	s := NewSet(DefaultOptions())
	m, c := s.Memory(), newClass(b, s, Query{})
	offset := uint64(0)
	next := func() {
		certificate := int(offset)
		if offset%2 == 1 && certificate > 4001 {
			certificate -= 4001
		}
		offset++
		m.Decide(c, m.ID(tbsOf(certificate)), offset, 0)
	}
	for m.Stats().Forgotten == 0 {
		next()
	}
	b.ReportAllocs()
	for b.Loop() {
		next()
	}
	stats := m.Stats()
	b.ReportMetric(float64(stats.Bytes)/float64(stats.Certificates), "B/certificate")
	b.ReportMetric(float64(stats.Certificates), "certificates")
}
