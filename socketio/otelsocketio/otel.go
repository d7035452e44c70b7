// Package otelsocketio measures and traces authorization with OpenTelemetry:
// verifications by outcome and reason and how long they took, sessions, renewals,
// expiries and revocations, and what the caches of keys and tokens do.
//
// [New] makes an instrumentation, which observes one authorizer, or several:
//
//	telemetry, err := otelsocketio.New(nil)
//	chat, err := server.Authorize("/", v, socketio.Observe(telemetry.Observer()))
//	err = telemetry.Keys("auth0", provider)
//
// # Metrics
//
//	socketio_jwt.verifications          counter            by, outcome, reason
//	socketio_jwt.verification.duration  histogram, s       outcome
//	socketio_jwt.sessions               up-down counter
//	socketio_jwt.session.ends           counter            reason
//	socketio_jwt.session.duration       histogram, s
//	socketio_jwt.renewals               counter
//	socketio_jwt.dropped_sockets        counter            reason
//	socketio_jwt.logouts                counter            matched
//
// The attributes are named socketio_jwt.by and so on. by is handshake, event or
// renewal; outcome is accepted, refused or guest; reason is a [verifier.Reason],
// absent for a token that was accepted, and "disconnected" for a session that
// authorization did not end. No attribute of a metric has a value that a client
// chooses, and of an application's own reasons 32 have a name: the rest is "other".
// matched says whether a back-channel logout ended a session in this process
// ([Instrumentation.LoggedOut]).
//
// # Spans
//
// Each verification is a span, "socketio_jwt.verify": that of a handshake a child
// of the span that the request is in, that of an event by itself. What the
// application does in it, such as a query by the function of [socketio.User], is
// below it. It has the attributes above, and
// the namespace. Its status is an error where the server could not tell, and not
// where a token was refused. It says nothing that a token claims.
package otelsocketio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	shared "github.com/seed15b1dee8/socketio-jwt/socketio/internal/metric"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
)

const (
	scope  = "github.com/seed15b1dee8/socketio-jwt/socketio/otelsocketio"
	prefix = "socketio_jwt."

	byKey        = attribute.Key(prefix + "by")
	outcomeKey   = attribute.Key(prefix + "outcome")
	reasonKey    = attribute.Key(prefix + "reason")
	namespaceKey = attribute.Key(prefix + "namespace")
	nameKey      = attribute.Key(prefix + "name")
	matchedKey   = attribute.Key(prefix + "matched")
)

// Options sets up an [Instrumentation].
type Options struct {
	// MeterProvider and TracerProvider are OpenTelemetry's global ones by
	// default.
	MeterProvider  metric.MeterProvider
	TracerProvider trace.TracerProvider

	// Attributes are added to every metric and span: the namespace, say, where
	// several have an instrumentation each.
	Attributes []attribute.KeyValue
}

// Instrumentation has the instruments. Make it with [New]. It is safe for
// concurrent use.
type Instrumentation struct {
	attributes []attribute.KeyValue
	meter      metric.Meter
	tracer     trace.Tracer
	reasons    shared.Reasons

	verifications metric.Int64Counter
	duration      metric.Float64Histogram
	sessions      metric.Int64UpDownCounter
	ends          metric.Int64Counter
	lasted        metric.Float64Histogram
	renewals      metric.Int64Counter
	dropped       metric.Int64Counter
	logouts       metric.Int64Counter
}

// New makes an instrumentation; nil options are the defaults. It fails where the
// meter provider does.
func New(o *Options) (*Instrumentation, error) {
	if o == nil {
		o = &Options{}
	}
	meters, tracers := o.MeterProvider, o.TracerProvider
	if meters == nil {
		meters = otel.GetMeterProvider()
	}
	if tracers == nil {
		tracers = otel.GetTracerProvider()
	}
	i := &Instrumentation{attributes: slices.Clone(o.Attributes), meter: meters.Meter(scope), tracer: tracers.Tracer(scope)}
	var failures [8]error
	i.verifications, failures[0] = i.meter.Int64Counter(prefix+"verifications", metric.WithUnit("{verification}"), metric.WithDescription("Handshakes and tokens that were decided on."))
	i.duration, failures[1] = i.meter.Float64Histogram(prefix+"verification.duration", metric.WithUnit("s"), metric.WithDescription("How long the decision took."), metric.WithExplicitBucketBoundaries(shared.Buckets...))
	i.sessions, failures[2] = i.meter.Int64UpDownCounter(prefix+"sessions", metric.WithUnit("{session}"), metric.WithDescription("Sockets that are authenticated now."))
	i.ends, failures[3] = i.meter.Int64Counter(prefix+"session.ends", metric.WithUnit("{session}"), metric.WithDescription("Sessions that ended, by reason."))
	i.lasted, failures[4] = i.meter.Float64Histogram(prefix+"session.duration", metric.WithUnit("s"), metric.WithDescription("How long sessions lasted."), metric.WithExplicitBucketBoundaries(1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144))
	i.renewals, failures[5] = i.meter.Int64Counter(prefix+"renewals", metric.WithUnit("{renewal}"), metric.WithDescription("Tokens of live sessions that were renewed."))
	i.dropped, failures[6] = i.meter.Int64Counter(prefix+"dropped_sockets", metric.WithUnit("{socket}"), metric.WithDescription("Sockets that were disconnected before they had authenticated, by reason."))
	i.logouts, failures[7] = i.meter.Int64Counter(prefix+"logouts", metric.WithUnit("{logout}"), metric.WithDescription("Back-channel logouts, by whether they ended a session in this process."))
	if err := errors.Join(failures[:]...); err != nil {
		return nil, fmt.Errorf("otelsocketio: New: %w", err)
	}
	return i, nil
}

