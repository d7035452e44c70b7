// Package promsocketio measures authorization for Prometheus: verifications by
// outcome and reason and how long they took, sessions, renewals, expiries and
// revocations, and what the caches of keys and tokens do.
//
// [New] makes a collector, which is registered like any other and observes one
// authorizer, or several that shall be counted together:
//
//	metrics := promsocketio.New()
//	prometheus.MustRegister(metrics, promsocketio.Keys("auth0", provider))
//	chat, err := server.Authorize("/", v, socketio.Observe(metrics.Observer()))
//
// To tell namespaces apart, give each a collector and register it by
// [prometheus.WrapRegistererWith] with a label. No label has a value that a client
// chooses, and of an application's own reasons 32 have a label: the rest is
// "other".
//
// # Metrics
//
//	socketio_jwt_verifications_total{by,outcome,reason}
//	socketio_jwt_verification_duration_seconds{outcome}
//	socketio_jwt_sessions
//	socketio_jwt_sessions_begun_total
//	socketio_jwt_session_ends_total{reason}
//	socketio_jwt_session_duration_seconds
//	socketio_jwt_renewals_total
//	socketio_jwt_dropped_sockets_total{reason}
//	socketio_jwt_logouts_total{matched}
//
// by is handshake, event or renewal; outcome is accepted, refused or guest; reason
// is a [verifier.Reason], "" for a token that was accepted, and "disconnected" for
// a session that authorization did not end: an expiry is token_expired, a
// revocation token_revoked. A renewal that is refused is a verification by renewal
// that is; those that succeeded are renewals. matched says whether a back-channel
// logout ended a session in this process ([Collector.LoggedOut]).
package promsocketio

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/internal/metric"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
)

const namespace = "socketio_jwt"

// Collector is a [prometheus.Collector] of what its [Collector.Observer] is told.
type Collector struct {
	reasons metric.Reasons

	verifications *prometheus.CounterVec
	duration      *prometheus.HistogramVec
	sessions      prometheus.Gauge
	begun         prometheus.Counter
	ends          *prometheus.CounterVec
	lasted        prometheus.Histogram
	renewals      prometheus.Counter
	dropped       *prometheus.CounterVec
	logouts       *prometheus.CounterVec
}

var _ prometheus.Collector = (*Collector)(nil)

// New makes a collector.
func New() *Collector {
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
	}
	return &Collector{
		verifications: prometheus.NewCounterVec(counter("verifications_total", "Handshakes and tokens that were decided on."), []string{"by", "outcome", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "verification_duration_seconds", Help: "How long the decision took.", Buckets: metric.Buckets,
		}, []string{"outcome"}),
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "sessions", Help: "Sockets that are authenticated now."}),
		begun:    prometheus.NewCounter(counter("sessions_begun_total", "Sockets that were authenticated.")),
		ends:     prometheus.NewCounterVec(counter("session_ends_total", "Sessions that ended, by reason."), []string{"reason"}),
		lasted: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "session_duration_seconds", Help: "How long sessions lasted.", Buckets: prometheus.ExponentialBuckets(1, 4, 10),
		}),
		renewals: prometheus.NewCounter(counter("renewals_total", "Tokens of live sessions that were renewed.")),
		dropped:  prometheus.NewCounterVec(counter("dropped_sockets_total", "Sockets that were disconnected before they had authenticated, by reason."), []string{"reason"}),
		logouts:  prometheus.NewCounterVec(counter("logouts_total", "Back-channel logouts, by whether they ended a session in this process."), []string{"matched"}),
	}
}

func (c *Collector) all() collectors {
	return collectors{c.verifications, c.duration, c.sessions, c.begun, c.ends, c.lasted, c.renewals, c.dropped, c.logouts}
}

// Describe describes the metrics.
func (c *Collector) Describe(out chan<- *prometheus.Desc) { c.all().Describe(out) }

// Collect collects them.
func (c *Collector) Collect(out chan<- prometheus.Metric) { c.all().Collect(out) }

// Observer returns what [socketio.Observe] is given.
func (c *Collector) Observer() socketio.Observer {
	return socketio.Observer{
		Verifying: func(ctx context.Context, h *verifier.Handshake, old *verifier.Token) (context.Context, func(*verifier.Token, *verifier.UnauthorizedError)) {
			began, by := time.Now(), metric.By(h, old)
			return ctx, func(t *verifier.Token, err *verifier.UnauthorizedError) {
				outcome := metric.Outcome(t, err)
				c.duration.WithLabelValues(outcome).Observe(time.Since(began).Seconds())
				c.verifications.WithLabelValues(by, outcome, c.reasons.Of(err)).Inc()
			}
		},
		Began: func(*verifier.Handshake, *verifier.Token) {
			c.sessions.Inc()
			c.begun.Inc()
		},
		Renewed: func(*verifier.Handshake, *verifier.Token) { c.renewals.Inc() },
		Ended: func(_ *verifier.Handshake, _ *verifier.Token, lasted time.Duration, cause error) {
			c.sessions.Dec()
			c.ends.WithLabelValues(c.reasons.Of(cause)).Inc()
			c.lasted.Observe(lasted.Seconds())
		},
		Dropped: func(_ *verifier.Handshake, err *verifier.UnauthorizedError) {
			c.dropped.WithLabelValues(c.reasons.Of(err)).Inc()
		},
	}
}

// LoggedOut counts a back-channel logout: give it as Observe of
// [socketio.LogoutOptions].
func (c *Collector) LoggedOut(_ *verifier.Token, ended int) {
	c.logouts.WithLabelValues(strconv.FormatBool(ended > 0)).Inc()
}
