package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Value is one counter's or gauge's value.
type Value struct {
	Labels map[string]string
	Value  float64
}

// Values reads all values of a counter, a gauge or a vector of them.
func Values(c prometheus.Collector) []Value {
	metrics := make(chan prometheus.Metric)
	go func() {
		defer close(metrics)
		c.Collect(metrics)
	}()
	var all []Value
	for m := range metrics {
		var read dto.Metric
		if m.Write(&read) != nil {
			continue // a metric that cannot be written is not shown by /metrics either
		}
		v := Value{Labels: map[string]string{}, Value: read.GetCounter().GetValue() + read.GetGauge().GetValue()}
		for _, l := range read.GetLabel() {
			v.Labels[l.GetName()] = l.GetValue()
		}
		all = append(all, v)
	}
	return all
}

// Sum adds up all values of a counter, a gauge or a vector of them.
func Sum(c prometheus.Collector) float64 {
	sum := 0.0
	for _, v := range Values(c) {
		sum += v.Value
	}
	return sum
}