// with returns the attributes of a measurement.
func (i *Instrumentation) with(more ...attribute.KeyValue) metric.MeasurementOption {
	return metric.WithAttributeSet(attribute.NewSet(slices.Concat(i.attributes, more)...))
}

// why is the attribute of a reason, none of no reason.
func (i *Instrumentation) why(cause error) []attribute.KeyValue {
	if label := i.reasons.Of(cause); label != "" {
		return []attribute.KeyValue{reasonKey.String(label)}
	}
	return nil
}

// LoggedOut counts a back-channel logout: give it as Observe of
// [socketio.LogoutOptions].
func (i *Instrumentation) LoggedOut(_ *verifier.Token, ended int) {
	i.logouts.Add(context.Background(), 1, i.with(matchedKey.Bool(ended > 0)))
}

// Observer returns what [socketio.Observe] is given.
func (i *Instrumentation) Observer() socketio.Observer {
	return socketio.Observer{
		Verifying: i.verifying,
		Began: func(*verifier.Handshake, *verifier.Token) {
			i.sessions.Add(context.Background(), 1, i.with())
		},
		Renewed: func(*verifier.Handshake, *verifier.Token) {
			i.renewals.Add(context.Background(), 1, i.with())
		},
		Ended: func(_ *verifier.Handshake, _ *verifier.Token, lasted time.Duration, cause error) {
			i.sessions.Add(context.Background(), -1, i.with())
			i.ends.Add(context.Background(), 1, i.with(i.why(cause)...))
			i.lasted.Record(context.Background(), lasted.Seconds(), i.with())
		},
		Dropped: func(_ *verifier.Handshake, err *verifier.UnauthorizedError) {
			i.dropped.Add(context.Background(), 1, i.with(i.why(err)...))
		},
	}
}

func (i *Instrumentation) verifying(ctx context.Context, h *verifier.Handshake, old *verifier.Token) (context.Context, func(*verifier.Token, *verifier.UnauthorizedError)) {
	began, by := time.Now(), byKey.String(shared.By(h, old))
	ctx, span := i.tracer.Start(ctx, prefix+"verify", trace.WithAttributes(i.attributes...), trace.WithAttributes(by, namespaceKey.String(h.Namespace)))
	return ctx, func(t *verifier.Token, err *verifier.UnauthorizedError) {
		outcome := outcomeKey.String(shared.Outcome(t, err))
		// In the context of the span, which becomes an example of its bucket.
		i.duration.Record(ctx, time.Since(began).Seconds(), i.with(outcome))
		how := append([]attribute.KeyValue{by, outcome}, i.why(err)...)
		i.verifications.Add(ctx, 1, i.with(how...))
		span.SetAttributes(how...)
		if err != nil && (err.Retryable || err.Reason == socketio.ErrServer) {
			span.SetStatus(codes.Error, err.Message)
		}
		span.End()
	}
}

// Keys exports the counters of the provider: fetches, failures and rotations, and
// the tokens whose key was known or unknown ([jwks.Stats]). name becomes the
// attribute socketio_jwt.name, which distinguishes key sets.
func (i *Instrumentation) Keys(name string, p *jwks.Provider) error {
	return observe(i, shared.Keys, name, p.Stats)
}

// Introspection exports the counters of the client ([introspection.Stats]).
func (i *Instrumentation) Introspection(name string, c *introspection.Client) error {
	return observe(i, shared.Introspection, name, c.Stats)
}

// TokenCache exports the counters of the token cache of a verifier with
// [verifier.CacheVerified].
func (i *Instrumentation) TokenCache(name string, v *verifier.Verifier) error {
	return observe(i, shared.Cached, name, shared.CacheStats(v))
}

// Registry exports how many revocations the registry keeps, and whether it knows
// those of the other nodes (1 while [socketio.Registry.Err] is nil).
func (i *Instrumentation) Registry(name string, r *socketio.Registry) error {
	kept, err := i.meter.Int64ObservableGauge(prefix+"revocations", metric.WithUnit("{revocation}"), metric.WithDescription("Revocations that are kept."))
	if err != nil {
		return fmt.Errorf("otelsocketio: %w", err)
	}
	up, err := i.meter.Int64ObservableGauge(prefix+"revocation_store_up", metric.WithDescription("Whether revocations made elsewhere are known here."))
	if err != nil {
		return fmt.Errorf("otelsocketio: %w", err)
	}
	return i.register(name, func(o metric.Observer, with metric.MeasurementOption) {
		o.ObserveInt64(kept, int64(r.Revocations()), with)
		n := int64(1)
		if r.Err() != nil {
			n = 0
		}
		o.ObserveInt64(up, n, with)
	}, kept, up)
}

func observe[S any](i *Instrumentation, counts []shared.Count[S], name string, read func() S) error {
	var counters []metric.Observable
	for _, c := range counts {
		counter, err := i.meter.Int64ObservableCounter(prefix+c.Name, metric.WithDescription(c.Help))
		if err != nil {
			return fmt.Errorf("otelsocketio: %w", err)
		}
		counters = append(counters, counter)
	}
	return i.register(name, func(o metric.Observer, with metric.MeasurementOption) {
		now := read()
		for n, c := range counts {
			o.ObserveInt64(counters[n].(metric.Int64Observable), int64(c.Of(now)), with)
		}
	}, counters...)
}

func (i *Instrumentation) register(name string, f func(metric.Observer, metric.MeasurementOption), instruments ...metric.Observable) error {
	with := i.with(nameKey.String(name))
	_, err := i.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		f(o, with)
		return nil
	}, instruments...)
	if err != nil {
		return fmt.Errorf("otelsocketio: %w", err)
	}
	return nil
}
