package jwks_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed15b1dee8/socketio-jwt/jwks"
	"github.com/seed15b1dee8/socketio-jwt/keys"
	"github.com/seed15b1dee8/socketio-jwt/verifier"
	"github.com/seed15b1dee8/socketio-jwt/verifier/verifiertest"
)

func TestMisconfiguration(t *testing.T) {
	url := func(o jwks.Option) func() (*jwks.Provider, error) {
		return func() (*jwks.Provider, error) { return jwks.URL("https://issuer.test/jwks", o) }
	}
	secret, err := keys.Secret([]byte(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	a := made(t)(jwks.OIDC("https://a.test/"))
	for want, f := range map[string]func() (*jwks.Provider, error){
		"jwks: URL: an option is nil":                          url(nil),
		"jwks: URL: TTL is 1ms: expected 1s to 24h":            url(jwks.TTL(time.Millisecond)),
		"jwks: URL: TTL is 25h0m0s: expected 1s to 24h":        url(jwks.TTL(25 * time.Hour)),
		"jwks: URL: MaxStale is -1ns: expected 0 to 168h":      url(jwks.MaxStale(-1)),
		"jwks: URL: HTTPClient: the client is nil":             url(jwks.HTTPClient(nil)),
		"jwks: URL: WithClock: the clock is nil":               url(jwks.WithClock(nil)),
		"jwks: URL: WithLogger: the logger is nil":             url(jwks.WithLogger(nil)),
		"jwks: URL: WithStore: the store is nil":               url(jwks.WithStore(nil)),
		"jwks: URL: OnEvent: the function is nil":              url(jwks.OnEvent(nil)),
		"jwks: URL: ClientAddress: the function is nil":        url(jwks.ClientAddress(nil)),
		"jwks: URL: MaxIssuers is 0: expected 1 or more":       url(jwks.MaxIssuers(0)),
		"jwks: OIDC: the issuer: https://a.test/ has a fragm":  func() (*jwks.Provider, error) { return jwks.OIDC("https://a.test/#x") },
		"jwks: OIDC: the issuer https://a.test/ has a query":   func() (*jwks.Provider, error) { return jwks.OIDC("https://a.test/?x") },
		`jwks: OIDC: the issuer "HTTPS://a.test" is not writt`: func() (*jwks.Provider, error) { return jwks.OIDC("HTTPS://a.test") },
		"jwks: OIDC: the issuer https://a.test//b.test has a":  func() (*jwks.Provider, error) { return jwks.OIDC("https://a.test//b.test") },
		"jwks: Issuers: there is no issuer":                    func() (*jwks.Provider, error) { return jwks.Issuers(nil) },
		`jwks: Issuers: an issuer is ""`:                       func() (*jwks.Provider, error) { return jwks.Issuers(map[string]verifier.KeyProvider{"": secret}) },
		`jwks: Issuers: the provider of "a" is nil`:            func() (*jwks.Provider, error) { return jwks.Issuers(map[string]verifier.KeyProvider{"a": nil}) },
		`jwks: Issuers: the provider of "b" is nil`: func() (*jwks.Provider, error) {
			return jwks.Issuers(map[string]verifier.KeyProvider{"b": (*jwks.Provider)(nil)})
		},
		`jwks: Issuers: the provider of "c" is nil`: func() (*jwks.Provider, error) {
			return jwks.Issuers(map[string]verifier.KeyProvider{"c": (*keys.Set)(nil)})
		},
		`jwks: Issuers: the provider of "https://b.test/" has`: func() (*jwks.Provider, error) {
			return jwks.Issuers(map[string]verifier.KeyProvider{"https://b.test/": a})
		},
		"jwks: IssuersFunc: the function is nil": func() (*jwks.Provider, error) { return jwks.IssuersFunc(nil) },
		"jwks: IssuersFunc: an option is nil": func() (*jwks.Provider, error) {
			return jwks.IssuersFunc(func(context.Context, string) (bool, error) { return true, nil }, nil)
		},
		"jwks: File: stat ": func() (*jwks.Provider, error) { return jwks.File(filepath.Join(t.TempDir(), "none")) },
	} {
		if p, err := f(); p != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestAuth0Domains(t *testing.T) {
	for _, domain := range []string{"tenant.eu.auth0.com", "https://tenant.eu.auth0.com", "https://tenant.eu.auth0.com/", "tenant.eu.auth0.com/", "Tenant.EU.auth0.com", "tenant.eu.auth0.com:443", "https://tenant.eu.auth0.com:443/"} {
		synctest.Test(t, func(t *testing.T) {
			issuer := verifiertest.NewIssuer("https://tenant.eu.auth0.com/")
			p := made(t)(jwks.Auth0(domain, jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet)))
			v := newVerifier(t, p)
			if _, err := v.Verify(t.Context(), issuer.Token(nil)); err != nil {
				t.Errorf("%s: %v", domain, err)
			}
			// Neither another issuer's token nor one without an issuer, whatever key signed it.
			for _, iss := range []any{"https://tenant.eu.auth0.com", "https://other.eu.auth0.com/", nil, 7} {
				_, err := v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"iss": iss}))
				refusedFor(t, fmt.Sprint(iss), err, verifier.ErrIssuerMismatch)
			}
			if n := len(issuer.Requests()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	for domain, want := range map[string]string{
		"":                               "no host",
		"tenant.eu.auth0.com/api/v2":     "nothing behind it",
		"https://tenant.eu.auth0.com/?a": "nothing behind it",
		"http://tenant.eu.auth0.com":     "expected https",
		"user@tenant.eu.auth0.com":       "user or password",
		"tenant.eu.auth0.com.":           "ends in a dot",
		"tenant.eu.auth0.com.:443":       "ends in a dot",
	} {
		if _, err := jwks.Auth0(domain); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", domain, err, want)
		}
	}
}

func TestDiscovery(t *testing.T) {
	for _, test := range []struct {
		name     string
		issuer   string
		asked    string // the issuer, unless it is another
		metadata verifiertest.Claims
		oidc     bool   // whether there is a document by OpenID Connect Discovery
		want     string // in the error
	}{
		{name: "with a slash", issuer: "https://issuer.test/", oidc: true},
		{name: "without", issuer: "https://issuer.test", oidc: true},
		{name: "with a path", issuer: "https://issuer.test/realms/a", oidc: true},
		{name: "with a path and a slash", issuer: "https://issuer.test/realms/a/", oidc: true},
		{name: "with an escaped path", issuer: "https://issuer.test/realms/a%20b", oidc: true},
		{name: "RFC 8414", issuer: "https://issuer.test"},
		{name: "RFC 8414 with a path", issuer: "https://issuer.test/realms/a"},
		{name: "asked for with a slash that is not there", issuer: "https://issuer.test", asked: "https://issuer.test/", oidc: true, want: `of the issuer "https://issuer.test", not of "https://issuer.test/"`},
		{name: "another issuer's metadata", issuer: "https://issuer.test/", metadata: verifiertest.Claims{"issuer": "https://evil.test/"}, oidc: true, want: `of the issuer "https://evil.test/"`},
		{name: "no issuer", issuer: "https://issuer.test/", metadata: verifiertest.Claims{"issuer": nil}, oidc: true, want: `of the issuer ""`},
		{name: "no jwks_uri", issuer: "https://issuer.test/", metadata: verifiertest.Claims{"jwks_uri": nil}, oidc: true, want: "no jwks_uri"},
		{name: "a jwks_uri of http", issuer: "https://issuer.test/", metadata: verifiertest.Claims{"jwks_uri": "http://issuer.test/jwks"}, oidc: true, want: "jwks_uri: http://issuer.test/jwks is http"},
		{name: "a jwks_uri of a file", issuer: "https://issuer.test/", metadata: verifiertest.Claims{"jwks_uri": "file:///etc/keys"}, oidc: true, want: "expected https"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				issuer := verifiertest.NewIssuer(test.issuer)
				issuer.Announce(test.metadata)
				if !test.oidc {
					issuer.Break(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
						if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
							http.NotFound(w, r)
							return
						}
						serve(w, r)
					})
				}
				asked := test.asked
				if asked == "" {
					asked = test.issuer
				}
				p := made(t)(jwks.OIDC(asked, jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet)))
				v := newVerifier(t, p)
				token := issuer.Token(verifiertest.Claims{"iss": asked})
				_, err := v.Verify(t.Context(), token)
				if test.want != "" {
					refusedFor(t, "discovery", err, verifier.ErrKeysUnavailable)
					if !strings.Contains(err.Error(), test.want) {
						t.Errorf("got %v, want %q", err, test.want)
					}
					if issuer.Fetches() != 0 {
						t.Error("a key set was fetched")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err = v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"iss": asked + "x"})); !errors.Is(err, verifier.ErrIssuerMismatch) {
					t.Errorf("another issuer's: got %v", err)
				}
				// Discovery is remembered, until the key set cannot be fetched or a day passed.
				discovered := len(issuer.Requests()) - 1
				time.Sleep(11 * time.Minute)
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Fatal(err)
				}
				if n := len(issuer.Requests()); n != discovered+2 || issuer.Fetches() != 2 {
					t.Errorf("%d requests", n)
				}
				time.Sleep(25 * time.Hour)
				if _, err := v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"iss": asked})); err != nil {
					t.Fatal(err)
				}
				if n := len(issuer.Requests()); n != 2*discovered+3 {
					t.Errorf("%d requests", n)
				}
			})
		})
	}
}

