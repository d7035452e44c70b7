package promsocketio

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/socketio"
	"github.com/seed15b1dee8/socketio-jwt/socketio/sockettest"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/introspection"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collected is what the collector exports after the lives of TestCollector.
var collected = `
# HELP socketio_jwt_dropped_sockets_total Sockets that were disconnected before they had authenticated, by reason.
# TYPE socketio_jwt_dropped_sockets_total counter
socketio_jwt_dropped_sockets_total{reason="authentication_timeout"} 1
socketio_jwt_dropped_sockets_total{reason="token_malformed"} 1
# HELP socketio_jwt_logouts_total Back-channel logouts, by whether they ended a session in this process.
# TYPE socketio_jwt_logouts_total counter
socketio_jwt_logouts_total{matched="false"} 2
socketio_jwt_logouts_total{matched="true"} 1
# HELP socketio_jwt_renewals_total Tokens of live sessions that were renewed.
# TYPE socketio_jwt_renewals_total counter
socketio_jwt_renewals_total 1
# HELP socketio_jwt_revocation_store_up Whether revocations made elsewhere are known here.
# TYPE socketio_jwt_revocation_store_up gauge
socketio_jwt_revocation_store_up{name="all"} 1
# HELP socketio_jwt_revocations Revocations that are kept.
# TYPE socketio_jwt_revocations gauge
socketio_jwt_revocations{name="all"} 1
# HELP socketio_jwt_session_duration_seconds How long sessions lasted.
# TYPE socketio_jwt_session_duration_seconds histogram
socketio_jwt_session_duration_seconds_bucket{le="1"} 1
socketio_jwt_session_duration_seconds_bucket{le="4"} 1
socketio_jwt_session_duration_seconds_bucket{le="16"} 2
socketio_jwt_session_duration_seconds_bucket{le="64"} 3
socketio_jwt_session_duration_seconds_bucket{le="256"} 3
socketio_jwt_session_duration_seconds_bucket{le="1024"} 3
socketio_jwt_session_duration_seconds_bucket{le="4096"} 3
socketio_jwt_session_duration_seconds_bucket{le="16384"} 3
socketio_jwt_session_duration_seconds_bucket{le="65536"} 3
socketio_jwt_session_duration_seconds_bucket{le="262144"} 3
socketio_jwt_session_duration_seconds_bucket{le="+Inf"} 3
socketio_jwt_session_duration_seconds_sum 40
socketio_jwt_session_duration_seconds_count 3
# HELP socketio_jwt_session_ends_total Sessions that ended, by reason.
# TYPE socketio_jwt_session_ends_total counter
socketio_jwt_session_ends_total{reason="disconnected"} 1
socketio_jwt_session_ends_total{reason="token_expired"} 1
socketio_jwt_session_ends_total{reason="token_revoked"} 1
# HELP socketio_jwt_sessions Sockets that are authenticated now.
# TYPE socketio_jwt_sessions gauge
socketio_jwt_sessions 1
# HELP socketio_jwt_sessions_begun_total Sockets that were authenticated.
# TYPE socketio_jwt_sessions_begun_total counter
socketio_jwt_sessions_begun_total 4
# HELP socketio_jwt_token_cache_hits_total Tokens that were remembered, and spared the signature.
# TYPE socketio_jwt_token_cache_hits_total counter
socketio_jwt_token_cache_hits_total{name="chat"} 2
# HELP socketio_jwt_token_cache_misses_total Tokens that were not remembered.
# TYPE socketio_jwt_token_cache_misses_total counter
socketio_jwt_token_cache_misses_total{name="chat"} 6
# HELP socketio_jwt_verification_duration_seconds How long the decision took.
# TYPE socketio_jwt_verification_duration_seconds histogram
` + durations("accepted", 5) + durations("guest", 1) + durations("refused", 5) + `# HELP socketio_jwt_verifications_total Handshakes and tokens that were decided on.
# TYPE socketio_jwt_verifications_total counter
socketio_jwt_verifications_total{by="event",outcome="accepted",reason=""} 4
socketio_jwt_verifications_total{by="event",outcome="refused",reason="banned"} 1
socketio_jwt_verifications_total{by="event",outcome="refused",reason="token_expired"} 1
socketio_jwt_verifications_total{by="event",outcome="refused",reason="token_malformed"} 1
socketio_jwt_verifications_total{by="handshake",outcome="guest",reason=""} 1
socketio_jwt_verifications_total{by="handshake",outcome="refused",reason="token_malformed"} 1
socketio_jwt_verifications_total{by="renewal",outcome="accepted",reason=""} 1
socketio_jwt_verifications_total{by="renewal",outcome="refused",reason="identity_mismatch"} 1
`

