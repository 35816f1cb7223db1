package filter

import (
	"slices"
	"sync"
	"time"
)

// meterSeconds is the time that a meter looks back over.
const meterSeconds = 10

// meter measures how many records a second there are, and what share of a core regular expressions take.
type meter struct {
	mu      sync.Mutex
	begin   int64 // unix second of the first reading
	sum     time.Duration
	buckets [meterSeconds]bucket
}

type bucket struct {
	second  int64
	records int
	busy    time.Duration
}

// add counts a record and the time it took.
func (m *meter) add(now time.Time, busy time.Duration) {
	second := now.Unix()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.begin == 0 {
		m.begin = second
	}
	b := &m.buckets[second%meterSeconds]
	if b.second != second {
		*b = bucket{second: second}
	}
	b.records++
	b.busy += busy
	m.sum += busy
}

// total is the time since the meter was made.
func (m *meter) total() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sum
}

// read returns records per second and the share of a core that was busy, over the last seconds.
func (m *meter) read(now time.Time) (records, load float64) {
	second := now.Unix()
	m.mu.Lock()
	defer m.mu.Unlock()
	var busy time.Duration
	for _, b := range m.buckets {
		if second-b.second < meterSeconds {
			records += float64(b.records)
			busy += b.busy
		}
	}
	seconds := float64(min(meterSeconds, max(1, second-m.begin+1)))
	return records / seconds, busy.Seconds() / seconds
}

// pending holds the estimated load of classes that are too new to have been measured.
type pending struct {
	list []estimate
}

type estimate struct {
	class *Class
	at    time.Time
	load  float64
}

// sum is the load of those added within the meter's time. It forgets the others.
func (p *pending) sum(now time.Time) float64 {
	p.list = slices.DeleteFunc(p.list, func(e estimate) bool { return now.Sub(e.at) >= meterSeconds*time.Second })
	total := 0.0
	for _, e := range p.list {
		total += e.load
	}
	return total
}

func (p *pending) add(c *Class, now time.Time, load float64) {
	p.list = append(p.list, estimate{c, now, load})
}

func (p *pending) remove(c *Class) {
	p.list = slices.DeleteFunc(p.list, func(e estimate) bool { return e.class == c })
}

// A trial takes as many records as fit into trialTime, and evaluates each several times: the least counts, since others may
// have the processor in between.
const (
	trialRounds = 3
	trialTime   = 2 * time.Millisecond
)

// costPerRecord measures a filter on some records.
func costPerRecord(f *Filter, samples []*Subject) time.Duration {
	var least []time.Duration
	begin := time.Now()
	for _, s := range samples {
		least = append(least, timed(f, s))
		if time.Since(begin) > trialTime {
			break
		}
	}
	total := time.Duration(0)
	for i := range least {
		for range trialRounds - 1 {
			least[i] = min(least[i], timed(f, samples[i]))
		}
		total += least[i]
	}
	return total / time.Duration(len(least))
}

func timed(f *Filter, s *Subject) time.Duration {
	begin := time.Now()
	f.Match(s)
	return time.Since(begin)
}

// minRate is the number of records a second assumed at least when the cost of a filter is estimated.
const minRate = 1000

// sampleSize and sampleEvery say how many of the last records are kept for trials, and which.
const (
	sampleSize  = 16
	sampleEvery = 64
	sampleNames = 4
)

// sampler keeps some of the last records.
type sampler struct {
	mu      sync.Mutex
	count   int
	records [sampleSize]*Subject
}

// offer keeps a copy of every so many'th record.
func (k *sampler) offer(s *Subject) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.count++; k.count%sampleEvery == 1 {
		k.records[k.count/sampleEvery%sampleSize] = copySubject(s)
	}
}

func copySubject(s *Subject) *Subject {
	kept := &Subject{Issuer: append([]byte(nil), s.Issuer...), Source: s.Source}
	for _, name := range s.Domains[:min(len(s.Domains), sampleNames)] {
		kept.Domains = append(kept.Domains, append([]byte(nil), name...))
	}
	return kept
}

// samples returns what was kept, or a typical record when there was none yet.
func (k *sampler) samples() []*Subject {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []*Subject
	for _, s := range k.records {
		if s != nil {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		list = append(list, typicalRecord())
	}
	return list
}

func typicalRecord() *Subject {
	return &Subject{
		Domains: [][]byte{[]byte("www.example.com"), []byte("*.shop-eu-central-1.customers.example.net"), []byte("login.example.org")},
		Issuer:  []byte("/C=US/CN=Example Issuing CA R10/O=Example Trust Services"),
	}
}