// A key set that moved is found again.
func TestKeySetMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, moved := verifiertest.NewIssuer("https://issuer.test/"), verifiertest.NewIssuer("https://keys.test/")
		v := newVerifier(t, made(t)(jwks.OIDC(old.URL(), jwks.HTTPClient(verifiertest.Client(old, moved)), jwks.WithLogger(quiet))))
		if _, err := v.Verify(t.Context(), old.Token(nil)); err != nil {
			t.Fatal(err)
		}
		old.Announce(verifiertest.Claims{"jwks_uri": moved.JWKSURL()})
		old.Break(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			if strings.HasSuffix(r.URL.Path, "/jwks.json") {
				http.NotFound(w, r)
				return
			}
			serve(w, r)
		})
		next := unpublished("key-2")
		moved.Publish(next)
		raw := old.TokenBy(next, nil, nil)
		_, err := v.Verify(t.Context(), raw)
		refusedFor(t, "the old place", err, verifier.ErrKeysUnavailable)
		time.Sleep(10 * time.Second)
		if _, err := v.Verify(t.Context(), raw); err != nil {
			t.Errorf("the new place: %v", err)
		}
	})
}

// The keys of one issuer never verify another's tokens, under the same kid or
// not.
func TestIssuers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, evil := verifiertest.NewIssuer("https://a.test/"), verifiertest.NewIssuer("https://b.test/"), verifiertest.NewIssuer("https://evil.test/")
		client := jwks.HTTPClient(verifiertest.Client(a, b, evil))
		shared := verifiertest.NewKey(verifier.HS256, "")
		secret, err := keys.Secret(shared.Material().([]byte))
		if err != nil {
			t.Fatal(err)
		}
		list := made(t)(jwks.Issuers(map[string]verifier.KeyProvider{
			a.URL():    made(t)(jwks.OIDC(a.URL(), client, jwks.WithLogger(quiet))),
			b.URL():    made(t)(jwks.URL(b.JWKSURL(), client, jwks.WithLogger(quiet))),
			"internal": secret,
		}))
		dynamic := made(t)(jwks.IssuersFunc(func(_ context.Context, issuer string) (bool, error) {
			return issuer == a.URL() || issuer == b.URL(), nil
		}, client, jwks.WithLogger(quiet)))
		chain, err := keys.FirstOf(made(t)(jwks.Issuers(map[string]verifier.KeyProvider{"internal": secret})), dynamic)
		if err != nil {
			t.Fatal(err)
		}
		for name, p := range map[string]verifier.KeyProvider{"Issuers": list, "FirstOf(Issuers, IssuersFunc)": chain} {
			v := newVerifier(t, p)
			for _, test := range []struct {
				what   string
				raw    string
				reason verifier.Reason
			}{
				{"a's", a.Token(nil), ""},
				{"b's", b.Token(nil), ""},
				{"internal", a.TokenBy(shared, nil, verifiertest.Claims{"iss": "internal"}), ""},
				{"b's by a", a.Token(verifiertest.Claims{"iss": b.URL()}), verifier.ErrSignatureInvalid},
				{"a's by b", b.Token(verifiertest.Claims{"iss": a.URL()}), verifier.ErrSignatureInvalid},
				{"a's by the secret", a.TokenBy(shared, nil, nil), verifier.ErrAlgorithmNotAllowed},
				{"internal by a", a.Token(verifiertest.Claims{"iss": "internal"}), verifier.ErrAlgorithmNotAllowed},
				{"nobody's by a", a.Token(verifiertest.Claims{"iss": nil}), verifier.ErrIssuerMismatch},
				{"an empty iss", a.Token(verifiertest.Claims{"iss": ""}), verifier.ErrIssuerMismatch},
				{"no string", a.Token(verifiertest.Claims{"iss": []string{a.URL()}}), verifier.ErrIssuerMismatch},
				{"one that is not allowed", evil.Token(nil), verifier.ErrIssuerMismatch},
				{"almost a's", evil.Token(verifiertest.Claims{"iss": "https://a.test"}), verifier.ErrIssuerMismatch},
				{"a's in other letters", a.Token(verifiertest.Claims{"iss": "https://A.test/"}), verifier.ErrIssuerMismatch},
				{"a's with a control chara", a.Token(verifiertest.Claims{"iss": "https://a.test/\x00"}), verifier.ErrIssuerMismatch},
			} {
				_, err := v.Verify(t.Context(), test.raw)
				if test.reason == "" {
					if err != nil {
						t.Errorf("%s: %s: %v", name, test.what, err)
					}
					continue
				}
				refusedFor(t, name+": "+test.what, err, test.reason)
			}
		}
		if len(evil.Requests()) != 0 {
			t.Error("an issuer that is not allowed was asked")
		}
		if got := list.Stats(); got.Fetches != 2 || got.Hits == 0 {
			t.Errorf("Issuers: got %+v", got)
		}
		if got := dynamic.Stats(); got.Fetches != 2 || got.Hits == 0 {
			t.Errorf("IssuersFunc: got %+v", got)
		}
	})
}

func TestIssuersFuncDecidesEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		issuer := verifiertest.NewIssuer("https://a.test/")
		allowed, failure := true, error(nil)
		v, err := verifier.New(made(t)(jwks.IssuersFunc(func(context.Context, string) (bool, error) { return allowed, failure },
			jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet))))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), issuer.Token(nil)); err != nil {
			t.Fatal(err)
		}
		allowed = false
		_, err = v.Verify(t.Context(), issuer.Token(nil))
		refusedFor(t, "not any more", err, verifier.ErrIssuerMismatch)
		failure = errors.New("no database")
		_, err = v.Verify(t.Context(), issuer.Token(nil))
		refusedFor(t, "who knows", err, verifier.ErrKeysUnavailable)
		allowed, failure = true, nil
		for _, iss := range []string{
			"http://a.test/", "a.test", "https://a.test/?x", "file:///keys", "https:///a.test", "https://user@a.test/",
			"https://a.test//evil.test", "https://a.test//evil.test/", "https://a.test/x/..//evil.test", "https://a.test/%2e%2e", "https://a.test/x/%2e%2e%2f", "https://a.test/a//b",
		} {
			_, err = v.Verify(t.Context(), issuer.Token(verifiertest.Claims{"iss": iss}))
			refusedFor(t, iss, err, verifier.ErrIssuerMismatch)
		}
	})
}