// TestCollector: what /metrics shows after a busy day, which is a minute here.
func TestCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := verifiertest.NewKey(verifier.HS256, "")
		v := withoutEve(t, key)
		metrics := New()
		registry := socketio.NewRegistry(nil)
		options := []socketio.Option{
			socketio.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))), socketio.WithRegistry(registry), socketio.Observe(metrics.Observer()),
		}
		byEvent := sockettest.NewServer(v, options...)
		byHandshake := sockettest.NewServer(v, append(options, socketio.ByHandshake(), socketio.Optional())...)
		stays := lives(byEvent, key)
		if c := byHandshake.Connect(nil); c.Err() != nil {
			t.Errorf("a guest: %v", c.Err())
		}
		if c := byHandshake.Connect(&verifier.Handshake{Auth: map[string]any{"token": "forged"}}); !errors.Is(c.Err(), verifier.ErrTokenMalformed) {
			t.Error(c.Err())
		}
		time.Sleep(30 * time.Second)
		if err := registry.Revoke(t.Context(), socketio.Revocation{Subject: "dan"}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, ended := range []int{2, 0, 0} {
			metrics.LoggedOut(nil, ended)
		}

		reg := prometheus.NewPedanticRegistry()
		reg.MustRegister(metrics, Registry("all", registry), TokenCache("chat", v))
		if err := testutil.GatherAndCompare(reg, strings.NewReader(collected)); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
		stays.Disconnect()
		if n := testutil.ToFloat64(metrics.sessions); n != 0 {
			t.Errorf("%v sessions are left", n)
		}
	})
}

