package otelsocketio_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/otelsocketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// words is an authenticator whose tokens are words, some of which are refusals.
func words(ctx context.Context, h *verifier.Handshake) (*verifier.Token, error) {
	raw, err := verifier.DefaultExtractor().Extract(ctx, h)
	if err != nil {
		return nil, err
	}
	switch raw {
	case "":
		return nil, &verifier.UnauthorizedError{Code: verifier.CodeCredentialsRequired, Message: "no token provided", Reason: verifier.ErrTokenMissing}
	case "forged":
		return nil, &verifier.UnauthorizedError{Message: "invalid signature", Reason: verifier.ErrSignatureInvalid}
	case "outage":
		return nil, &verifier.UnauthorizedError{Message: "keys unavailable", Reason: verifier.ErrKeysUnavailable, Retryable: true}
	}
	// What the application does is in the span of the verification.
	_, span := trace.SpanFromContext(ctx).TracerProvider().Tracer("application").Start(ctx, "look up")
	span.End()
	return &verifier.Token{Subject: raw}, nil
}

// collect returns the data points, a line each.
func collect(t *testing.T, reader sdkmetric.Reader) []string {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	var lines []string
	line := func(m metricdata.Metrics, set attribute.Set, format string, args ...any) {
		name := strings.TrimPrefix(m.Name, "socketio_jwt.") + labels(set.ToSlice())
		lines = append(lines, name+" "+fmt.Sprintf(format, args...))
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					line(m, p.Attributes, "%d", p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					line(m, p.Attributes, "%d", p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					line(m, p.Attributes, "%d in %v %s", p.Count, p.Sum, m.Unit)
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	slices.Sort(lines)
	return lines
}

func labels(list []attribute.KeyValue) string {
	var words []string
	for _, kv := range list {
		words = append(words, strings.TrimPrefix(string(kv.Key), "socketio_jwt.")+"="+kv.Value.String())
	}
	slices.Sort(words)
	return "{" + strings.Join(words, ",") + "}"
}

func expect(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestInstrumentation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reader, spans := sdkmetric.NewManualReader(), tracetest.NewInMemoryExporter()
		meters, tracers := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
		telemetry, err := otelsocketio.New(&otelsocketio.Options{
			MeterProvider: meters, TracerProvider: tracers, Attributes: []attribute.KeyValue{attribute.String("server", "a")},
		})
		if err != nil {
			t.Fatal(err)
		}
		registry := socketio.NewRegistry(nil)
		if err := telemetry.Registry("all", registry); err != nil {
			t.Fatal(err)
		}
		with := func(options ...socketio.Option) []socketio.Option {
			return append(options, socketio.WithLogger(slog.New(slog.DiscardHandler)), socketio.WithRegistry(registry), socketio.Observe(telemetry.Observer()))
		}
		guests, err := socketio.New(socketio.AuthenticatorFunc(words), with(socketio.ByHandshake(), socketio.Optional())...)
		if err != nil {
			t.Fatal(err)
		}
		h := &verifier.Handshake{Namespace: "/chat"}
		byEvent := sockettest.NewServer(socketio.AuthenticatorFunc(words), with()...)
		for _, tokens := range [][]string{{"ada", "ada", "bob"}, {"forged", "outage", "ada"}, {}} {
			c := byEvent.Connect(h)
			for _, word := range tokens {
				c.Authenticate(word)
			}
		}
		ctx, root := tracers.Tracer("http").Start(context.Background(), "GET")
		if p, err := guests.Admit(ctx, h); p != nil || err != nil {
			t.Errorf("a guest: %v, %v", p, err)
		}
		root.End()
		time.Sleep(10 * time.Second)
		if err := registry.Revoke(t.Context(), socketio.Revocation{Subject: "ada"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		telemetry.LoggedOut(nil, 0)
		telemetry.LoggedOut(nil, 3)

		expect(t, "the metrics are", collect(t, reader), []string{
			"dropped_sockets{reason=authentication_timeout,server=a} 1",
			"logouts{matched=false,server=a} 1",
			"logouts{matched=true,server=a} 1",
			"renewals{server=a} 1",
			"revocation_store_up{name=all,server=a} 1",
			"revocations{name=all,server=a} 1",
			"session.duration{server=a} 2 in 20 s",
			"session.ends{reason=token_revoked,server=a} 2",
			"sessions{server=a} 0",
			"verification.duration{outcome=accepted,server=a} 3 in 0 s",
			"verification.duration{outcome=guest,server=a} 1 in 0 s",
			"verification.duration{outcome=refused,server=a} 3 in 0 s",
			"verifications{by=event,outcome=accepted,server=a} 2",
			"verifications{by=event,outcome=refused,reason=keys_unavailable,server=a} 1",
			"verifications{by=event,outcome=refused,reason=signature_invalid,server=a} 1",
			"verifications{by=handshake,outcome=guest,server=a} 1",
			"verifications{by=renewal,outcome=accepted,server=a} 1",
			"verifications{by=renewal,outcome=refused,reason=identity_mismatch,server=a} 1",
		})

		names := make(map[trace.SpanID]string)
		var tree []string
		for _, s := range spans.GetSpans() {
			names[s.SpanContext.SpanID()] = s.Name
		}
		for _, s := range spans.GetSpans() {
			line := s.Name + labels(s.Attributes)
			if s.Status.Description != "" {
				line += " " + s.Status.Code.String() + ": " + s.Status.Description
			}
			if parent := names[s.Parent.SpanID()]; parent != "" {
				line = parent + " > " + line
			}
			tree = append(tree, line)
		}
		slices.Sort(tree)
		const all, lookUp = "namespace=/chat,outcome=", "socketio_jwt.verify > look up{}"
		expect(t, "the spans are", tree, []string{
			"GET > socketio_jwt.verify{by=handshake," + all + "guest,server=a}",
			"GET{}",
			lookUp, lookUp, lookUp, lookUp,
			"socketio_jwt.verify{by=event," + all + "accepted,server=a}",
			"socketio_jwt.verify{by=event," + all + "accepted,server=a}",
			"socketio_jwt.verify{by=event," + all + "refused,reason=keys_unavailable,server=a} Error: keys unavailable",
			"socketio_jwt.verify{by=event," + all + "refused,reason=signature_invalid,server=a}",
			"socketio_jwt.verify{by=renewal," + all + "accepted,server=a}",
			"socketio_jwt.verify{by=renewal," + all + "refused,reason=identity_mismatch,server=a}",
		})
	})
}

// TestStats: what others count is read when the meter is.
func TestStats(t *testing.T) {
	issuer := verifiertest.NewIssuer("https://a.test/", verifiertest.NewKey(verifier.EdDSA, "k1"))
	provider, err := jwks.OIDC("https://a.test/", jwks.HTTPClient(issuer.Client()))
	if err != nil {
		t.Fatal(err)
	}
	v, err := verifier.New(provider, verifier.CacheVerified(1))
	if err != nil {
		t.Fatal(err)
	}
	client, err := introspection.New("https://a.test/introspect", introspection.ClientSecret("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	reader := sdkmetric.NewManualReader()
	telemetry, err := otelsocketio.New(&otelsocketio.Options{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{telemetry.Keys("a", provider), telemetry.TokenCache("a", v), telemetry.Introspection("a", client)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	token := issuer.Token(nil)
	for range 3 {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "the metrics are", collect(t, reader), []string{
		"introspection_failures{name=a} 0", "introspection_hits{name=a} 0", "introspection_requests{name=a} 0", "introspection_stale_serves{name=a} 0",
		"key_fetch_failures{name=a} 0", "key_fetches_not_modified{name=a} 0", "key_fetches{name=a} 1", "key_hits{name=a} 3", "key_rotations{name=a} 0",
		"key_stale_serves{name=a} 0", "key_unknown_kids_limited{name=a} 0", "key_unknown_kids{name=a} 0", "keys_skipped{name=a} 0",
		"token_cache_hits{name=a} 2", "token_cache_misses{name=a} 1",
	})
}

// BenchmarkObserver is what one verification costs more, with the SDK and every
// span recorded.
func BenchmarkObserver(b *testing.B) {
	reader := sdkmetric.NewManualReader()
	telemetry, err := otelsocketio.New(&otelsocketio.Options{
		MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)), TracerProvider: sdktrace.NewTracerProvider(),
	})
	if err != nil {
		b.Fatal(err)
	}
	o := telemetry.Observer()
	h, token := &verifier.Handshake{}, &verifier.Token{}
	b.ReportAllocs()
	for b.Loop() {
		_, decided := o.Verifying(b.Context(), h, nil)
		decided(token, nil)
	}
}
