package jwks_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

// benchClaims are what an identity provider puts into an access token.
var benchClaims = verifiertest.Claims{
	"sub": "auth0|5f7c8ec7c33c6c004bbafe82", "aud": []string{"https://api.example.com"}, "azp": "my_client_id", "scope": "openid profile email",
}

// BenchmarkVerify compares where the key comes from: memory, one issuer, one of
// many that are listed, one of many that are allowed.
func BenchmarkVerify(b *testing.B) {
	issuer := verifiertest.NewIssuer("https://tenant.eu.auth0.com/", verifiertest.NewKey(verifier.RS256, "key-1"))
	raw := issuer.Token(benchClaims)
	client, log := jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet)
	single := made(b)(jwks.Auth0("tenant.eu.auth0.com", client, log))
	many := map[string]verifier.KeyProvider{issuer.URL(): single}
	for i := range 100 {
		name := fmt.Sprintf("https://tenant-%d.test/", i)
		many[name] = made(b)(jwks.OIDC(name, client, log))
	}
	static, err := keys.NewSet(keyOf(b, issuer))
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		p    verifier.KeyProvider
	}{
		{"memory", static},
		{"Auth0", single},
		{"Issuers", made(b)(jwks.Issuers(many))},
		{"IssuersFunc", made(b)(jwks.IssuersFunc(func(context.Context, string) (bool, error) { return true, nil }, client, log))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			v, err := verifier.New(bench.p)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := v.Verify(context.Background(), raw); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := v.Verify(context.Background(), raw); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkKeys is the part of BenchmarkVerify that is this package's.
func BenchmarkKeys(b *testing.B) {
	for name, p := range warmProviders(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if found, err := p.provider.Keys(context.Background(), p.token); len(found) != 1 {
						b.Error(found, err)
					}
				}
			})
		})
	}
}

// TestKeysAllocatesNothing: finding a key that is at hand is free of garbage.
func TestKeysAllocatesNothing(t *testing.T) {
	for name, p := range warmProviders(t) {
		if n := testing.AllocsPerRun(100, func() { p.provider.Keys(context.Background(), p.token) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

type warm struct {
	provider *jwks.Provider
	token    *verifier.UnverifiedToken
}

// warmProviders returns providers of one issuer that have its key at hand.
func warmProviders(t testing.TB) map[string]warm {
	t.Helper()
	issuer := verifiertest.NewIssuer("https://tenant.eu.auth0.com/")
	client, log := jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet)
	single := made(t)(jwks.Auth0("tenant.eu.auth0.com", client, log))
	all := make(map[string]warm)
	for name, p := range map[string]*jwks.Provider{
		"Auth0":       single,
		"Issuers":     made(t)(jwks.Issuers(map[string]verifier.KeyProvider{issuer.URL(): single})),
		"IssuersFunc": made(t)(jwks.IssuersFunc(func(context.Context, string) (bool, error) { return true, nil }, client, log)),
	} {
		v, err := verifier.New(p)
		if err != nil {
			t.Fatal(err)
		}
		token, err := v.Verify(context.Background(), issuer.Token(benchClaims))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = warm{p, token.Unverified(&verifier.Handshake{})}
	}
	return all
}

// keyOf returns the issuer's key, without any network.
func keyOf(b *testing.B, issuer *verifiertest.Issuer) *verifier.Key {
	found, err := issuer.Keys(context.Background(), &verifier.UnverifiedToken{})
	if err != nil {
		b.Fatal(err)
	}
	return found[0]
}

// BenchmarkRefresh compares verifications during a refresh, from an issuer that
// takes 2 s to answer over HTTPS, with those of a provider that has nothing to
// fetch. They take turns, so that what else the machine does hits both. p99-ratio
// should be within 2.
func BenchmarkRefresh(b *testing.B) {
	issuer := verifiertest.ServeTLS(verifiertest.NewKey(verifier.RS256, "key-1"))
	defer issuer.Close()
	raw := issuer.Token(benchClaims)
	var ahead atomic.Int64    // how far the clock of the one that refreshes is
	var answered atomic.Int64 // requests
	client := *issuer.Client()
	client.Transport = counting{client.Transport, &answered}
	provider := func(clock func() time.Time) (*jwks.Provider, *verifier.Verifier) {
		p := made(b)(jwks.URL(issuer.JWKSURL(), jwks.HTTPClient(&client), jwks.WithLogger(quiet), jwks.WithClock(clock)))
		v, err := verifier.New(p)
		if err != nil {
			b.Fatal(err)
		}
		return p, v
	}
	p, refreshing := provider(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) })
	_, resting := provider(time.Now)
	verify := func(v *verifier.Verifier) time.Duration {
		began := time.Now()
		if _, err := v.Verify(context.Background(), raw); err != nil {
			b.Fatal(err)
		}
		return time.Since(began)
	}
	verify(refreshing)
	verify(resting)
	issuer.Break(verifiertest.Slow(2 * time.Second))
	var during, without []time.Duration
	for b.Loop() {
		before := answered.Load()
		ahead.Add(int64(9 * time.Minute))
		for answered.Load() == before {
			during = append(during, verify(refreshing))
			without = append(without, verify(resting))
		}
	}
	if got := p.Stats(); got.Failures != 0 {
		b.Errorf("got %+v", got)
	}
	p99 := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)*99/100])
	}
	b.ReportMetric(p99(during)/1e3, "p99-during-µs")
	b.ReportMetric(p99(without)/1e3, "p99-without-µs")
	b.ReportMetric(p99(during)/p99(without), "p99-ratio")
}

// counting counts the requests that were answered.
type counting struct {
	http.RoundTripper
	answered *atomic.Int64
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	defer c.answered.Add(1)
	return c.RoundTripper.RoundTrip(r)
}