// withoutEve verifies the tokens of a key, but none of the user eve.
func withoutEve(t *testing.T, key *verifiertest.Key) *verifier.Verifier {
	t.Helper()
	set, err := keys.Secret(key.Material().([]byte))
	if err != nil {
		t.Fatal(err)
	}
	banned := verifier.ClaimValidatorFunc(func(_ context.Context, t *verifier.Token, _ *verifier.Handshake) error {
		if t.Subject == "eve" {
			return &verifier.UnauthorizedError{Message: "banned", Reason: "banned"}
		}
		return nil
	})
	v, err := verifier.New(set, verifier.Validate(banned), verifier.CacheVerified(1000))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// lives connects clients that fail, renew, expire and leave. It returns one that stays.
func lives(server *sockettest.Server, key *verifiertest.Key) *sockettest.Client {
	mint := func(claims verifiertest.Claims) any {
		return map[string]any{"token": key.Mint(nil, claims)}
	}
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	attach := func(tokens ...any) *sockettest.Client {
		c := server.Connect(nil)
		for _, token := range tokens {
			c.Emit(socketio.EventAuthenticate, token)
		}
		return c
	}
	ada := verifiertest.Claims{"sub": "ada", "exp": in(time.Hour)}
	stays := attach(mint(ada))
	attach(mint(ada)).Disconnect()
	attach(mint(verifiertest.Claims{"sub": "eve"}), mint(verifiertest.Claims{"sub": "ada", "exp": in(-time.Minute)}), "nothing") // three failures, which end it
	attach(mint(verifiertest.Claims{"sub": "bob", "exp": in(10 * time.Second)}))
	attach(mint(verifiertest.Claims{"sub": "dan", "exp": in(10 * time.Second)}), mint(verifiertest.Claims{"sub": "dan", "exp": in(time.Hour)}), mint(ada))
	attach() // says nothing
	return stays
}

// durations are n verifications that took no time: the clock stands still.
func durations(outcome string, n int) string {
	const name = "socketio_jwt_verification_duration_seconds"
	var b strings.Builder
	line := func(more, labels string, value int) {
		b.WriteString(name + more + `{outcome="` + outcome + `"` + labels + "} " + string(rune('0'+value)) + "\n")
	}
	for _, le := range []string{"5e-05", "0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "+Inf"} {
		line("_bucket", `,le="`+le+`"`, n)
	}
	line("_sum", "", 0)
	line("_count", "", n)
	return b.String()
}

// TestKeys: two key sets beside each other, one of which cannot be fetched.
func TestKeys(t *testing.T) {
	issuer := verifiertest.NewIssuer("https://a.test/", verifiertest.NewKey(verifier.EdDSA, "k1"))
	good, err := jwks.OIDC("https://a.test/", jwks.HTTPClient(issuer.Client()), quiet)
	if err != nil {
		t.Fatal(err)
	}
	down := verifiertest.NewIssuer("https://b.test/", verifiertest.NewKey(verifier.EdDSA, "k1"))
	down.Break(verifiertest.Status(503))
	bad, err := jwks.OIDC("https://b.test/", jwks.HTTPClient(down.Client()), quiet)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		p *jwks.Provider
		i *verifiertest.Issuer
	}{{good, issuer}, {good, issuer}, {bad, down}} {
		v, err := verifier.New(row.p)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = v.Verify(t.Context(), row.i.Token(nil)) // whether it holds is not what is counted here
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(Keys("a", good), Keys("b", bad))
	want := `
# HELP socketio_jwt_key_fetch_failures_total Attempts to load a key set that failed.
# TYPE socketio_jwt_key_fetch_failures_total counter
socketio_jwt_key_fetch_failures_total{name="a"} 0
socketio_jwt_key_fetch_failures_total{name="b"} 1
# HELP socketio_jwt_key_fetches_total Attempts to load a key set.
# TYPE socketio_jwt_key_fetches_total counter
socketio_jwt_key_fetches_total{name="a"} 1
socketio_jwt_key_fetches_total{name="b"} 1
# HELP socketio_jwt_key_hits_total Tokens whose key was at hand.
# TYPE socketio_jwt_key_hits_total counter
socketio_jwt_key_hits_total{name="a"} 2
socketio_jwt_key_hits_total{name="b"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want),
		"socketio_jwt_key_fetch_failures_total", "socketio_jwt_key_fetches_total", "socketio_jwt_key_hits_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg); err != nil || n != 2*9 {
		t.Errorf("%d metrics, want 18, %v", n, err)
	}
}

var quiet = jwks.WithLogger(slog.New(slog.DiscardHandler))

// TestIntrospection: the names of what a client counts.
func TestIntrospection(t *testing.T) {
	c, err := introspection.New("https://a.test/introspect", introspection.ClientSecret("a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(Introspection("a", c))
	for _, name := range []string{"requests", "failures", "hits", "stale_serves"} {
		if n, err := testutil.GatherAndCount(reg, "socketio_jwt_introspection_"+name+"_total"); err != nil || n != 1 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

// BenchmarkObserver is what one verification costs more.
func BenchmarkObserver(b *testing.B) {
	o := New().Observer()
	h, token := &verifier.Handshake{}, &verifier.Token{}
	b.ReportAllocs()
	for b.Loop() {
		_, decided := o.Verifying(b.Context(), h, nil)
		decided(token, nil)
	}
}
