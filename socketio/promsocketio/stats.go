package promsocketio

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/metric"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

// stats is a collector of what something counts by itself, read when it is asked.
type stats[S any] struct {
	counts []metric.Count[S]
	descs  []*prometheus.Desc
	read   func() S
}

func newStats[S any](counts []metric.Count[S], name string, read func() S) *stats[S] {
	s := &stats[S]{counts: counts, read: read}
	for _, c := range counts {
		s.descs = append(s.descs, prometheus.NewDesc(namespace+"_"+c.Name+"_total", c.Help, nil, prometheus.Labels{"name": name}))
	}
	return s
}

func (s *stats[S]) Describe(out chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		out <- d
	}
}

func (s *stats[S]) Collect(out chan<- prometheus.Metric) {
	now := s.read()
	for i, c := range s.counts {
		out <- prometheus.MustNewConstMetric(s.descs[i], prometheus.CounterValue, float64(c.Of(now)))
	}
}

// Keys returns a collector of the counters of the provider: fetches, failures and
// rotations, and the tokens whose key was known or unknown ([jwks.Stats]). name
// becomes the label name, which distinguishes key sets.
func Keys(name string, p *jwks.Provider) prometheus.Collector {
	return newStats(metric.Keys, name, p.Stats)
}

// Introspection returns a collector of the counters of the client ([introspection.Stats]).
func Introspection(name string, c *introspection.Client) prometheus.Collector {
	return newStats(metric.Introspection, name, c.Stats)
}

// TokenCache returns a collector of the counters of the token cache of a verifier
// with [verifier.CacheVerified].
func TokenCache(name string, v *verifier.Verifier) prometheus.Collector {
	return newStats(metric.Cached, name, metric.CacheStats(v))
}

// Registry returns a collector of how many revocations the registry keeps, and of
// whether it knows those of the other nodes (1 while [socketio.Registry.Err] is nil).
func Registry(name string, r *socketio.Registry) prometheus.Collector {
	labels := prometheus.Labels{"name": name}
	return collectors{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "revocations", Help: "Revocations that are kept.", ConstLabels: labels,
		}, func() float64 { return float64(r.Revocations()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "revocation_store_up", Help: "Whether revocations made elsewhere are known here.", ConstLabels: labels,
		}, func() float64 {
			if r.Err() != nil {
				return 0
			}
			return 1
		}),
	}
}

type collectors []prometheus.Collector

func (c collectors) Describe(out chan<- *prometheus.Desc) {
	for _, m := range c {
		m.Describe(out)
	}
}

func (c collectors) Collect(out chan<- prometheus.Metric) {
	for _, m := range c {
		m.Collect(out)
	}
}
