package filter

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func regexpFilter(t *testing.T, i int) *Filter {
	return compile(t, Query{Domain: Values{fmt.Sprintf(`[a-f]+%d\d+`, i)}})
}

func TestBudgetRefusesNewRegularExpressionsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := NewSet(Options{RegexpBudget: 0.25})
		first, err := set.Add(regexpFilter(t, 1))
		if err != nil {
			t.Fatal(err)
		}
		set.meter.add(time.Now(), 300*time.Millisecond)

		_, err = set.Add(regexpFilter(t, 2))
		var overload *OverloadError
		if !errors.As(err, &overload) || !overload.Budget {
			t.Errorf("over the budget: error %v, want an OverloadError of the budget", err)
		}
		if again, err := set.Add(regexpFilter(t, 1)); err != nil || again != first {
			t.Errorf("one that is there already: %v, %v", again, err)
		}
		if _, err := set.Add(compile(t, Query{Domain: Values{"plain"}})); err != nil {
			t.Errorf("plain text: %v", err)
		}
		time.Sleep(meterSeconds * time.Second)
		if _, err := set.Add(regexpFilter(t, 2)); err != nil {
			t.Errorf("when the load has gone: %v", err)
		}
	})
}

func TestOneFilterCannotTakeTheWholeBudget(t *testing.T) {
	set := NewSet(Options{RegexpBudget: 0.25})
	f := regexpFilter(t, 1)
	if err := set.admit(f, time.Now(), 0.25/maxShare); err != nil {
		t.Errorf("a share of the budget: %v", err)
	}
	var overload *OverloadError
	if err := set.admit(f, time.Now(), 0.1); !errors.As(err, &overload) || !overload.Budget {
		t.Errorf("nearly half of the budget: %v, want an OverloadError of the budget", err)
	}
}

func TestNoBudgetNoRegularExpressions(t *testing.T) {
	set := NewSet(Options{})
	if _, err := set.Add(regexpFilter(t, 1)); err == nil || !strings.Contains(err.Error(), "takes no regular expressions") {
		t.Errorf("without a budget: %v", err)
	}
}

func TestLoadIsMeanOfLastSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter
		for range 20 {
			for range 50 {
				m.add(time.Now(), time.Millisecond)
			}
			time.Sleep(time.Second)
		}
		records, load := m.read(time.Now().Add(-time.Second))
		if records != 50 || math.Abs(load-0.05) > 1e-9 {
			t.Errorf("%v records/s and a load of %v, want 50 and 0.05", records, load)
		}
		if m.total() != time.Second {
			t.Errorf("total %v, want 1s", m.total())
		}
		time.Sleep(time.Minute)
		if records, load := m.read(time.Now()); records != 0 || load != 0 {
			t.Errorf("a minute later %v records/s and a load of %v", records, load)
		}
	})
}

func TestEstimatesCountUntilMeasuredOrRemoved(t *testing.T) {
	var p pending
	now := time.Unix(1000, 0)
	a, b := &Class{}, &Class{}
	p.add(a, now, 0.1)
	p.add(b, now.Add(5*time.Second), 0.2)
	for _, test := range []struct {
		after time.Duration
		want  float64
	}{{5 * time.Second, 0.3}, {10 * time.Second, 0.2}, {15 * time.Second, 0}} {
		if got := p.sum(now.Add(test.after)); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("after %v: %v, want %v", test.after, got, test.want)
		}
	}
	p.add(a, now, 0.1)
	p.remove(a)
	if got := p.sum(now); got != 0 {
		t.Errorf("after remove: %v", got)
	}
}

func TestLimitsOfSet(t *testing.T) {
	for _, test := range []struct {
		name    string
		options Options
		fits    Query
		over    Query
	}{
		{"classes", Options{Classes: 1}, Query{Domain: Values{"a"}}, Query{Domain: Values{"b"}}},
		{"values", Options{Values: 2}, Query{Suffix: Values{"a,b"}}, Query{Suffix: Values{"c"}}},
		{"regexps", Options{RegexpClasses: 1, RegexpBudget: 1e9}, Query{Domain: Values{`a\d+`}}, Query{Domain: Values{`b\d+`}}},
	} {
		set := NewSet(test.options)
		fits, over := compile(t, test.fits), compile(t, test.over)
		c, err := set.Add(fits)
		if err != nil {
			t.Fatal(err)
		}
		var overload *OverloadError
		if _, err := set.Add(over); !errors.As(err, &overload) || overload.Budget {
			t.Errorf("%s: %v, want an OverloadError", test.name, err)
		}
		set.Update(Options{RegexpBudget: 1e9})
		if _, err := set.Add(over); err != nil {
			t.Errorf("%s: with higher limits: %v", test.name, err)
		}
		set.Remove(c)
	}
}

// TestConcurrentUse is for the race detector: filters come and go while records are matched.
func TestConcurrentUse(t *testing.T) {
	set := NewSet(Options{RegexpBudget: 1e9})
	always, err := set.Add(compile(t, Query{Suffix: Values{"example.com"}}))
	if err != nil {
		t.Fatal(err)
	}
	var filters []*Filter
	for i := range 8 {
		filters = append(filters, regexpFilter(t, i), compile(t, Query{Domain: Values{fmt.Sprint("word", i)}, Issuer: Values{"R1."}}))
	}
	var work sync.WaitGroup
	for i := range 4 {
		work.Go(func() {
			for j := range 200 {
				c, err := set.Add(filters[(i*7+j)%len(filters)])
				if err != nil {
					t.Error(err)
					return
				}
				set.Remove(c)
			}
		})
		work.Go(func() {
			record := subject(issuer, fmt.Sprintf("abc%d123.word%d.example.com", i, i))
			for range 200 {
				found := 0
				for _, c := range set.Match(record, nil) {
					if c == always {
						found++
					}
				}
				if found != 1 {
					t.Errorf("the filter that stays matched %d times", found)
				}
			}
		})
	}
	work.Wait()
	if s := set.Stats(); s.Classes != 1 || s.Values != 1 || s.RegexpClasses != 0 {
		t.Errorf("left: %+v", s)
	}
}