// Over real connections, as it is used.
func TestOverHTTP(t *testing.T) {
	t.Run("https", func(t *testing.T) {
		issuer := verifiertest.ServeTLS()
		defer issuer.Close()
		var asked []string
		client := issuer.Client()
		client.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
			asked = append(asked, next.URL.RawQuery)
			return nil
		}
		p := made(t)(jwks.OIDC(issuer.URL(), jwks.HTTPClient(client), jwks.WithLogger(quiet)))
		issuer.Break(func(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
			verifiertest.Redirect(r.URL.Path+"?moved")(w, r, serve)
		})
		if _, err := newVerifier(t, p).Verify(t.Context(), issuer.Token(nil)); err != nil {
			t.Fatal(err)
		}
		if issuer.Fetches() != 2 || len(asked) != 2 || asked[0] != "moved" { // the client's own rule holds too
			t.Errorf("%d fetches, redirected to %q", issuer.Fetches(), asked)
		}
		if agent := issuer.Requests()[0].Header.Get("User-Agent"); !strings.HasPrefix(agent, "socketio-jwt ") {
			t.Errorf("the User-Agent is %q", agent)
		}
	})
	t.Run("a thousand at once", func(t *testing.T) {
		issuer := verifiertest.ServeTLS()
		defer issuer.Close()
		v := newVerifier(t, made(t)(jwks.URL(issuer.JWKSURL(), jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet))))
		raw := issuer.Token(nil)
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() {
				if _, err := v.Verify(t.Context(), raw); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := issuer.Fetches(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
	t.Run("http on the loopback interface", func(t *testing.T) {
		issuer := verifiertest.Serve()
		defer issuer.Close()
		p := made(t)(jwks.OIDC(issuer.URL(), jwks.InsecureAllowHTTP(), jwks.WithLogger(quiet))) // the default client
		if _, err := newVerifier(t, p).Verify(t.Context(), issuer.Token(nil)); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("a certificate that is not trusted", func(t *testing.T) {
		issuer := verifiertest.ServeTLS()
		defer issuer.Close()
		p := made(t)(jwks.URL(issuer.JWKSURL()+"?password=x", jwks.WithLogger(quiet)))
		_, err := newVerifier(t, p).Verify(t.Context(), issuer.Token(nil))
		refusedFor(t, "untrusted", err, verifier.ErrKeysUnavailable)
		if !strings.Contains(err.Error(), "certificate") || strings.Contains(err.Error(), "password") {
			t.Errorf("got %v", err)
		}
		if len(issuer.Requests()) != 0 {
			t.Error("it was asked")
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		issuer := verifiertest.ServeTLS()
		p := made(t)(jwks.URL(issuer.JWKSURL(), jwks.HTTPClient(issuer.Client()), jwks.WithLogger(quiet)))
		issuer.Close()
		_, err := newVerifier(t, p).Verify(t.Context(), issuer.Token(nil))
		refusedFor(t, "refused", err, verifier.ErrKeysUnavailable)
	})
}

// The client is the user's own, and stays as it is.
func TestClientIsNotChanged(t *testing.T) {
	client := &http.Client{}
	made(t)(jwks.URL("https://issuer.test/", jwks.HTTPClient(client)))
	if client.CheckRedirect != nil {
		t.Error("the client was given a CheckRedirect")
	}
}
